"""What the engine must reach at least, as a table, and whether rows of results reach it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Rows = Sequence[Mapping[str, Any]]
PEAK = "peak"
INT8, ONNXRUNTIME, INT_MM, TORCH = "openvino int8", "onnxruntime float32", "torch int8 _int_mm", "torch float32"


@dataclass(frozen=True)
class Floor:
    """least: of the `peak` as a fraction, or how many times as fast as the peer called `than`.

    The row is that of the job and shape, with `forced` kernels; on `threads` threads, or the most there are rows of. Of
    a peer that also ran the network with ReLU in place of sign, the faster counts.
    """

    name: str
    shape: tuple[int, ...]
    than: str
    least: float
    forced: str | None = None
    threads: int | None = None

    def reached(self, rows: Rows) -> float | None:
        """What the rows of one CPU say; None where that was not measured."""
        row = self._row(rows)
        if row is None:
            return None
        if self.than == PEAK:
            return None if row["fraction_of_peak"] is None else float(row["fraction_of_peak"])
        forms = (self.than, f"{self.than} relu")
        return min((float(row["ratio"][name]) for name in forms if name in row["ratio"]), default=None)

    def _row(self, rows: Rows) -> Mapping[str, Any] | None:
        key = self.name, list(self.shape), self.forced
        found = [row for row in rows if (row["name"], list(row["shape"]), row["forced"]) == key]
        found = [row for row in found if self.threads in (None, row["threads"])]
        return max(found, key=lambda row: int(row["threads"]), default=None)

    def text(self, value: float | None) -> str:
        """A value of this floor: "65%", "4.0x"."""
        return "not measured" if value is None else f"{value:.0%}" if self.than == PEAK else f"{value:.1f}x"

    def what(self) -> str:
        """The job in words."""
        forced = f", {self.forced}" if self.forced else ""
        threads = f", {self.threads} thread{'s' * (self.threads > 1)}" if self.threads else ""
        return f"{self.name} {' x '.join(map(str, self.shape))}{forced}{threads}"


def _products() -> Iterator[Floor]:
    for size in (4096, 8192):
        cube = (size,) * 3
        yield Floor("dense_int32", cube, PEAK, 0.65)
        yield Floor("dense_int32", cube, INT_MM, 4)
        yield Floor("dense_int32", cube, TORCH, 20)
        yield Floor("dense_int32", cube, PEAK, 0.80, forced="avx512vpopcnt", threads=1)
        yield Floor("dense_int32", cube, PEAK, 0.80, forced="avx2", threads=1)


def _convolutions() -> Iterator[Floor]:
    for shape in ((1, 64, 56), (1, 128, 28), (1, 256, 14), (1, 512, 7)):
        yield Floor("conv2d_bits", shape, PEAK, 0.50)
        yield Floor("conv2d_bits", shape, INT8, 3)


FLOORS = (
    *_products(),
    *_convolutions(),
    Floor("cifar10-convnet", (1,), INT8, 2.5),
    Floor("cifar10-convnet", (1,), ONNXRUNTIME, 12),
    Floor("cifar10-convnet", (64,), INT8, 1.6),
    Floor("mlp", (1,), INT8, 8),
    Floor("mlp", (64,), INT8, 3),
)
# Of the kernel figure: how many times as long as onebit the unoptimised loop and the BLAS must take.
FIGURE_FLOORS = {("product", "baseline"): 100.0, ("product", "blas"): 20.0, ("network", "baseline"): 20.0}
