"""The numbers of the kernel figure: what there is to draw, to print and to keep."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

BASELINE, BLAS, ONEBIT = "baseline", "blas", "onebit"
WHAT = {
    BASELINE: "unoptimised float32: a plain tiled C loop, -O3",
    BLAS: "float32 by torch's BLAS",
    ONEBIT: "1-bit arithmetic, bits in",
}


@dataclass(frozen=True)
class Bar:
    """ms: of the whole job. measured_ms: of what was done. extrapolated_from: what that was, None if it was all."""

    ms: float
    measured_ms: float
    rounds: int
    extrapolated_from: str | None


@dataclass(frozen=True)
class Answers:
    """What a kernel answered to `pictures` pictures, and whether all its answers are `equal` to onebit's.

    accuracy: of all pictures; where a kernel saw a part, it is onebit's if its answers to that part are equal.
    """

    accuracy: float
    pictures: int
    equal: bool


@dataclass(frozen=True)
class Figure:
    """The figure's numbers. Groups of bars are keyed by kernel: "baseline", "blas", "onebit".

    size: of the square product. product, network: times. packing_ms: of the product by onebit, from floats.
    layers: of the network whose time is told. answers: of the network in `accuracy_of`. isa: onebit's kernels.
    """

    cpu: str
    device: str
    threads: int
    torch: str
    onebit: str
    isa: str
    size: int
    product: dict[str, Bar]
    packing_ms: float
    layers: str
    pictures: int
    network: dict[str, Bar]
    answers: dict[str, Answers]
    accuracy_of: str
    data: str

    def ratios(self) -> dict[str, dict[str, float]]:
        """How many times as long as onebit each kernel takes, for each group of times."""
        groups = {"product": self.product, "network": self.network}
        return {
            name: {kernel: bars[kernel].ms / bars[ONEBIT].ms for kernel in (BASELINE, BLAS)}
            for name, bars in groups.items()
        }

    def as_dict(self) -> dict[str, Any]:
        """The figure as JSON has it, its ratios beside it."""
        return asdict(self) | {"kernels": WHAT, "ratios": self.ratios()}
