"""Into how many parts k is cut, where the tiles of a result alone would leave multiprocessors idle.

Each part of a tile is a block's work of its own and leaves int32 sums, which are exact in any order; a second kernel
adds the parts up and does the epilogue. That costs its launch and the way of the parts through memory, so only a long k
gains.
"""

from __future__ import annotations

from typing import NamedTuple

LAUNCH = 4000  # cycles that a second kernel costs
MOST = 32  # parts
GAIN = 0.75  # of the cycles without parts: an estimate that is a little wrong must not cost time
BYTES_PER_CYCLE = 1000  # of sums, by the whole device


class Work(NamedTuple):
    """A product in tiles: their number, the steps of k in each, the cycles of a step and of what follows the last one.

    sums: of the result. Nothing of it has been measured; `benchmarks/gpu.py` prints kernels with and without parts.
    """

    tiles: int
    steps: int
    step: float
    after: float
    sums: int

    def cycles(self, processors: int, parts: int = 1) -> float:
        """The estimate: waves of blocks, and for parts the second kernel, which reads what the first has written."""
        waves = -(-self.tiles * parts // processors)
        product = waves * (-(-self.steps // parts) * self.step + self.after)
        return product if parts == 1 else product + LAUNCH + 8 * parts * self.sums / BYTES_PER_CYCLE

    def parts(self, processors: int) -> int:
        """With the fewest estimated cycles; 1 unless tiles leave multiprocessors idle and parts clearly gain."""
        if self.tiles >= processors:
            return 1
        lengths = {-(-self.steps // parts) for parts in range(1, min(self.steps, MOST) + 1)}
        numbers = sorted({-(-self.steps // length) for length in lengths})  # no part is empty
        best = min(numbers, key=lambda parts: self.cycles(processors, parts))
        return best if self.cycles(processors, best) < GAIN * self.cycles(processors) else 1
