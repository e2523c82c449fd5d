"""Channel functions: elementwise nodes behind a binary layer, run on integers of our choice.

If every node behind a sum works on each number alone, with constants that depend on the channel only, then all of
them together are a function f_c(y) of one integer per channel, and running the captured nodes on integers gives f.
The nodes behind a convolution run on maps of one place. A max pool there has one number under its window and gives it
back, so f is what the pooled network computes where all places of a window agree; `onebit.conversion._pools` says
when that settles the pool as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

from onebit.conversion._graph import (
    LIKE,
    PACK,
    TO_NCHW,
    TO_NHWC,
    UNPACK,
    WHERE,
    aten,
    calls,
    constant,
    elementwise,
    permutes,
    shape_of,
)
from onebit.conversion._sums import Sums

Chain = list[fx.Node]


def chain_behind(module: fx.GraphModule, layer: fx.Node, axis: int = -1) -> Chain:
    """All nodes that are a function of one channel of a node, in the order they run; it is the first.

    Channels are dimension `axis` of the node: the last one of a dense or conv2d node (N, ..., n), dimension 1 behind a
    permute to NCHW.
    """
    chain, shape = [layer], shape_of(layer)
    if shape is None:
        return chain
    axes = {layer: axis % len(shape)}
    for node in module.graph.nodes:
        found = _channel_axis(module, node, axes)
        if found is not None:
            axes[node] = found
            chain.append(node)
    return chain


def _channel_axis(module: fx.GraphModule, node: fx.Node, axes: dict[fx.Node, int]) -> int | None:
    """The dimension of node that is the layer's channels, None if node is no function of one channel."""
    known = {axes[source] for source in node.all_input_nodes if source in axes}
    if node.op != "call_function" or len(known) != 1:
        return None
    (axis,) = known
    x, shape = node.args[0], shape_of(node)
    if calls(node, PACK):
        return axis if axis == len(shape_of(x) or ()) - 1 else None
    if calls(node, UNPACK):
        return axis
    if permutes(node, TO_NCHW) or permutes(node, TO_NHWC):
        return (TO_NCHW if permutes(node, TO_NCHW) else TO_NHWC).index(axis)
    if calls(node, aten.max_pool2d.default):
        return 1 if axis == 1 and len(shape or ()) == 4 and x in axes else None
    if shape is None or any(shape_of(source) != shape for source in node.all_input_nodes if source in axes):
        return None
    if calls(node, aten.batch_norm.default, aten.prelu.default):
        constants = all(s in axes or s.op == "get_attr" for s in node.all_input_nodes)
        return axis if axis == 1 and x in axes and constants else None
    if not elementwise(node):
        return None
    fits = all(source in axes or _per_channel(constant(module, source), shape, axis) for source in node.all_input_nodes)
    return axis if fits else None


def _per_channel(value: Tensor | None, shape: tuple[Any, ...], axis: int) -> bool:
    """True for a constant that varies along the channels only."""
    if value is None or value.ndim > len(shape):
        return False
    place = axis - len(shape)  # counted from the end, as broadcasting does
    return value.numel() == 1 or (value.ndim >= -place and value.shape[place] == value.numel() == shape[axis])


