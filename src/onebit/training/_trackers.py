"""Where a run's figures can be kept besides the run folder: a small class for each service, found by name."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from onebit._errors import MissingExtra, OptionError
from onebit._registry import Registry

PROJECT = "onebit"


@dataclass(frozen=True)
class TrackedRun:
    """The run as a tracker sees it: `recipe` by dotted keys ("optimizer.lr"), `epoch` epochs done before (resumed)."""

    name: str
    folder: Path
    recipe: dict[str, Any]
    epoch: int


class Tracker:
    """Base of trackers. Write `log`, and where needed the others; register it to give it a name:

    `training.TRACKERS.register("mine")(MyTracker)`, or pass an instance: `train(..., trackers=[MyTracker()])`.
    An exception in a tracker is told once and never stops the run.
    """

    def start(self, run: TrackedRun) -> None:
        """Before the first epoch."""

    def log(self, values: Mapping[str, float], epoch: int) -> None:
        """After each epoch (from 1), figures by name: "loss", "accuracy/validation", "flip_ratio/hidden1.linear"."""
        raise NotImplementedError

    def tested(self, accuracy: float, epoch: int) -> None:
        """After the last epoch, which `epoch` is: the share of the test pictures that the best one gets right."""

    def end(self) -> None:
        """After the last epoch, or when the run stops for any reason."""


class _Service(Tracker):
    """Takes the test accuracy as a figure of the last epoch."""

    def tested(self, accuracy: float, epoch: int) -> None:
        """As "accuracy/test"."""
        self.log({"accuracy/test": accuracy}, epoch)


TRACKERS: Registry[Callable[[], Tracker]] = Registry("tracker")


@TRACKERS.register("tensorboard")
class TensorBoard(_Service):
    """Event files in the folder `tensorboard` of the run; a resumed run hides what it does again."""

    def __init__(self) -> None:
        self._module = _module("torch.utils.tensorboard", "tensorboard")

    def start(self, run: TrackedRun) -> None:
        """Open a new event file, and keep the recipe as text."""
        self._writer = self._module.SummaryWriter(str(run.folder / "tensorboard"), purge_step=run.epoch + 1)
        self._writer.add_text("recipe", "\n".join(f"    {key}: {value!r}" for key, value in run.recipe.items()), 0)

    def log(self, values: Mapping[str, float], epoch: int) -> None:
        """One scalar for each figure, on disk at once."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def end(self) -> None:
        """Close the event file."""
        self._writer.close()


@TRACKERS.register("mlflow")
class MLflow(_Service):
    """A run of MLflow, on the server that MLFLOW_TRACKING_URI names; the experiment too comes from the environment."""

    PARAMETER = 500  # characters that every server takes

    def __init__(self) -> None:
        self._module = _module("mlflow")

    def start(self, run: TrackedRun) -> None:
        """Start the run, or go on with the one that the folder remembers."""
        known = _remembered(run, "mlflow")
        active = self._module.start_run(run_id=known, run_name=None if known else run.name)
        _remember(run, "mlflow", active.info.run_id)
        if not known:
            self._module.log_params({key: str(value)[: self.PARAMETER] for key, value in run.recipe.items()})

    def log(self, values: Mapping[str, float], epoch: int) -> None:
        """All figures in one request."""
        self._module.log_metrics(dict(values), step=epoch)

    def end(self) -> None:
        """End the run."""
        self._module.end_run()


@TRACKERS.register("wandb")
class WeightsAndBiases(_Service):
    """A run of Weights & Biases in the project "onebit", or the one that WANDB_PROJECT names."""

    def __init__(self) -> None:
        self._module = _module("wandb")

    def start(self, run: TrackedRun) -> None:
        """Start the run, or go on with the one that the folder remembers."""
        self._run = self._module.init(
            project=_environment("WANDB_PROJECT"),
            name=run.name,
            id=_remembered(run, "wandb"),
            resume="allow",
            config=run.recipe,
            dir=str(run.folder),
        )
        _remember(run, "wandb", self._run.id)

    def log(self, values: Mapping[str, float], epoch: int) -> None:
        """All figures in one row."""
        self._run.log(dict(values), step=epoch)

    def end(self) -> None:
        """Wait until everything is sent."""
        self._run.finish()


@TRACKERS.register("trackio")
class Trackio(_Service):
    """A run of Trackio in the project "onebit", or the one that TRACKIO_PROJECT names; `trackio show` displays it."""

    def __init__(self) -> None:
        self._module = _module("trackio")

    def start(self, run: TrackedRun) -> None:
        """Start the run, or go on with the one that the folder remembers."""
        known = _remembered(run, "trackio")
        active = self._module.init(
            project=_environment("TRACKIO_PROJECT"),
            name=known or run.name,
            config=run.recipe,
            resume="allow" if known else "never",
        )
        _remember(run, "trackio", active.name)

    def log(self, values: Mapping[str, float], epoch: int) -> None:
        """All figures in one row."""
        self._module.log(dict(values), step=epoch)

    def end(self) -> None:
        """Wait until everything is written."""
        self._module.finish()


def make_trackers(chosen: Sequence[str | Tracker] | None) -> list[tuple[str, Tracker]]:
    """(name, tracker) of trackers by name or as they are; None: TensorBoard if it is installed.

    Raises UnknownName for a name, MissingExtra for a package that is not installed.
    """
    if chosen is None:
        chosen = ["tensorboard"] if find_spec("tensorboard") else []
    return [(one if isinstance(one, str) else type(one).__name__, _make(one)) for one in chosen]


def _make(one: str | Tracker) -> Tracker:
    if isinstance(one, Tracker):
        return one
    if one == "neptune":
        raise OptionError(
            "Neptune's service has closed, so nothing can be tracked there. Use trackio (local, free), tensorboard, "
            "mlflow or wandb; metrics.jsonl and metrics.csv are in the run folder in any case."
        )
    return TRACKERS[one]()


def _module(name: str, package: str = "") -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = package or name
        raise MissingExtra(f"Tracking with {package} needs its package ({error}). Run: pip install {package}") from None


def _environment(variable: str) -> str:
    return os.environ.get(variable, PROJECT)


def _remembered(run: TrackedRun, service: str) -> str | None:
    """What the service called this run when it was interrupted."""
    file = run.folder / f"{service}.id"
    return file.read_text().strip() if file.is_file() else None


def _remember(run: TrackedRun, service: str, name: str) -> None:
    (run.folder / f"{service}.id").write_text(f"{name}\n")
