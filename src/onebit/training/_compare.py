"""Runs side by side: in what their recipes differ, what each reached, and their curves in one picture."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onebit._errors import FormatError
from onebit.training._atomic import write_atomic
from onebit.training._callback import Epoch
from onebit.training._curves import log_scale
from onebit.training._recipe import Recipe
from onebit.training._run_folder import RunFolder
from onebit.training._typed import flatten


@dataclass(frozen=True)
class Run:
    """A run as its folder tells it. history: the epochs so far.  test_accuracy: of a finished run, else None."""

    path: Path
    recipe: Recipe
    history: tuple[Epoch, ...]
    test_accuracy: float | None

    def row(self) -> dict[str, Any]:
        """The figures of the table, by column."""
        last = self.history[-1]
        return {
            "run": str(self.path),
            "best_validation": last.best,
            "best_epoch": last.best_epoch,
            "test_accuracy": self.test_accuracy,
            "epochs": last.epoch,
            "images_per_second": sum(one.images_per_second for one in self.history) / len(self.history),
            "seconds": sum(one.seconds for one in self.history),
        }


def read_run(path: str | os.PathLike[str]) -> Run:
    """The run of a folder; raises FormatError if it is none, or has no finished epoch yet."""
    folder = RunFolder(path)
    recipe = folder.read_recipe()
    if not folder.metrics.is_file():
        raise FormatError(f"{folder.path}: the run has no {folder.metrics.name}, so its first epoch did not end.")
    lines = folder.metrics.read_text().splitlines()
    try:
        history = tuple(Epoch(**json.loads(line)) for line in lines)
    except (ValueError, TypeError) as error:
        raise FormatError(f"{folder.metrics}: is not a list of epochs ({error}).") from None
    if not history:
        raise FormatError(f"{folder.metrics}: holds no epoch.")
    return Run(folder.path, recipe, history, folder.read_test_accuracy())


def differences(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """{dotted key: its value in each run, None where it has none} of the recipes' entries that are not all equal."""
    flat = [flatten(dataclasses.asdict(run.recipe)) for run in runs]
    keys = sorted({key for one in flat for key in one} - {"name", "description"})
    values = {key: [one.get(key) for one in flat] for key in keys}
    return {key: each for key, each in values.items() if any(value != each[0] for value in each)}


def draw_comparison(runs: Sequence[Run], path: Path) -> None:
    """Validation error and training loss of all runs over their epochs; raises OutputError if it cannot be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(12, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    error, loss = figure.subplots(1, 2)
    for run in runs:
        epochs = [one.epoch for one in run.history]
        label = f"{run.path.name}: {1 - run.history[-1].best:.2%}"
        (line,) = error.plot(epochs, [100 * (1 - one.validation_accuracy) for one in run.history], label=label)
        error.plot(run.history[-1].best_epoch, 100 * (1 - run.history[-1].best), "o", color=line.get_color())
        loss.plot(epochs, [one.loss for one in run.history], marker="." if len(epochs) == 1 else None)
    error.set(title="validation error, % (the dot: best epoch)", xlabel="epoch")
    loss.set(title="training loss", xlabel="epoch")
    for axes in (error, loss):
        log_scale(axes)
        axes.grid(alpha=0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    error.legend()
    write_atomic(path, lambda file: figure.savefig(file, format="png", dpi=110))
