"""Watching a run: live bars in a terminal, one line per epoch elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from onebit.training._callback import Callback, Epoch, Plan

READ_EVERY = 20  # steps between two readings of the loss


class LiveProgress(Callback):
    """Two bars, each with its time left: the epochs of the run with the best accuracy so far, and the steps of the
    epoch with the loss; and a line for each finished epoch.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._bars = Progress(
            TextColumn("{task.description} {task.fields[at]}"),
            BarColumn(bar_width=None),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            refresh_per_second=4,
            speed_estimate_period=60,
        )
        self._read, self._loss = 0, "loss -"

    def on_start(self, plan: Plan) -> None:
        """Say what starts, as in a log, and draw the bars, where a resumed run goes on."""
        self._console.print(first_line(plan), highlight=False, markup=False)
        self._epochs, self._steps = plan.recipe.epochs, plan.steps
        done = plan.epoch * plan.steps + plan.step
        self._run = self._bars.add_task("epoch", total=self._epochs * plan.steps, completed=done, at="", note="best -")
        self._epoch = self._bars.add_task(" step", total=plan.steps, at="", note=self._loss)
        self._begin(plan.epoch + 1, plan.step)
        self._bars.start()

    def on_step(self, loss: Tensor) -> None:
        """Advance; read the loss now and then, and at the first step, which may be long ago in a slow run."""
        self._step += 1
        if self._read % READ_EVERY == 0:
            self._loss = f"loss {loss.item():.4f}"
        self._read += 1
        self._bars.advance(self._run)
        self._bars.update(self._epoch, advance=1, at=self._of(self._step, self._steps), note=self._loss)

    def on_epoch(self, epoch: Epoch) -> None:
        """A line above the bars, and the best so far."""
        self._bars.update(self._run, note=f"best {epoch.best:.2%}")
        self._console.print(epoch_line(epoch, self._epochs), highlight=False)
        if epoch.epoch < self._epochs:
            self._begin(epoch.epoch + 1, 0)

    def on_end(self) -> None:
        """Leave the bars as they stand."""
        self._bars.stop()

    def _begin(self, epoch: int, step: int) -> None:
        self._step = step
        self._bars.update(self._run, at=self._of(min(epoch, self._epochs), self._epochs))
        self._bars.reset(self._epoch, completed=step, at=self._of(step, self._steps), note=self._loss)

    def _of(self, number: int, total: int) -> str:
        return f"{number:>{len(str(total))}}/{total}"


class LineProgress(Callback):
    """One line per epoch, for logs."""

    def on_start(self, plan: Plan) -> None:
        """Say what starts, or goes on."""
        self._epochs = plan.recipe.epochs
        print(first_line(plan), flush=True)

    def on_epoch(self, epoch: Epoch) -> None:
        """The epoch in a line."""
        print(epoch_line(epoch, self._epochs), flush=True)


def first_line(plan: Plan) -> str:
    """What starts, or goes on: how much of it, on which pictures, with which arithmetic."""
    epochs = plan.recipe.epochs
    at = f", going on at epoch {plan.epoch + 1}, step {plan.step}" if plan.epoch or plan.step else ""
    if plan.epoch == epochs:
        at = ", all done before"
    many = f"{epochs} epoch{'s' if epochs > 1 else ''} of {plan.steps} steps"
    return f"{plan.recipe.name}: {many}{at}; {plan.source}; {plan.arithmetic}"


def epoch_line(epoch: Epoch, epochs: int) -> str:
    """What a person wants to know of an epoch."""
    mark = "  (best)" if epoch.best_epoch == epoch.epoch else ""
    return (
        f"epoch {epoch.epoch:>{len(str(epochs))}}/{epochs}  loss {epoch.loss:.4f}  "
        f"validation {epoch.validation_accuracy:.2%}  {epoch.images_per_second:,.0f} images/s{mark}"
    )
