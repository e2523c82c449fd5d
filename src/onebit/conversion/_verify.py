"""verify: the float network and the packed one side by side, layer by layer, on real inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from onebit._errors import ConversionError
from onebit.conversion._capture import capture
from onebit.conversion._graph import ROW_MAJOR, calls
from onebit.conversion._layer import Layer
from onebit.conversion._layer_checker import LayerChecker, terms
from onebit.conversion._lower import layers_of, lower
from onebit.conversion._report import VerifyReport
from onebit.nn._evaluating import evaluating
from onebit.runtime import PackedModel

_BATCH, _BATCH_OF_MAPS = 256, 32
_BINARY = ("onebit.dense", "onebit.conv2d")


def verify(model: nn.Module, packed: PackedModel, x: Tensor) -> VerifyReport:
    """Compares packed with the float model it was made of, on inputs x (N, ...).

    Every binary layer gets the inputs that it has in the float network; its exact integer sums, written as floats,
    must be the float network's numbers, and its bits the float network's signs. Layers where the float network itself
    rounds (see their notes) are counted instead. Both networks as a whole must give the same argmax everywhere, but for
    scores that are as near to each other as the note of their layer allows.
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
    tolerance = _tolerance_of_scores(captured, layers)
    ours, theirs = _Recorder(captured, names), _Recorder(packed.graph_module, None)
    with evaluating(model):
        for batch in torch.split(x, _batch_of(packed)):
            ours.run(batch)
            answer = theirs.run(batch)
            rounded = torch.zeros(len(batch), dtype=torch.bool)
            for checker in checkers:
                rounded |= checker.add(ours.values, theirs.values)
            _add_outputs(report, model(batch), answer, rounded, tolerance)
    return report


def _tolerance_of_scores(captured: fx.GraphModule, layers: Sequence[Layer]) -> float:
    """How far the network's scores may be from the float model's by the note of the layer that gives them."""
    tolerances = {layer.result: layer.tolerance for layer in layers}
    (scores,) = captured.graph.output_node().args
    while calls(scores, *ROW_MAJOR) and scores.name not in tolerances:
        scores = scores.args[0]
    return tolerances.get(str(scores), 0.0)


def _add_outputs(report: VerifyReport, expected: Tensor, got: Tensor, rounded: Tensor, tolerance: float) -> None:
    expected, got = expected.double(), got.double()
    if expected.numel():
        report.output_error = max(report.output_error, float((expected - got).abs().max()))
    if expected.ndim == 1:  # one number for each example, which has no winner
        same, near = expected == got, (expected - got).abs() <= tolerance
    else:
        expected, winner = expected.flatten(1), got.flatten(1).argmax(1)
        same = expected.argmax(1) == winner
        near = expected.amax(1) - expected.gather(1, winner[:, None])[:, 0] <= 2 * tolerance
    report.argmax_equal += int(same.sum())
    report.excused += int((~same & (rounded | near)).sum())


def _batch_of(packed: PackedModel) -> int:
    """Examples at a time, as few as keep the maps of convolutions small."""
    targets = [str(node.target) for node in packed.graph_module.graph.nodes]
    return _BATCH_OF_MAPS if any(target.startswith("onebit.conv2d") for target in targets) else _BATCH


class _Recorder(fx.Interpreter):
    """Runs a graph and keeps the last run's values of some nodes; all if names is None.

    What depends on constants alone, such as the signs of weights, is computed in the first run.
    """

    def __init__(self, module: fx.GraphModule, names: set[str] | None) -> None:
        super().__init__(module)
        self.names, self.values, self._constants = names, dict[str, Any](), dict[fx.Node, Any]()

    def run_node(self, n: fx.Node) -> Any:
        result = self._constants[n] if n in self._constants else super().run_node(n)
        inputs = n.all_input_nodes
        if n.op == "get_attr" or (n.op == "call_function" and inputs and all(i in self._constants for i in inputs)):
            self._constants[n] = result
        if self.names is None or n.name in self.names:
            self.values[n.name] = result
        return result


def _checkers(captured: fx.GraphModule, layers: Sequence[Layer], packed: PackedModel) -> list[LayerChecker]:
    nodes = [node for node in packed.graph_module.graph.nodes if str(node.target).startswith(_BINARY)]
    ours = [(layer.sums.n, layer.sums.k) for layer in layers]
    theirs = [terms(node) for node in nodes]
    if ours != theirs:
        raise ConversionError(
            f"The packed model has binary layers (n, k) = {theirs}, this model converts to {ours}; verify compares a "
            "packed model with the float model that it was made of."
        )
    by_name = {node.name: node for node in captured.graph.nodes}
    return [LayerChecker(layer, node, packed.graph_module, by_name) for layer, node in zip(layers, nodes, strict=True)]
