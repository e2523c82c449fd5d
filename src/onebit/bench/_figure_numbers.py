"""The numbers of the kernel figure: what there is to draw, to print and to keep."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

BASELINE, BLAS, ONEBIT = "baseline", "blas", "onebit"  # of every device's kernels


@dataclass(frozen=True)
class Kernel:
    """A bar of the figure. name: beside its bars. what: in a sentence. family: whose it is, which colours it."""

    name: str
    what: str
    family: Literal["plain", "peer", "onebit"]


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
    """The figure's numbers. Groups of bars are keyed as `kernels` is, in its order; "onebit" is in every group.

    machine, setting: what measured, and how it was set. isa: onebit's kernels. size: of the square product. product,
    network: times. packing_ms: of the product by onebit as `packing` says. layers: of the network whose time is told.
    answers: of the network in `accuracy_of`. absent: group -> kernel -> why it has no bar there.
    """

    machine: str
    device: str
    setting: str
    torch: str
    onebit: str
    isa: str
    kernels: dict[str, Kernel]
    size: int
    product: dict[str, Bar]
    packing: str
    packing_ms: float
    layers: str
    pictures: int
    network: dict[str, Bar]
    answers: dict[str, Answers]
    absent: dict[str, dict[str, str]]
    accuracy_of: str
    data: str

    def ratios(self) -> dict[str, dict[str, float]]:
        """How many times as long as onebit each kernel takes, for each group of times."""
        groups = {"product": self.product, "network": self.network}
        return {
            group: {kernel: bar.ms / bars[ONEBIT].ms for kernel, bar in bars.items() if kernel != ONEBIT}
            for group, bars in groups.items()
        }

    def as_dict(self) -> dict[str, Any]:
        """The figure as JSON has it, its ratios beside it."""
        return asdict(self) | {"ratios": self.ratios()}

    @staticmethod
    def from_dict(kept: dict[str, Any]) -> Figure:
        """The figure that as_dict made these of."""
        made: dict[str, Any] = {name: value for name, value in kept.items() if name in Figure.__dataclass_fields__}
        for group, kind in (("kernels", Kernel), ("product", Bar), ("network", Bar), ("answers", Answers)):
            made[group] = {kernel: kind(**fields) for kernel, fields in kept[group].items()}
        return Figure(**made)
