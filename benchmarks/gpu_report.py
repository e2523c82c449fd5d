"""What benchmarks/gpu.py writes: a line for each figure, on the screen and in a file, also where something fails."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gpu_timing import median_ms

ROOT = Path(__file__).resolve().parent.parent


def driver_version() -> str | None:
    """The driver's version, as its own tool tells it."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


class Report:
    """Prints a line for each figure and keeps it for the file."""

    end = float("inf")  # of the time for measurements, by time.monotonic()

    def __init__(self, out: Path | None) -> None:
        facts = torch.cuda.get_device_properties(0)
        name = re.sub(r"[^a-z0-9]+", "-", facts.name.lower()).strip("-")
        self.path = out or ROOT / "benchmarks" / "results" / f"{name}.jsonl"
        self.machine = {
            "device": facts.name,
            "processors": facts.multi_processor_count,
            "driver": driver_version(),
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "date": time.strftime("%Y-%m-%d"),
        }

    def add(self, part: str, what: str, ms: float, operations: float, **more: object) -> float:
        """A measurement: milliseconds, and how many operations they did."""
        tops = operations / ms / 1e9 if ms else 0.0
        self.keep({"part": part, "what": what, "ms": ms, "tops": tops, **more})
        print(f"{part:<14} {what:<34} {ms:>10.4f} ms {tops:>10.1f} TOPS", flush=True)
        return ms

    def note(self, part: str, what: str, text: str) -> None:
        """A sentence instead of a figure."""
        self.keep({"part": part, "what": what, "note": text})
        print(f"{part:<14} {what:<34} {text}", flush=True)

    def notes(self, part: str) -> list[tuple[str, str]]:
        """(what, sentence) of every note about a part in the file, also of other processes."""
        lines = self.path.read_text().splitlines() if self.path.is_file() else []
        kept = [json.loads(line) for line in lines]
        return [(line["what"], line["note"]) for line in kept if line["part"] == part and "note" in line]

    def keep(self, line: dict[str, Any]) -> None:
        """Appends to the file at once: what comes later may crash."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps({**self.machine, **line}) + "\n")


def measured(
    report: Report, part: str, what: str, work: Callable[[], object], operations: float, **more: object
) -> float:
    """One line, or a note with the reason why there is none: the machine cannot run it, or time is over."""
    if time.monotonic() > report.end:
        report.note(part, what, "not measured: no time was left")
        return float("nan")
    try:
        return report.add(part, what, median_ms(work), operations, **more)
    except Exception as error:  # whatever it is belongs to this line alone
        report.note(part, what, f"not measured: {reason(error)}")
        return float("nan")


def reason(error: Exception) -> str:
    """The first line of what went wrong."""
    return f"{type(error).__name__}: {[*str(error).splitlines(), ''][0]}"


def ready(make: Callable[..., Callable[[], object]], *arguments: object) -> Callable[[], object]:
    """The work that make(*arguments) prepares; work that fails when it is run, if preparing it fails."""
    try:
        return make(*arguments)
    except Exception as error:
        failed = error

        def fail() -> object:
            raise failed

        return fail


def checked(report: Report, part: str, what: str, one: Callable[[], Tensor], other: Callable[[], Tensor]) -> bool:
    """One line for a comparison: yes, NO, or why it could not be made."""
    try:
        good, text = torch.equal(one(), other()), ""
    except Exception as error:
        good, text = False, f": {reason(error)}"
    report.note(part, what, "yes" if good else f"NO{text}")
    return good
