"""`train`: from a recipe to a run folder."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from onebit.data import Pictures, PictureSet
from onebit.training._callback import Callback
from onebit.training._confusion import confusion
from onebit.training._interrupt import Interrupt
from onebit.training._loop import Loop
from onebit.training._processes import join
from onebit.training._progress import LineProgress, LiveProgress
from onebit.training._recipe import Recipe
from onebit.training._report import Outcome
from onebit.training._run_folder import RunFolder, load_run
from onebit.training._trackers import Tracker, make_trackers
from onebit.training._tracking import Tracking


@dataclass(frozen=True)
class Result:
    """What a run reached: the best validation accuracy, its epoch (from 1), and the test accuracy at that epoch.

    seconds: what this call took, without loading the data; a resumed run counts from where it was resumed.
    left_out: the number of pictures that this process could not read and left out (`on_error="skip"`).
    """

    best_accuracy: float
    best_epoch: int
    test_accuracy: float
    seconds: float
    left_out: int = 0


def train(
    recipe: Recipe,
    out: str | os.PathLike[str],
    *,
    data: tuple[PictureSet, PictureSet] | None = None,
    root: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    callbacks: Sequence[Callback] = (),
    trackers: Sequence[str | Tracker] | None = None,
) -> Result:
    """Train by a recipe into the folder `out`, choose the epoch by validation accuracy, test that one, report.

    data: (training, test) sets, in memory or read when needed (see `onebit.data.adapt` for those of other libraries);
        None opens the recipe's by name from `root` (see `onebit.data.open_set`).
    resume: go on with an interrupted run in `out`, with the weights an uninterrupted run would have.
    overwrite: replace a run that is in `out` already; without it that is refused, so that none is lost.
    quiet: one line per epoch instead of a live bar (also where the output is not a terminal).
    callbacks: further watchers of the run.
    trackers: where figures are kept besides the run folder, names of `TRACKERS` or `Tracker`s; None: "tensorboard" if
        that is installed. One that fails is named in a warning, and the run goes on.

    Ctrl-C ends the step, saves, and raises KeyboardInterrupt; a second one stops at once, leaving the last save.
    Torch's global random state is left as it was. Raises OutputError if `out` cannot be written, FormatError or
    OptionError if there is nothing to resume, it is another recipe's, or a run is in the way, and what the recipe's
    parts raise.
    """
    folder, tracking = RunFolder(out), Tracking(make_trackers(trackers), Path(out))
    state = folder.read_checkpoint(recipe) if resume else None
    processes = join()
    if not resume and processes.is_main_process:
        folder.start(recipe, overwrite=overwrite)
    processes.wait_for_everyone()
    whole, test = data or tuple(recipe.data.open(part, root) for part in ("train", "test"))
    training, validation = recipe.data.parts(whole)
    begin = time.perf_counter()
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    try:
        with torch.random.fork_rng(devices), Interrupt() as interrupt:
            torch.manual_seed(recipe.seed)
            watchers = [_progress(quiet), tracking, *callbacks]
            whole_recipe = recipe.for_pictures(len(training))
            loop = Loop(whole_recipe, folder, training, validation, watchers, interrupt, resumed=resume)
            if state is not None:
                loop.restore(state)
            loop.run()
        tested = _test(loop, whole, test)
        tracking.tested(tested.accuracy)
    finally:
        tracking.close()
    last = loop.history[-1]
    return Result(last.best, last.best_epoch, tested.accuracy, time.perf_counter() - begin, tested.left_out)


def _test(loop: Loop, whole: PictureSet, test: PictureSet) -> Outcome:
    """The best epoch on the test set, and the report about it."""
    loop.accelerator.wait_for_everyone()
    model, recipe = load_run(loop.folder.path)
    device = loop.accelerator.device
    matrix = confusion(model.to(device), test.to(device), recipe.evaluation.batch_size)
    left_out = sum(len(one.left_out) for one in (whole, test) if isinstance(one, Pictures))
    tested = Outcome(matrix, int(matrix.trace()) / max(int(matrix.sum()), 1), test.classes, test.source, left_out)
    if loop.accelerator.is_main_process:
        loop.folder.save_report(loop.plan(), loop.history, tested, loop.accelerator.num_processes)
    return tested


def _progress(quiet: bool) -> Callback:
    return LiveProgress() if sys.stdout.isatty() and not quiet else LineProgress()
