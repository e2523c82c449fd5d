"""Milliseconds of GPU work, as medians of CUDA-graph replays between events: the CPU's launch time does not count."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch

BUDGET_MS = 150.0  # of one measurement
SAMPLES = (5, 30)  # fewest and most


def median_ms(work: Callable[[], object], graph: bool = True) -> float:
    """Median time of one call of `work`; several calls form one sample if a single one is short."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(2):
            work()
        once = _between(work)
        calls = max(1, min(20, int(1.0 / max(once, 1e-3))))
        replay = _captured(work, calls) if graph else lambda: [work() for _ in range(calls)]
        replay()
        samples = max(SAMPLES[0], min(SAMPLES[1], int(BUDGET_MS / max(once * calls, 1e-3))))
        times = [_between(replay) / calls for _ in range(samples)]
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()
    return statistics.median(times)


def _captured(work: Callable[[], object], calls: int) -> Callable[[], object]:
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=torch.cuda.current_stream()):
        for _ in range(calls):
            work()
    return graph.replay


def _between(work: Callable[[], object]) -> float:
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    work()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end))
