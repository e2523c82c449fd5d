"""How much of the time each part of benchmarks/gpu.py may take: arithmetic only, so that a test proves the sum."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 465.0  # seconds of all parts; what is left of 8 minutes is the start of the script itself
KILL = 3.0  # of a part's seconds: what a killed process may take to end
LAST = 12.0  # seconds before a part is killed in which it starts no measurement any more
# Seconds that each part gets whatever the others do; what one leaves goes to those behind it.
LEAST = {
    "check": 130.0, "matmul": 40.0, "mlp": 25.0, "convnet": 60.0, "figure": 45.0, "conv": 40.0, "peak": 10.0,
    "shapes": 30.0,
}  # fmt: skip


def jobs(parts: Sequence[str], sizes: Sequence[int]) -> list[tuple[str, int]]:
    """(part, size): each size of the product is a job of its own; 0 for the others."""
    return [(part, size) for part in parts for size in (sizes if part == "matmul" else [0])]


def allowed(work: Sequence[tuple[str, int]], index: int, left: float) -> float:
    """Seconds that job `index` may take of those left: all but what the jobs behind it get at least."""
    shorter = min(1.0, LONGEST / sum(LEAST[part] for part, _ in work))  # more jobs than the usual ones
    return left - shorter * sum(LEAST[part] for part, _ in work[index + 1 :])
