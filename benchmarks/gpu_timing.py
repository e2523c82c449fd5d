"""Milliseconds of GPU work, as medians of CUDA-graph replays between events: the CPU's launch time does not count."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch

BUDGET_MS = 150.0  # of one measurement
SAMPLES = (5, 30)  # fewest and most


def median_ms(work: Callable[[], object], graph: bool = True) -> float:
    """Median time of one call of `work`; several calls form one sample if a single one is short."""
    from onebit.bench import captured, milliseconds  # found only after gpu.prepare()

    for _ in range(2):
        work()
    once = milliseconds(work)
    calls = max(1, min(20, int(1.0 / max(once, 1e-3))))
    replay = captured(work, calls) if graph else lambda: [work() for _ in range(calls)]
    replay()
    samples = max(SAMPLES[0], min(SAMPLES[1], int(BUDGET_MS / max(once * calls, 1e-3))))
    times = [milliseconds(replay) / calls for _ in range(samples)]
    torch.cuda.synchronize()
    return statistics.median(times)
