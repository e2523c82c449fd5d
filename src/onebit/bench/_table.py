"""Rows of results as text for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from onebit.bench._results import Row


def render(rows: Sequence[Row]) -> str:
    """What was measured and on what; each job with its part of the peak and its peers; what did not run, and why."""
    return "\n".join(_lines(rows))


def _lines(rows: Sequence[Row]) -> Iterator[str]:
    first = rows[0]
    yield f"{first.cpu}; {first.threads} thread{'s' * (first.threads > 1)}, torch {first.torch}. Medians, wall clock."
    yield from _peaks(rows)
    for row in rows:
        yield ""
        yield f"{row.name} {' x '.join(map(str, row.shape))}   kernel {row.isa}, {row.rounds} rounds"
        yield f"  {'onebit':<22}{row.ms:>11.3f} ms{row.tmac_per_s:>9.3f} TMAC/s   {_fraction(row)}"
        for name, ms in row.peers.items():
            rate = row.tmac_per_s / row.ratio[name]
            yield f"  {name:<22}{ms:>11.3f} ms{rate:>9.3f} TMAC/s   onebit is {row.ratio[name]:.1f}x as fast"
        for name, why in row.absent.items():
            yield f"  {name:<22}{'-':>11}      {why}"


def _peaks(rows: Sequence[Row]) -> Iterator[str]:
    """Each peak over all rows: lowest and highest, since the speed of a machine drifts."""
    yield "Peaks of these threads in processor time, lowest and highest seen:"
    for name in rows[0].peaks:
        seen = [rate for row in rows for rate in row.peaks[name]]
        low, high = min(seen), max(seen)
        scale, unit = (1e3, "GB/s") if name == "memory_read" else (1, "TMAC/s")
        yield f"  {name:<24}{low * scale:>9.3f} to {high * scale:.3f} {unit}"
    for name, why in rows[0].skipped.items():
        yield f"  {name:<24}{'-':>9}    {why}"


def _fraction(row: Row) -> str:
    if row.fraction_of_peak is None:
        return "no peak is known for this kernel"
    own = f", {row.cpu_fraction_of_peak:.1%} in processor time" if row.cpu_fraction_of_peak is not None else ""
    share = 1.0 if row.cpu_share is None else row.cpu_share
    busy = f" (others take {1 - share:.0%} of the CPUs)" if share < 0.9 else ""
    return f"{row.fraction_of_peak:.1%} of {row.peak}{own}{busy}"
