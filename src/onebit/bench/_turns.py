"""Timing in turns: where a machine's speed drifts, neighbours in time can be compared, neighbours in a table cannot."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

WARM, TURN = 0.005, 0.02  # seconds that one turn warms up (another's threads may still spin), and measures, at least
FEWEST, FEWEST_SLOW = 7, 3  # rounds; of a turn that alone takes longer than the time for all
LONG = 0.25  # seconds of a call in which what warming up saves is lost


class Timing(NamedTuple):
    """Seconds of one call: by the clock on the wall, and of the calling thread's own processor time."""

    wall: float
    cpu: float


Turn = Callable[[], Timing]


def timed(run: Callable[[], object]) -> Turn:
    """A turn of `run`: warm up, then call it until a turn's time is over, and give the mean of those calls.

    A long call is its own warming up: it is made once.
    """

    def turn() -> Timing:
        start, thread = time.perf_counter(), time.thread_time()
        warm = start + WARM
        run()
        once = time.perf_counter() - start
        if once >= LONG:
            return Timing(once, time.thread_time() - thread)
        while once < TURN and time.perf_counter() < warm:
            run()
        calls = 0
        wall, cpu = time.perf_counter(), time.thread_time()
        end = wall + TURN
        while calls == 0 or time.perf_counter() < end:
            run()
            calls += 1
        return Timing((time.perf_counter() - wall) / calls, (time.thread_time() - cpu) / calls)

    return turn


def take_turns(turns: Mapping[str, Turn], *, seconds: float) -> dict[str, list[Timing]]:
    """Rounds in which each has its turn, until `seconds` are over, but at least seven.

    Whoever alone has used up `seconds`, in calls that are long at their quickest, has three turns at least.
    """
    taken: dict[str, list[Timing]] = {name: [] for name in turns}
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < FEWEST or time.perf_counter() < end:
        for name, turn in turns.items():
            if not slow(taken[name], seconds):
                taken[name].append(turn())
        rounds += 1
    return taken


def slow(taken: list[Timing], seconds: float) -> bool:
    """Whether these turns are enough of somebody who keeps all others waiting."""
    walls = [timing.wall for timing in taken]
    return len(walls) >= FEWEST_SLOW and min(walls) >= LONG and sum(walls) > seconds


def median(timings: list[Timing]) -> Timing:
    """The median of each figure on its own."""
    return Timing(*(statistics.median(figures) for figures in zip(*timings, strict=True)))
