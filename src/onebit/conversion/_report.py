"""VerifyReport: what verify found, layer by layer, as numbers and as a table."""

from __future__ import annotations

from dataclasses import dataclass

_HEADERS = ("layer", "operator", "n", "k", "sums", "unequal", "bits", "unequal", "verdict")


@dataclass
class LayerCheck:
    """One binary layer on the same inputs as in the float network.

    name, operator, n, k: which layer. exact: whether equality is demanded (else the float model itself rounds there).
    sums, sums_unequal: accumulators compared; `error`: largest difference, in the float network's units.
    bits, bits_unequal: output signs compared; `margin`: how far, in integer steps, a differing sum was from its
    threshold (0 is a tie). For a layer that gives scores, bits are scores and `error` is theirs.
    """

    name: str
    operator: str
    n: int
    k: int
    exact: bool
    sums: int = 0
    sums_unequal: int = 0
    error: float = 0.0
    bits: int = 0
    bits_unequal: int = 0
    margin: int = 0

    @property
    def ok(self) -> bool:
        """True if nothing differs that must not."""
        return not self.exact or (self.sums_unequal == 0 and self.bits_unequal == 0)

    def _cells(self) -> tuple[str, ...]:
        sums, bits = (f"{self.sums:,}", f"{self.sums_unequal:,}"), (f"{self.bits:,}", f"{self.bits_unequal:,}")
        return (self.name, self.operator, f"{self.n}", f"{self.k}", *sums, *bits, self._verdict())

    def _verdict(self) -> str:
        if self.exact:
            return "equal" if self.ok else "DIFFERENT"
        if not self.bits_unequal:
            return f"the float model rounds here (by {self.error:.2g}); outputs equal"
        return f"the float model rounds here (by {self.error:.2g}); differing sums are {self.margin} from the threshold"


@dataclass
class VerifyReport:
    """What `verify` found on `examples` inputs.

    layers: one check per binary layer. output_error: largest difference of the models' outputs.
    argmax_equal: examples with the same winner. excused: examples whose winner differs after a bit differed in a
    layer where the float model itself rounds, or whose two winners tie up to the rounding of the scores' own layer.
    """

    examples: int
    layers: tuple[LayerCheck, ...]
    output_error: float
    argmax_equal: int
    excused: int = 0

    @property
    def ok(self) -> bool:
        """True if every exact layer is equal and the same class wins everywhere (but for the excused)."""
        return all(layer.ok for layer in self.layers) and self.argmax_equal + self.excused == self.examples

    def __str__(self) -> str:
        rows = [_HEADERS, *(layer._cells() for layer in self.layers)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADERS))]
        lines = [_line(row, widths) for row in rows]
        excused = f", {self.excused:,} excused by rounding" if self.excused else ""
        lines.append(
            f"{'ok' if self.ok else 'NOT OK'}: same winner on {self.argmax_equal:,} of {self.examples:,} examples"
            f"{excused}; outputs differ by at most {self.output_error:.3g}."
        )
        return "\n".join(lines)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    text, numbers, verdict = slice(0, 2), slice(2, 8), slice(8, None)
    cells = [cell.ljust(width) for cell, width in zip(row[text], widths[text], strict=True)]
    cells += [cell.rjust(width) for cell, width in zip(row[numbers], widths[numbers], strict=True)]
    return "  ".join([*cells, *row[verdict]])
