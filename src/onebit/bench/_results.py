"""Rows of results: what a row holds, and the file that keeps them, one line of JSON each."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from onebit._errors import OutputError
from onebit._machine import cpu_name as cpu_name


@dataclass(frozen=True)
class Row:
    """One measured job; every figure is a median over `rounds` rounds in one run.

    isa: the kernels that ran. forced: the instruction set that was forced, None if the library chose.
    ms: by the clock on the wall; cpu_ms: the thread's own processor time, for 1 thread.
    peak: the loop that bounds this instruction set; peak_tmac_per_s: what `threads` threads reach in it meanwhile.
    fraction_of_peak, cpu_fraction_of_peak: of that, both by the same clock. cpu_share: what other programs left of the
    CPUs. peers: name -> ms. ratio: name -> their ms by onebit's. absent: peers that did not run -> why.
    peaks: every peak before and after, in T/s of processor time. skipped: peaks that cannot run -> why.
    """

    cpu: str
    torch: str
    onebit: str
    name: str
    shape: list[int]
    isa: str
    forced: str | None
    threads: int
    rounds: int
    ms: float
    cpu_ms: float | None
    tmac_per_s: float
    peak: str | None
    peak_tmac_per_s: float | None
    fraction_of_peak: float | None
    cpu_fraction_of_peak: float | None
    cpu_share: float | None
    peers: dict[str, float]
    ratio: dict[str, float]
    absent: dict[str, str]
    peaks: dict[str, list[float]]
    skipped: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON has it."""
        return asdict(self)


def file_name(cpu: str) -> str:
    """The stem of the files about a processor: "amd-epyc-family-26-model-2-2-cpus"."""
    return re.sub(r"[^a-z0-9]+", "-", cpu.lower()).strip("-")


def save(rows: Sequence[Row], folder: Path) -> Path:
    """Writes rows to folder/<cpu>.jsonl, in place of those of the same job, threads and forced kernel."""
    path = folder / f"{file_name(cpu_name())}.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        kept = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
        new = [row.as_dict() for row in rows]
        taken = {_key(row) for row in new}
        lines = [json.dumps(row) for row in (*(row for row in kept if _key(row) not in taken), *new)]
        path.write_text("\n".join(lines) + "\n")
    except OSError as error:
        raise OutputError(f"The results cannot be written to {path}: {error.strerror}.") from error
    return path


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["name"], tuple(row["shape"]), row["forced"], row["threads"]
