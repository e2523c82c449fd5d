"""verify: the float network and the packed one side by side, layer by layer, on real inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from onebit._errors import ConversionError
from onebit.conversion._capture import capture, evaluating
from onebit.conversion._layer import Layer
from onebit.conversion._lower import layers_of, lower
from onebit.conversion._report import LayerCheck, VerifyReport
from onebit.runtime import PackedModel

_BATCH = 256


def verify(model: nn.Module, packed: PackedModel, x: Tensor) -> VerifyReport:
    """Compares packed with the float model it was made of, on inputs x (N, ...).

    Every binary layer gets the inputs that it has in the float network; its exact integer sums, written as floats,
    must be the float network's numbers, and its bits the float network's signs. Layers where the float network itself
    rounds (see their notes) are counted instead. Both networks as a whole must give the same argmax everywhere.
    Works for a model that came from a file too. Raises ConversionError if packed was not made of this model.
    """
    packed.input_spec.check(x)
    captured = capture(model, x[:2])
    return compare(model, captured, layers_of(lower(captured)), packed, x)


def compare(
    model: nn.Module, captured: fx.GraphModule, layers: Sequence[Layer], packed: PackedModel, x: Tensor
) -> VerifyReport:
    """verify, for a model that is captured and lowered already: `layers` in the order of packed's dense nodes."""
    checkers = _checkers(captured, layers, packed)
    names = {name for checker in checkers for name in checker.captured}
    report = VerifyReport(len(x), tuple(checker.check for checker in checkers), 0.0, 0)
    with evaluating(model):
        for batch in torch.split(x, _BATCH):
            float_values, packed_values = _Record(captured, names), _Record(packed.graph_module, None)
            float_values.run(batch)
            answer = packed_values.run(batch)
            rounded = torch.zeros(len(batch), dtype=torch.bool)
            for checker in checkers:
                rounded |= checker.add(float_values.values, packed_values.values)
            _add_outputs(report, model(batch), answer, rounded)
    return report


def _add_outputs(report: VerifyReport, expected: Tensor, got: Tensor, rounded: Tensor) -> None:
    if expected.numel():
        report.output_error = max(report.output_error, float((expected.double() - got.double()).abs().max()))
    same = (expected.flatten(1).argmax(1) == got.flatten(1).argmax(1)) if expected.ndim > 1 else expected == got
    report.argmax_equal += int(same.sum())
    report.excused += int((~same & rounded).sum())


class _Record(fx.Interpreter):
    """Runs a graph and keeps the values of some nodes; all if names is None."""

    def __init__(self, module: fx.GraphModule, names: set[str] | None) -> None:
        super().__init__(module)
        self.names, self.values = names, dict[str, Any]()

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if self.names is None or n.name in self.names:
            self.values[n.name] = result
        return result


def _checkers(captured: fx.GraphModule, layers: Sequence[Layer], packed: PackedModel) -> list[_Checker]:
    nodes = [node for node in packed.graph_module.graph.nodes if str(node.target).startswith("onebit.dense")]
    ours = [(layer.sums.n, layer.sums.k) for layer in layers]
    theirs = [tuple(node.args[2:4]) for node in nodes]
    if ours != theirs:
        raise ConversionError(
            f"The packed model has binary layers (n, k) = {theirs}, this model converts to {ours}; verify compares a "
            "packed model with the float model that it was made of."
        )
    by_name = {node.name: node for node in captured.graph.nodes}
    return [_Checker(layer, node, packed.graph_module, by_name) for layer, node in zip(layers, nodes, strict=True)]


class _Checker:
    """Compares one dense node of the packed graph with the captured nodes it stands for."""

    def __init__(self, layer: Layer, node: fx.Node, packed: fx.GraphModule, by_name: dict[str, fx.Node]) -> None:
        self.layer, self.node = layer, node
        linear = by_name[layer.sums.linear]
        operand = linear.args[1 if "addmm" in str(linear.target) else 0]
        self.input, self.result = str(operand), layer.result.removeprefix("-")
        self.captured = {name for name in (self.input, layer.sums.linear, self.result) if name}
        self.constants = [_attribute(packed, arg) for arg in node.args[1:]]
        operator = str(node.target).split(".")[1]
        self.pixels, self.kind = operator.startswith("dense_u8"), operator.rpartition("_")[2]
        self.check = LayerCheck(layer.name, operator, layer.sums.n, layer.sums.k, layer.sums.exact)

    def add(self, values: dict[str, Any], packed_values: dict[str, Any]) -> Tensor:
        """Counts one batch; returns which examples differ in a bit of a layer where the float model rounds."""
        ops, (weights, n, k) = torch.ops.onebit, self.constants[:3]
        if self.pixels:
            x = packed_values[str(self.node.args[0])]
        else:
            signs = -values[self.input] if self.layer.sums.negated else values[self.input]
            x = ops.pack(signs.contiguous())
        y = (ops.dense_u8_int32 if self.pixels else ops.dense_int32)(x, weights, n, k)
        output = self.node.target(x, *self.constants)  # type: ignore[operator]
        self._count_sums(y, values[self.layer.sums.linear])
        if not self.result:
            return torch.zeros(len(x), dtype=torch.bool)
        differs = self._differs(output, values[self.result], n)
        self.check.bits += differs.numel()
        self.check.bits_unequal += int(differs.sum())
        if self.kind == "bits" and bool(differs.any()):
            away = (y - self.constants[3]).abs()[differs]
            self.check.margin = max(self.check.margin, int(away.max()))
        rounded = differs if not self.check.exact else torch.zeros_like(differs)
        return rounded.flatten(1).any(1)

    def _count_sums(self, y: Tensor, expected: Tensor) -> None:
        sums = self.layer.sums
        got = y.float() * sums.scale + sums.bias
        self.check.sums += y.numel()
        self.check.sums_unequal += int((got != expected).sum())
        if y.numel():
            self.check.error = max(self.check.error, float((got - expected).abs().max()))

    def _differs(self, output: Tensor, expected: Tensor, n: int) -> Tensor:
        if self.kind == "bits":
            sign = torch.where(expected < 0, -1.0, 1.0)
            sign = -sign if self.layer.result.startswith("-") else sign
            return cast(Tensor, torch.ops.onebit.unpack(output, n) != sign)
        error = (output - expected).abs()
        self.check.error = max(self.check.error, float(error.max()) if error.numel() else 0.0)
        slack = 0.0 if self.check.exact else 1e-3 * float(expected.abs().max() if expected.numel() else 0.0)
        return ~(error <= self.layer.tolerance + slack)


def _attribute(module: fx.GraphModule, arg: Any) -> Any:
    return arg if not isinstance(arg, fx.Node) else dict(module.named_buffers())[str(arg.target)]
