"""Measures one workload: the peaks, then in turns the bounding peak, onebit, that peak again and the peers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

import onebit
from onebit._errors import NativeError
from onebit.bench._peaks import BOUND, probe, survey
from onebit.bench._peers import prepare
from onebit.bench._results import Row, cpu_name
from onebit.bench._turns import Timing, Turn, median, take_turns, timed
from onebit.bench._workload import Workload
from onebit.ops import native

BEFORE, OURS, AFTER = "peak before", "onebit", "peak after"


@contextmanager
def threads_set(threads: int) -> Iterator[None]:
    """torch and libonebit on that many threads, and back."""
    before = native.get_threads()
    native.set_threads(threads)
    try:
        yield
    finally:
        native.set_threads(before)


@torch.inference_mode()
def measure(workload: Workload, *, threads: int, peers: bool = False, seconds: float = 3.0) -> Row:
    """One row of results, with the kernels that are active now; takes about `seconds`, longer for a slow peer.

    Raises NativeError if onebit's answer differs from the float network's, or another kernel than the forced one ran.
    """
    with threads_set(threads):
        isas = _checked(workload)
        runs, absent = prepare(workload, threads) if peers else ({}, {})
        for run in runs.values():
            run()  # whatever an engine prepares at its first call
        before, skipped = survey(threads)
        bound = bound_of(isas, before)
        turns = {OURS: timed(workload.run)}
        if bound is not None:
            turns = {BEFORE: _peak_turn(bound, threads), **turns, AFTER: _peak_turn(bound, threads)}
        taken = take_turns(turns | {name: timed(run) for name, run in runs.items()}, seconds=seconds)
        after, _ = survey(threads)
    ours = median(taken[OURS])
    limit = median(taken[BEFORE] + taken[AFTER]) if bound is not None else None  # seconds of one MAC
    others = {name: median(taken[name]).wall for name in runs}
    return Row(
        cpu=cpu_name(),
        torch=torch.__version__,
        onebit=onebit.__version__,
        name=workload.name,
        shape=list(workload.shape),
        isa=" and ".join(isas),
        forced=native.forced(),
        threads=threads,
        rounds=len(taken[OURS]),
        ms=ours.wall * 1e3,
        cpu_ms=ours.cpu * 1e3 if threads == 1 else None,
        tmac_per_s=workload.macs / ours.wall / 1e12,
        peak=bound,
        **_reached(workload.macs, ours, limit, alone=threads == 1),
        peers={name: wall * 1e3 for name, wall in others.items()},
        ratio={name: wall / ours.wall for name, wall in others.items()},
        absent=absent,
        peaks={name: [before[name], after[name]] for name in before},
        skipped=skipped,
    )


def _reached(macs: int, ours: Timing, limit: Timing | None, *, alone: bool) -> dict[str, float | None]:
    """The fields of a row that compare `ours` with the peak, whose time for one multiply-accumulate is `limit`."""
    return {
        "peak_tmac_per_s": 1e-12 / limit.wall if limit else None,
        "fraction_of_peak": macs * limit.wall / ours.wall if limit else None,
        "cpu_fraction_of_peak": macs * limit.cpu / ours.cpu if limit and alone else None,
        "cpu_share": limit.cpu / limit.wall if limit else None,
    }


def bound_of(isas: list[str], rates: Mapping[str, float]) -> str | None:
    """The peak that bounds a job of these kernels, the highest of theirs; None if this build can measure none."""
    bounds = [BOUND[isa] for isa in isas if BOUND.get(isa) in rates]
    return max(bounds, key=lambda name: rates[name], default=None)


def _checked(workload: Workload) -> list[str]:
    """Runs the job once, compares its answer, and gives the instruction sets that ran."""
    if not workload.check():
        raise NativeError(f"{workload.name} {workload.shape}: onebit's answer is not the float network's. Not timed.")
    ran = {operator: native.ran(operator) for operator in workload.operators}
    if native.forced() not in (None, *ran.values()):
        raise NativeError(f"{workload.name}: the kernels that ran are {ran}, the one forced is {native.forced()}.")
    return list(dict.fromkeys(ran.values()))


def _peak_turn(name: str, threads: int) -> Turn:
    """A turn whose time is that of one multiply-accumulate."""

    def turn() -> Timing:
        rate = probe(name, threads)
        return Timing(1 / rate.wall, 1 / rate.cpu)

    return turn
