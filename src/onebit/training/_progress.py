"""Watching a run: a live bar in a terminal, one line per epoch elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from onebit.training._callback import Callback, Epoch, Plan

READ_EVERY = 20  # steps between two readings of the loss


class LiveProgress(Callback):
    """A bar over all steps with epoch, loss, best accuracy and time left, and a line for each finished epoch."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}  best {task.fields[best]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            refresh_per_second=4,
            speed_estimate_period=20,
        )
        self._step = 0

    def on_start(self, plan: Plan) -> None:
        """Draw the bar, where a resumed run goes on."""
        self._epochs = plan.recipe.epochs
        self._epoch = plan.epoch
        done = plan.epoch * plan.steps + plan.step
        self._task = self._bar.add_task(
            "train", total=self._epochs * plan.steps, completed=done, epoch=self._of(plan.epoch + 1), loss="-", best="-"
        )
        self._bar.start()

    def on_step(self, loss: Tensor) -> None:
        """Advance; read the loss now and then."""
        self._step += 1
        if self._step % READ_EVERY == 0:
            self._bar.update(self._task, loss=f"{loss.item():.4f}")
        self._bar.advance(self._task)

    def on_epoch(self, epoch: Epoch) -> None:
        """A line above the bar, and the best so far."""
        self._bar.update(self._task, best=f"{epoch.best:.2%}", epoch=self._of(min(epoch.epoch + 1, self._epochs)))
        self._console.print(epoch_line(epoch, self._epochs), highlight=False)

    def on_end(self) -> None:
        """Leave the bar as it stands."""
        self._bar.stop()

    def _of(self, epoch: int) -> str:
        return f"{epoch}/{self._epochs}"


class LineProgress(Callback):
    """One line per epoch, for logs."""

    def on_start(self, plan: Plan) -> None:
        """Say what starts, or goes on."""
        self._epochs = plan.recipe.epochs
        at = f", going on at epoch {plan.epoch + 1}, step {plan.step}" if plan.epoch or plan.step else ""
        if plan.epoch == self._epochs:
            at = ", all done before"
        print(
            f"{plan.recipe.name}: {self._epochs} epochs of {plan.steps} steps{at}; {plan.source}; {plan.arithmetic}",
            flush=True,
        )

    def on_epoch(self, epoch: Epoch) -> None:
        """The epoch in a line."""
        print(epoch_line(epoch, self._epochs), flush=True)


def epoch_line(epoch: Epoch, epochs: int) -> str:
    """What a person wants to know of an epoch."""
    mark = "  (best)" if epoch.best_epoch == epoch.epoch else ""
    return (
        f"epoch {epoch.epoch:>{len(str(epochs))}}/{epochs}  loss {epoch.loss:.4f}  "
        f"validation {epoch.validation_accuracy:.2%}  {epoch.images_per_second:,.0f} images/s{mark}"
    )
