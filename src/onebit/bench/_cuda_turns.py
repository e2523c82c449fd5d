"""Timing on a GPU: CUDA-graph replays between events, so that the CPU's launches do not count."""

from __future__ import annotations

from collections.abc import Callable

import torch

from onebit.bench._turns import TURN, Timing, Turn

MOST = 1000  # replays of one turn


def captured(run: Callable[[], object], calls: int = 1) -> Callable[[], object]:
    """What replays `calls` calls of `run`, which has been run once before (kernels compiled, weights prepared)."""
    stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        run()
        with torch.cuda.graph(graph, stream=stream):
            for _ in range(calls):
                run()
    torch.cuda.current_stream().wait_stream(stream)
    return graph.replay


def milliseconds(run: Callable[[], object]) -> float:
    """Of what `run` asks of the device, from the first to the last of it."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    start.record()
    run()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end))


def cuda_turn(run: Callable[[], object]) -> Turn:
    """A turn of `run`, captured once: the mean of as many replays as fill a turn's time."""
    replay = captured(run)

    def turn() -> Timing:
        once = milliseconds(replay)  # warms up, too
        calls = max(1, min(MOST, round(TURN * 1e3 / max(once, 1e-3))))
        if calls == 1:
            return Timing(once / 1e3, 0.0)
        return Timing(milliseconds(lambda: [replay() for _ in range(calls)]) / calls / 1e3, 0.0)

    return turn
