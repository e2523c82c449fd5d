"""What one inference costs in memory and energy, as float32 and as the network is: the paper's comparison, estimated.

Energies are those of M. Horowitz, "Computing's energy problem" (ISSCC 2014), for 45 nm at 0.9 V. He gives none for
single bits; a binary product is taken as two one-bit operations (XNOR, and its share of counting), each 1/32 of a
32-bit integer addition.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onebit.metrics._summary import LayerSummary

INT32_ADD, FLOAT32_ADD, FLOAT32_MUL = 0.1, 0.9, 3.7  # pJ
ACCESS = ((8 * 2**10, 10.0), (32 * 2**10, 20.0), (2**20, 100.0), (math.inf, 1300.0))  # bytes up to, pJ per 64 bits
# (bits of the input, of the weight) -> pJ of one multiply-accumulate; all others are float32's
BINARY_MAC = {
    ("1", "1"): 2 * INT32_ADD / 32,
    ("8", "1"): INT32_ADD,  # add or subtract the byte
    ("32", "1"): FLOAT32_ADD,
    ("1", "32"): FLOAT32_ADD,
}
FLOAT_MAC = FLOAT32_MUL + FLOAT32_ADD


@dataclass(frozen=True)
class Cost:
    """Of one inference: bytes of all weights and of the largest neighbouring activations, picojoules (estimates).

    arithmetic: multiply-accumulates only; norms and activations are less than a hundredth of them.
    access: every weight read once, every layer's input written and read once, each in the smallest of Horowitz's
        memories (8 KiB, 32 KiB, 1 MiB, DRAM at its lower figure) that holds all weights, or the largest activations.
    """

    weight_bytes: float
    activation_bytes: float
    arithmetic: float
    access: float

    @property
    def energy(self) -> float:
        """Arithmetic and memory access together, in pJ."""
        return self.arithmetic + self.access


def cost(layers: Sequence[LayerSummary], *, as_float: bool = False) -> Cost:
    """The cost of layers as they are, or with every weight and activation as float32."""
    products = [layer for layer in layers if layer.macs]
    inputs = [layer.inputs * (32 if as_float else int(layer.input_precision)) / 8 for layer in products]
    weights = sum(layer.parameters * 32 if as_float else layer.bits for layer in layers) / 8
    largest = max((a + b for a, b in pairwise([*inputs, 0.0])), default=0.0)
    arithmetic = sum(
        layer.macs * (FLOAT_MAC if as_float else BINARY_MAC.get(_precisions(layer), FLOAT_MAC)) for layer in products
    )
    access = _access(weights, weights) + _access(2 * sum(inputs), largest)
    return Cost(weights, largest, arithmetic, access)


def table(layers: Sequence[LayerSummary]) -> str:
    """Both costs side by side, and how many products are of which kind."""
    full, ours = cost(layers, as_float=True), cost(layers)
    rows = [("one inference", "float32", "this network", "ratio")]
    for what, a, b, show in (
        ("weights", full.weight_bytes, ours.weight_bytes, _bytes),
        ("activations, largest in and out", full.activation_bytes, ours.activation_bytes, _bytes),
        ("energy of arithmetic (estimate)", full.arithmetic, ours.arithmetic, _joules),
        ("energy of memory access (estimate)", full.access, ours.access, _joules),
        ("energy (estimate)", full.energy, ours.energy, _joules),
    ):
        rows.append((what, show(a), show(b), f"{a / b:,.1f}x" if b else "-"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join([*lines, f"multiply-accumulates: {_kinds(layers)}.", _SOURCE])


_SOURCE = (
    "Energies are estimates after Horowitz (ISSCC 2014, 45 nm): a float32 multiply-accumulate 4.6 pJ, a byte added to\n"
    "an integer 0.1 pJ, an XNOR with its count 2/32 of that; 64 bits from 8 KiB 10 pJ, 32 KiB 20, 1 MiB 100, DRAM 1300."
)
_NAMES = {
    ("1", "1"): "XNOR and count",
    ("8", "1"): "8-bit by sign",
    ("32", "1"): "float by sign",
    ("1", "32"): "sign by float",
}


def _kinds(layers: Sequence[LayerSummary]) -> str:
    counts: dict[str, int] = {}
    for layer in layers:
        if layer.macs:
            name = _NAMES.get(_precisions(layer), "float32")
            counts[name] = counts.get(name, 0) + layer.macs
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none"


def _precisions(layer: LayerSummary) -> tuple[str, str]:
    return layer.input_precision, layer.weight_precision


def _access(moved: float, held: float) -> float:
    """PJ to move so many bytes in and out of the smallest memory that holds `held` bytes."""
    return moved / 8 * next(energy for size, energy in ACCESS if held <= size)


def _bytes(count: float) -> str:
    for unit, size in (("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:,.2f} {unit}"
    return f"{count:,.0f} B"


def _joules(picojoules: float) -> str:
    for unit, size in (("mJ", 1e9), ("uJ", 1e6), ("nJ", 1e3)):
        if picojoules >= size:
            return f"{picojoules / size:,.2f} {unit}"
    return f"{picojoules:,.2f} pJ"
