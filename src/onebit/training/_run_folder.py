"""A run folder: the recipe, metrics, pictures, the last two checkpoints (to resume) and the best weights."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from onebit._errors import FormatError, OptionError
from onebit.training._atomic import make_folder, write_text
from onebit.training._callback import Epoch, Plan
from onebit.training._checked import load_state, load_weights, save_state, save_weights
from onebit.training._confusion import draw_confusion
from onebit.training._curves import draw_curves
from onebit.training._network import make_network
from onebit.training._recipe import Recipe
from onebit.training._report import Outcome, environment, report
from onebit.training._typed import flatten


class RunFolder:
    """The files of one run. Every file is written whole or not at all; OutputError says why it could not be."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.recipe = self.path / "recipe.yaml"
        self.metrics = self.path / "metrics.jsonl"
        self.table = self.path / "metrics.csv"
        self.checkpoint = self.path / "checkpoint.pt"
        self.previous = self.path / "checkpoint.previous.pt"
        self.model = self.path / "model.safetensors"
        self.curves = self.path / "curves.png"
        self.confusion = self.path / "confusion.png"
        self.report = self.path / "report.md"
        self.result = self.path / "result.json"
        self._last_is_damaged = False

    def start(self, recipe: Recipe, *, overwrite: bool) -> None:
        """Create the folder for a new run; an earlier run in it is refused, or its files are removed.

        One that stopped before it saved anything (a wrong option, a killed first epoch) has nothing to lose or resume.
        """
        saved = any(file.exists() for file in (self.metrics, self.checkpoint, self.previous, self.model))
        if self.recipe.exists() and saved and not overwrite:
            raise OptionError(
                f"{self.path} holds a run already. Resume it, choose another folder, or overwrite it "
                "(on the command line: --resume, --out DIR, --overwrite)."
            )
        make_folder(self.path)
        write_text(self.recipe, recipe.yaml())
        for file in (self.metrics, self.table, self.checkpoint, self.previous, self.model):
            file.unlink(missing_ok=True)
        for file in (self.curves, self.confusion, self.report, self.result, *self.path.glob("*.id")):
            file.unlink(missing_ok=True)
        shutil.rmtree(self.path / "tensorboard", ignore_errors=True)

    def save_model(self, model: nn.Module) -> None:
        """The weights of the best epoch."""
        save_weights(self.model, {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()})

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """All that a run needs to go on. The checkpoint before it is kept, unless that one is damaged."""
        save_state(self.checkpoint, state, keep=None if self._last_is_damaged else self.previous)
        self._last_is_damaged = False

    def save_history(self, history: Sequence[Epoch]) -> None:
        """metrics.jsonl and metrics.csv, one line per epoch."""
        write_text(self.metrics, "".join(json.dumps(dataclasses.asdict(epoch)) + "\n" for epoch in history))
        text = io.StringIO()
        rows = [{"epoch": epoch.epoch, **epoch.figures()} for epoch in history]
        table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        write_text(self.table, text.getvalue())

    def draw(self, history: Sequence[Epoch]) -> None:
        """The picture of the metrics."""
        draw_curves(history, self.read_recipe(), self.curves)

    def save_report(self, plan: Plan, history: Sequence[Epoch], tested: Outcome, processes: int) -> None:
        """report.md, the picture of what is taken for what, and result.json for programs."""
        title = f"{plan.recipe.name}: {tested.accuracy:.2%} of the test pictures are right"
        draw_confusion(tested.matrix, tested.classes, title, self.confusion)
        write_text(self.report, report(plan, history, tested, processes))
        facts = {
            "test_accuracy": tested.accuracy,
            "best_accuracy": history[-1].best,
            "best_epoch": history[-1].best_epoch,
            "confusion": tested.matrix.tolist(),
            "training_pictures": plan.source,
            "test_pictures": tested.source,
            "arithmetic": plan.arithmetic,
            "environment": environment(processes),
        }
        write_text(self.result, json.dumps(facts) + "\n")

    def read_test_accuracy(self) -> float | None:
        """Of a finished run; None if the run did not end."""
        try:
            return float(json.loads(self.result.read_text())["test_accuracy"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise FormatError(f"{self.result}: is not the result of a run ({error}). Resume the run.") from None

    def read_recipe(self) -> Recipe:
        """The recipe of the run; raises FormatError if the folder is not a run."""
        if not self.recipe.is_file():
            found = "is a folder without recipe.yaml" if self.path.is_dir() else "is not a folder"
            raise FormatError(f"{self.path}: {found}, so it is not a run. Expected a folder that `onebit train` wrote.")
        return Recipe.load(self.recipe)

    def read_model(self) -> dict[str, Tensor]:
        """The weights of the best epoch."""
        if not self.model.is_file():
            raise FormatError(
                f"{self.path}: the run has no {self.model.name} yet, because it stopped before its first epoch ended. "
                "Resume it first."
            )
        try:
            return load_weights(self.model)
        except FormatError as error:
            raise FormatError(f"{error} Train again, or resume the run from its checkpoint.") from None

    def read_checkpoint(self, recipe: Recipe) -> dict[str, Any]:
        """The state to go on from: of the last checkpoint or, if that is damaged, with a warning of the one before it.

        Raises OptionError if the run was made with another recipe, FormatError if there is no good checkpoint.
        """
        self._check_same(recipe)
        if not self.checkpoint.is_file() and not self.previous.is_file():
            raise FormatError(f"{self.path}: there is no {self.checkpoint.name} to resume. Start it without resuming.")
        try:
            return load_state(self.checkpoint)
        except FormatError as error:
            if not self.previous.is_file():
                raise FormatError(f"{error} There is no earlier one. Start the run anew (--overwrite).") from None
            state = load_state(self.previous)
            self._last_is_damaged = True
            warnings.warn(
                f"{error} Going on from the one before it, {self.previous.name} (epoch {state['epoch'] + 1}, step "
                f"{state['step']}): what follows is done again, and comes out the same.",
                RuntimeWarning,
                stacklevel=2,
            )
            return state

    def _check_same(self, recipe: Recipe) -> None:
        then, now = (flatten(dataclasses.asdict(one)) for one in (self.read_recipe(), recipe))
        for key in sorted(then.keys() | now.keys()):
            if then.get(key) != now.get(key):
                raise OptionError(
                    f"{self.path}: this run was started with {key}={then.get(key)!r}, and is resumed with "
                    f"{now.get(key)!r}. A run goes on with its own recipe; choose another folder for a new one."
                )


def load_run(path: str | os.PathLike[str]) -> tuple[nn.Module, Recipe]:
    """The trained model of a run folder (best epoch, evaluation mode, on the CPU) and its recipe.

    Raises FormatError if the folder is not a run, is damaged, or stopped before its first epoch ended.
    """
    folder = RunFolder(path)
    recipe = folder.read_recipe()
    with torch.random.fork_rng(devices=[]):  # loading is no reason to move the caller's random numbers
        model = make_network(recipe)
    try:
        model.load_state_dict(folder.read_model())
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise FormatError(f"{folder.model}: does not fit the model of {folder.recipe}: {reason}") from None
    return model.eval(), recipe
