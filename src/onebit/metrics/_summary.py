"""The table of a network: per layer its shapes, the precision of inputs and weights, memory and operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from onebit.metrics._cost import Cost, cost, table
from onebit.nn import BinaryLayer
from onebit.nn._evaluating import evaluating


@dataclass(frozen=True)
class LayerSummary:
    """One layer: `parameters` counts values, `bits` is what they take when packed; `inputs`, `macs` are per sample."""

    name: str
    kind: str
    output: tuple[int, ...]
    input_precision: str
    weight_precision: str
    parameters: int
    bits: int
    macs: int
    inputs: int


@dataclass(frozen=True)
class Summary:
    """All layers of a network, for one sample; printing it gives a table."""

    layers: tuple[LayerSummary, ...]

    @property
    def parameters(self) -> int:
        """How many values the network has."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def packed_bytes(self) -> float:
        """Memory of the parameters with binary weights at 1 bit."""
        return sum(layer.bits for layer in self.layers) / 8

    @property
    def binary_share(self) -> float:
        """The share of multiply-accumulates whose both operands are 1 bit."""
        total = sum(layer.macs for layer in self.layers)
        binary = sum(
            layer.macs for layer in self.layers if (layer.input_precision, layer.weight_precision) == ("1", "1")
        )
        return binary / total if total else 0.0

    @property
    def cost(self) -> Cost:
        """Memory and estimated energy of one inference as the network is."""
        return cost(self.layers)

    @property
    def float_cost(self) -> Cost:
        """The same with all weights and activations as float32."""
        return cost(self.layers, as_float=True)

    def __str__(self) -> str:
        """A text table with a line of totals, and the comparison of costs with float32."""
        head = ("layer", "kind", "output", "in bits", "weight bits", "parameters", "packed", "MACs")
        rows = [head] + [
            (
                layer.name,
                layer.kind,
                "x".join(map(str, layer.output)),
                layer.input_precision,
                layer.weight_precision,
                f"{layer.parameters:,}",
                f"{layer.bits / 8 / 1024:,.1f} KiB",
                f"{layer.macs:,}",
            )
            for layer in self.layers
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        lines.insert(1, "-" * max(map(len, lines)))
        float_mib, packed_mib = self.parameters * 4 / 2**20, self.packed_bytes / 2**20
        ratio = float_mib / packed_mib if packed_mib else 1.0
        lines.append(
            f"{self.parameters:,} parameters: {float_mib:,.2f} MiB as float32, {packed_mib:,.2f} MiB packed "
            f"({ratio:.1f}x smaller); {self.binary_share:.1%} of the multiply-accumulates are 1 bit by 1 bit."
        )
        return "\n".join([*lines, "", table(self.layers)])


def summary(model: nn.Module, example: Tensor) -> Summary:
    """The table of `model`, found by running it on `example` (a batch of one; its modes and weights are untouched)."""
    found: list[LayerSummary] = []

    def watch(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            found.append(describe(name, module, inputs[0], output))

        return hook

    leaves = [
        (name, module) for name, module in model.named_modules() if any(True for _ in module.parameters(recurse=False))
    ]
    handles = [module.register_forward_hook(watch(name)) for name, module in leaves]
    try:
        with evaluating(model):
            model(example)
    finally:
        for handle in handles:
            handle.remove()
    return Summary(tuple(found))


def describe(name: str, module: nn.Module, x: Tensor, y: Tensor) -> LayerSummary:
    """The row of one layer, from one run of it."""
    own = list(module.parameters(recurse=False))
    weight = getattr(module, "weight", None)
    binary_weight = isinstance(module, BinaryLayer) and module.weight_quantizer is not None
    binary_input = isinstance(module, BinaryLayer) and (module.input_quantizer is not None or is_signs(x))
    bits = sum(p.numel() * (1 if p is weight and binary_weight else 32) for p in own)
    macs = 0
    if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
        positions = y[0].numel() // module.weight.shape[0]
        macs = module.weight.numel() * positions
    return LayerSummary(
        name=name,
        kind=type(module).__name__,
        output=tuple(y.shape[1:]),
        input_precision="1" if binary_input else "8" if is_bytes(x) else "32",
        weight_precision="1" if binary_weight else "32",
        parameters=sum(p.numel() for p in own),
        bits=bits,
        macs=macs,
        inputs=x[0].numel(),
    )


def is_signs(x: Tensor) -> bool:
    """Whether every value is -1 or +1 (then one bit holds it)."""
    return bool((x.abs() == 1).all())


def is_bytes(x: Tensor) -> bool:
    """Whether every value is an odd integer in [-255, 255], as nn.Pixels makes of 8-bit pixels."""
    return bool(((x.abs() <= 255) & (x.remainder(2) == 1)).all())
