"""From a run to its trackers: what is logged, and that a tracker's failure costs its figures only."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from onebit.training._callback import Callback, Epoch, Plan
from onebit.training._trackers import TrackedRun, Tracker
from onebit.training._typed import flatten


class Tracking(Callback):
    """Tells trackers of each epoch. One that raises is named in one warning and not asked again; the run goes on.

    It stays open after the last epoch, for the test accuracy; `close` ends it.
    """

    def __init__(self, trackers: Sequence[tuple[str, Tracker]], folder: Path) -> None:
        self._waiting, self._folder = list(trackers), folder
        self._active: list[tuple[str, Tracker]] = []
        self._epoch = 0

    def on_start(self, plan: Plan) -> None:
        """Start all trackers."""
        self._epoch = plan.epoch
        recipe = flatten(dataclasses.asdict(plan.recipe))
        run = TrackedRun(self._folder.resolve().name, self._folder, recipe, plan.epoch)
        self._active, self._waiting = self._waiting, []
        self._each(lambda tracker: tracker.start(run))

    def on_epoch(self, epoch: Epoch) -> None:
        """Log the epoch."""
        self._epoch = epoch.epoch
        self._each(lambda tracker: tracker.log(epoch.figures(), epoch.epoch))

    def tested(self, accuracy: float) -> None:
        """Tell them the test accuracy of the best epoch."""
        self._each(lambda tracker: tracker.tested(accuracy, self._epoch))

    def close(self) -> None:
        """End all trackers that were started."""
        self._each(lambda tracker: tracker.end())
        self._active = []

    def _each(self, act: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._active):
            try:
                act(tracker)
            except Exception as error:
                self._active.remove((name, tracker))
                warnings.warn(
                    f"The tracker {name} failed ({type(error).__name__}: {error}) and is left out from here on. The "
                    f"run goes on; all figures are in {self._folder / 'metrics.jsonl'}.",
                    RuntimeWarning,
                    stacklevel=2,
                )