class ChannelFunction:
    """f(y), (m, n) integers -> (m, n) numbers at `result`, for a chain of captured nodes.

    The nodes run as captured, in float32, on v = y*scale + bias: where the float network holds the same v, f gives
    its bits at ties too. Where it does not (sums.real), they run in float64 on the real v.
    """

    def __init__(self, module: fx.GraphModule, chain: Sequence[fx.Node], result: fx.Node, sums: Sums) -> None:
        self.module, self.sums = module, sums
        needed = _ancestors(result, set(chain))
        self.dense, self.result = chain[0], result
        self.nodes = [node for node in chain[1:] if node in needed]
        self.rank = len(shape_of(self.dense) or ())

    def __call__(self, y: Tensor) -> Tensor:
        """The numbers at `result` for the integers y."""
        return self.trace(y)[self.result].reshape(y.shape)

    def trace(self, y: Tensor) -> dict[fx.Node, Tensor]:
        """What every node of the chain gives for the integers y (m, n)."""
        scale, bias = self.sums.real or (self.sums.scale, self.sums.bias)
        shaped = y.reshape(y.shape[0], *[1] * (self.rank - 2), y.shape[1])
        values = {self.dense: shaped.to(scale.dtype) * scale + bias}
        for node in self.nodes:
            values[node] = self._run(node, values)
        return values

    def _run(self, node: fx.Node, values: dict[fx.Node, Tensor]) -> Tensor:
        if calls(node, PACK):  # a sign stays a number here; unpack then has nothing to do
            x = values[node.args[0]]  # type: ignore[index]
            return torch.where(x < 0, -1.0, 1.0)
        if calls(node, UNPACK, aten.max_pool2d.default):
            return values[node.args[0]]  # type: ignore[index]
        args = fx.node.map_arg(node.args, lambda n: self._operand(n, values))
        kwargs = {key: self._wide(value) for key, value in node.kwargs.items()}
        result: Tensor = node.target(*args, **kwargs)  # type: ignore[operator]
        return result

    def _operand(self, node: fx.Node, values: dict[fx.Node, Tensor]) -> Any:
        return values[node] if node in values else self._wide(constant(self.module, node))

    def _wide(self, value: Any) -> Any:
        """In float64 runs, float32 constants and casts become float64."""
        if self.sums.real is None:
            return value
        if isinstance(value, Tensor) and value.dtype == torch.float32:
            return value.double()
        return torch.float64 if value is torch.float32 else value


def _ancestors(result: fx.Node, within: set[fx.Node]) -> set[fx.Node]:
    found, todo = set(), [result]
    while todo:
        node = todo.pop()
        if node in within and node not in found:
            found.add(node)
            todo.extend(node.all_input_nodes)
    return found


_MONOTONE = frozenset(
    {
        *(aten.add.Tensor, aten.sub.Tensor, aten.rsub.Scalar, aten.mul.Tensor, aten.neg.default),
        *(aten.clamp.default, aten.clamp_min.default, aten.clamp_max.default, aten.clip.default),
        *(aten.relu.default, aten.hardtanh.default, aten.batch_norm.default, aten.sign.default),
        *(aten._to_copy.default, aten.to.dtype, aten.minimum.default, aten.maximum.default),
        *(aten.lt.Scalar, aten.le.Scalar, aten.gt.Scalar, aten.ge.Scalar),
        *(aten.permute.default, aten.max_pool2d.default),  # of one number: itself
        *(PACK, UNPACK, *WHERE, *LIKE),
    }
)


def why_not_monotone(function: ChannelFunction) -> str:
    """The node that spoils the proof that f is monotone in y, per channel; "" if the proof holds.

    Each operator of the list, with one operand that depends on y and finite constants elsewhere, is monotone in that
    operand: over the reals by inspection, in floats because rounding is monotone (u <= v implies fl(u) <= fl(v)),
    two-valued ones because a comparison with a constant changes once. Division qualifies with a constant divisor.
    Compositions of monotone functions are monotone. Values must also be finite, so that no 0 * inf makes a NaN:
    they are if they are finite at both ends of the range, since each is monotone in y as well.
    """
    doubt = why_not_listed(function)
    if doubt:
        return doubt
    ends = function.sums.integers(0, function.sums.count)[[0, -1]] if function.sums.count < 3 else _ends(function.sums)
    for node, value in function.trace(ends).items():
        if not bool(value.isfinite().all()):
            return f"{node.name} overflows"
    return ""


def why_not_listed(function: ChannelFunction) -> str:
    """The first node that is not a monotone operator in one operand, "" if all are."""
    inside = {function.dense, *function.nodes}
    for node in function.nodes:
        depending = [a for a in node.args if a in inside]
        listed = node.target in _MONOTONE or (calls(node, aten.div.Tensor) and node.args[0] in inside)
        if not listed or (len(depending) != 1 and node.target not in LIKE):
            return f"no proof that {node.name} ({node.target}) is monotone"
    return ""


def _ends(sums: Sums) -> Tensor:
    return torch.stack([sums.lowest, sums.lowest + sums.step * (sums.count - 1)])
