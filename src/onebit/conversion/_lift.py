"""Lifting: sequences (N, C, L) become maps of one row (N, C, 1, L), so that all that follows knows maps alone."""

from __future__ import annotations

import operator
from typing import Any

from torch import Tensor, fx

from onebit.conversion._graph import aten, calls, constant, dtype_of, elementwise, finished, shape_of

# The same operator on maps, and its arguments that count along L: what stands for the one row in front of them.
_WINDOWS: dict[Any, tuple[Any, dict[int, int]]] = {
    aten.conv1d.default: (aten.conv2d.default, {3: 1, 4: 0, 5: 1}),
    aten.conv1d.padding: (aten.conv2d.padding, {3: 1, 5: 1}),
    aten.convolution.default: (aten.convolution.default, {3: 1, 4: 0, 5: 1, 7: 0}),
    aten.max_pool1d.default: (aten.max_pool2d.default, {1: 1, 2: 1, 3: 0, 4: 1}),
    aten.avg_pool1d.default: (aten.avg_pool2d.default, {1: 1, 2: 1, 3: 0}),
    aten.adaptive_avg_pool1d.default: (aten.adaptive_avg_pool2d.default, {1: 1}),
    aten.prelu.default: (aten.prelu.default, {}),
}
_CONVOLUTIONS = (aten.conv1d.default, aten.conv1d.padding, aten.convolution.default)
_BATCH_NORM = aten._native_batch_norm_legit_no_training.default
_PADS = (aten.pad.default, aten.constant_pad_nd.default)
_ROW_MAJOR = (aten.view.default, aten.reshape.default, aten._unsafe_view.default)


def lift_sequences(module: fx.GraphModule) -> fx.GraphModule:
    """f(x) on sequences  becomes  squeeze(F(unsqueeze(x, 2)), 2), F the operator on maps, for each node that has one.

    A convolution of (N, C, L) is one of (N, C, 1, L) with kernels (1, k): the same products, padding along L alone. A
    pool takes the maximum or the mean of the same numbers, batch norm and PReLU treat dimension 1 in both, an
    elementwise node and a constant pad do to each number what they did, and a mean along L is one over row and L.
    Between two lifted nodes nothing is squeezed, and a reshape lists the numbers of a map in the same order. Graphs
    without convolution or pool of sequences are left as they are.
    """
    if not any(node.target in _WINDOWS and _is_sequence(node.args[0]) for node in module.graph.nodes):
        return module
    lift = _Lift(module)
    for node in module.graph.nodes:
        lift.add(node)
    return finished(fx.GraphModule(module, lift.graph))


