"""report.md: what a run was, where it ran and what it reached, for a person to read."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass

import accelerate
import numpy
import torch
from torch import Tensor

import onebit
from onebit._machine import cpu_name
from onebit.training._callback import Epoch, Plan
from onebit.training._confusion import by_class

CLASSES = 20  # rows in the table of classes; of more, the worst are shown


@dataclass(frozen=True)
class Outcome:
    """The best epoch on the test set. matrix: see `confusion`.  accuracy: of all pictures that could be read.

    left_out: of the pictures of all sets, how many could not be read and were left out.
    """

    matrix: Tensor
    accuracy: float
    classes: Sequence[str]
    source: str
    left_out: int = 0

    @property
    def pictures(self) -> str:
        """Where the test pictures come from, and how many were left out."""
        broken = f"\n\nPictures that could not be read and were left out: {self.left_out:,}." if self.left_out else ""
        return f"Test pictures: {self.source}.{broken}"


def environment(processes: int) -> dict[str, str]:
    """What a result may depend on: versions and machine."""
    facts = {
        "onebit": onebit.__version__,
        "Python": platform.python_version(),
        "torch": torch.__version__,
        "Accelerate": accelerate.__version__,
        "NumPy": numpy.__version__,
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "CPU": cpu_name(),
        "threads": str(torch.get_num_threads()),
        "processes": str(processes),
    }
    return facts | ({"GPU": torch.cuda.get_device_name()} if torch.cuda.is_available() else {})


def report(plan: Plan, history: Sequence[Epoch], test: Outcome, processes: int = 1) -> str:
    """The page as Markdown. plan: of the run or its last part, with the recipe as it was run."""
    recipe = plan.recipe
    parts = [
        f"# {recipe.name}",
        recipe.description,
        _results(history, test),
        "## Over the epochs\n![curves](curves.png)",
        _epochs(history),
        "## By class, on the test set\n![confusion](confusion.png)",
        _classes(test),
        "## Environment",
        _table(("", ""), [(name, value) for name, value in environment(processes).items()]),
        f"Arithmetic: {plan.arithmetic}.\n\nTraining pictures: {plan.source}.\n\n{test.pictures}",
        f"## Recipe\n```yaml\n{recipe.yaml()}```",
    ]
    return "\n\n".join(parts) + "\n"


def _results(history: Sequence[Epoch], test: Outcome) -> str:
    last = history[-1]
    seconds = sum(one.seconds for one in history)
    speed = sum(one.images_per_second for one in history) / len(history)
    rows = [
        ("test accuracy (best epoch)", f"**{test.accuracy:.2%}**, error {1 - test.accuracy:.2%}"),
        ("best validation accuracy", f"{last.best:.2%} at epoch {last.best_epoch}"),
        ("last validation accuracy", f"{last.validation_accuracy:.2%} at epoch {last.epoch}"),
        ("time of all epochs", f"{seconds / 3600:.2f} h" if seconds >= 3600 else f"{seconds:.1f} s"),
        ("images per second, mean", f"{speed:,.0f}"),
    ]
    return _table(("result", ""), rows)


def _epochs(history: Sequence[Epoch]) -> str:
    """The first, the best, the last, and what lies a quarter, a half and three quarters of the way."""
    places = {round(part * (len(history) - 1)) for part in (0, 0.25, 0.5, 0.75, 1)} | {history[-1].best_epoch - 1}
    rows = []
    for one in (history[place] for place in sorted(places)):
        mark = " (best)" if one.epoch == history[-1].best_epoch else ""
        flips, stuck = (_mean(values) for values in (one.flip_ratio, one.weight_saturation))
        cells = (f"{one.loss:.4f}", f"{one.validation_accuracy:.2%}", f"{one.lr:.2e}", flips, stuck)
        rows.append((f"{one.epoch}{mark}", *cells, f"{one.images_per_second:,.0f}"))
    head = ("epoch", "loss", "validation", "learning rate", "signs flipped", "weights at the clip", "images/s")
    return _table(head, rows)


def _classes(test: Outcome) -> str:
    rows = list(enumerate(by_class(test.matrix)))
    shown = rows if len(rows) <= CLASSES else sorted(rows, key=lambda row: row[1][0])[:CLASSES]
    names = [*test.classes, *map(str, range(len(test.classes), len(rows)))]
    cells = [
        (names[label].replace("|", "\\|"), f"{share:.2%}", f"{count:,}", "-" if other is None else names[other])
        for label, (share, count, other) in shown
    ]
    note = "" if shown is rows else f"The {CLASSES} worst of {len(rows)} classes.\n\n"
    return note + _table(("class", "right", "pictures", "most often taken for"), cells)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _mean(values: dict[str, float]) -> str:
    return f"{sum(values.values()) / len(values):.3%}" if values else "-"
