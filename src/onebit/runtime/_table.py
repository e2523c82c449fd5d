"""The text table that PackedModel.explain returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import fx

from onebit.export._nodes import label

if TYPE_CHECKING:
    from onebit.runtime._model import LayerInfo

_HEADERS = ("layer", "operator", "n", "k", "in", "out", "kernel", "MACs", "weight bytes", "note")
_NUMBERS = {"n", "k", "MACs", "weight bytes"}


def render(layers: Sequence[LayerInfo]) -> str:
    """One line per layer, columns aligned, totals on the last line."""
    rows = [_HEADERS, *(_row(layer) for layer in layers), _totals(layers)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADERS))]
    return "\n".join(_line(row, widths) for row in rows)


def one_call(names: Sequence[str], behind: fx.Node | None) -> str:
    """The sentence on a chain of layers; behind: the node that ends it."""
    said = f"On the CPU one call of the library runs the {len(names)} operators from {names[0]} to {names[-1]}"
    return f"{said}." if behind is None else f"{said}; it ends at {label(behind)}, {_why(behind)}."


def _why(behind: fx.Node) -> str:
    target = str(behind.target)
    if target.startswith("onebit.unpack"):
        return "which makes numbers of bits for torch"
    if target.startswith("onebit"):
        return "whose values have more dimensions than a network takes"
    return f"which is torch's ({target.removesuffix('.default')})"


def _row(layer: LayerInfo) -> tuple[str, ...]:
    sizes = (f"{layer.n}", f"{layer.k}") if layer.n else ("", "")
    work = (f"{layer.macs:,}", f"{layer.weight_bytes:,}") if layer.n else ("", "")
    return (layer.name, layer.operator, *sizes, layer.bits_in, layer.bits_out, layer.kernel, *work, layer.note)


def _totals(layers: Sequence[LayerInfo]) -> tuple[str, ...]:
    macs, weight_bytes = sum(layer.macs for layer in layers), sum(layer.weight_bytes for layer in layers)
    binary = sum(layer.macs for layer in layers if layer.kernel != "torch")
    share = f"{100 * binary / macs:.1f} % of the MACs are binary" if macs else ""
    return ("total", "", "", "", "", "", "", f"{macs:,}", f"{weight_bytes:,}", share)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = zip(row, widths, _HEADERS, strict=True)
    return "  ".join(cell.rjust(w) if header in _NUMBERS else cell.ljust(w) for cell, w, header in cells).rstrip()