class _Lift:
    """The new graph: each node of the old one as it was (`plain`), as a map (`maps`), or both."""

    def __init__(self, module: fx.GraphModule) -> None:
        self.module, self.graph = module, fx.Graph()
        self.plain: dict[fx.Node, fx.Node] = {}
        self.maps: dict[fx.Node, fx.Node] = {}

    def add(self, node: fx.Node) -> None:
        """Makes the node: on maps if it is one of the operators that this file knows, else as it was."""
        target, arguments = self._on_maps(node)
        if target is not None:
            new = self.graph.call_function(target, arguments, dict(node.kwargs))
            new.meta = {**node.meta, "captured": new.name}
            new.meta["val"] = node.meta["val"].unsqueeze(2)
            self.maps[node] = new
            return
        if calls(node, aten.mean.dim) and node.args[0] in self.maps and node.args[1:] in (([2],), ([-1],)):
            mean = self._made(aten.mean.dim, (self._map(node.args[0]), [2, 3]), node.meta["val"])  # type: ignore[arg-type]
            self.plain[node] = mean
            return
        listed = calls(node, *_ROW_MAJOR) or (calls(node, aten.flatten.using_ints) and node.args[1:] == (1,))
        self.plain[node] = self.graph.node_copy(
            node, lambda source: self.maps[source] if listed and source in self.maps else self._plain(source)
        )
        self.plain[node].meta["captured"] = self.plain[node].name

    def _plain(self, node: fx.Node) -> fx.Node:
        if node not in self.plain:
            self.plain[node] = self._made(aten.squeeze.dim, (self.maps[node], 2), node.meta.get("val"))
        return self.plain[node]

    def _map(self, node: fx.Node) -> fx.Node:
        if node not in self.maps:
            self.maps[node] = self._made(aten.unsqueeze.default, (self._plain(node), 2), node.meta["val"].unsqueeze(2))
        return self.maps[node]

    def _made(self, target: Any, arguments: tuple[Any, ...], value: Any) -> fx.Node:
        new = self.graph.call_function(target, arguments)
        new.meta.update({"captured": new.name} if value is None else {"captured": new.name, "val": value})
        return new

    def _on_maps(self, node: fx.Node) -> tuple[Any, tuple[Any, ...]]:
        """Operator and arguments of the node on maps; (None, ()) if it has no such form."""
        if node.target in _WINDOWS and not node.kwargs and _is_sequence(node.args[0]):
            target, windows = _WINDOWS[node.target]
            x, *rest = (_widened(argument, windows.get(i)) for i, argument in enumerate(node.args))
            arguments = [self._operand(one) for one in rest]
            if calls(node, *_CONVOLUTIONS):
                weight = node.args[1]
                arguments[0] = self._made(aten.unsqueeze.default, (arguments[0], 2), _unsqueezed(weight))
            return target, (self._map(x), *arguments)
        if calls(node, operator.getitem) and node.args[1] == 0 and calls(node.args[0], _BATCH_NORM):
            x, weight, bias, mean, var, momentum, eps = node.args[0].args
            if _is_sequence(x):
                four = [self._operand(one) for one in (weight, bias, mean, var)]
                return aten.batch_norm.default, (self._map(x), *four, False, momentum, eps, False)  # type: ignore[arg-type]
        if calls(node, *_PADS) and _is_sequence(node.args[0]) and len(node.args[1]) <= 2:  # type: ignore[arg-type]
            return node.target, (self._map(node.args[0]), *node.args[1:])  # type: ignore[arg-type]
        if elementwise(node) and _is_sequence(node) and any(source in self.maps for source in node.all_input_nodes):
            return self._elementwise(node)
        return None, ()

    def _elementwise(self, node: fx.Node) -> tuple[Any, tuple[Any, ...]]:
        shape = shape_of(node)
        for source in node.all_input_nodes:
            if shape_of(source) != shape and constant(self.module, source) is None:
                return None, ()
        return node.target, fx.node.map_arg(node.args, self._broadcast)

    def _broadcast(self, source: fx.Node) -> fx.Node:
        """An operand of maps: a sequence, or a constant, which gets its row in front of L."""
        value = constant(self.module, source)
        if value is None:
            return self._map(source)
        plain = self._plain(source)
        return plain if value.ndim < 2 else self._made(aten.unsqueeze.default, (plain, -2), None)

    def _operand(self, argument: Any) -> Any:
        return self._plain(argument) if isinstance(argument, fx.Node) else argument


def _is_sequence(node: object) -> bool:
    """True for a tensor (N, C, L)."""
    return isinstance(node, fx.Node) and len(shape_of(node) or ()) == 3 and dtype_of(node) is not None


def _widened(argument: Any, row: int | None) -> Any:
    """A size along L with that along the row in front; text and empty lists, which stand for a rule, stay."""
    if row is None or isinstance(argument, str | bool) or argument == []:
        return argument
    return [row, argument] if isinstance(argument, int) else [row, *argument]


def _unsqueezed(node: object) -> Any:
    value = node.meta.get("val") if isinstance(node, fx.Node) else None
    return value.unsqueeze(2) if isinstance(value, Tensor) else None
