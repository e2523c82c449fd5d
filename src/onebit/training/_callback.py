"""What a run tells those who watch it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from onebit.training._recipe import Recipe


@dataclass(frozen=True)
class Plan:
    """The run as it starts: `epoch` and `step` are where it goes on, both 0 unless it is resumed.

    source: where the pictures came from.  arithmetic: what the network is computed with.
    """

    recipe: Recipe
    steps: int
    epoch: int
    step: int
    source: str
    arithmetic: str


@dataclass(frozen=True)
class Epoch:
    """One finished epoch, a line of metrics.jsonl; `best` is the best validation accuracy so far."""

    epoch: int
    loss: float
    validation_accuracy: float
    best: float
    best_epoch: int
    lr: float
    seconds: float
    images_per_second: float
    flip_ratio: dict[str, float]
    weight_saturation: dict[str, float]

    def figures(self) -> dict[str, float]:
        """The numbers by name, those of layers as "flip_ratio/LAYER" and "saturation/LAYER"."""
        return {
            "loss": self.loss,
            "accuracy/validation": self.validation_accuracy,
            "accuracy/best": self.best,
            "lr": self.lr,
            "seconds": self.seconds,
            "images_per_second": self.images_per_second,
            **{f"flip_ratio/{name}": value for name, value in self.flip_ratio.items()},
            **{f"saturation/{name}": value for name, value in self.weight_saturation.items()},
        }


class Callback:
    """Base of watchers; each method does nothing. They are called between steps, on the main process only.

    A KeyboardInterrupt raised here stops the run after saving it, just as Ctrl-C does.
    """

    def on_start(self, plan: Plan) -> None:
        """Before the first step."""

    def on_step(self, loss: Tensor) -> None:
        """After each step; reading the loss waits for the device, so do it seldom."""

    def on_epoch(self, epoch: Epoch) -> None:
        """After each epoch, evaluated and saved."""

    def on_end(self) -> None:
        """After the last epoch, or when the run stops for any reason."""
