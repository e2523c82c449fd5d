"""A run folder: recipe.yaml, metrics.jsonl, curves.png, checkpoint.pt (to resume), model.safetensors (the best)."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from onebit._errors import FormatError, OptionError
from onebit.training._atomic import make_folder, write_atomic, write_text
from onebit.training._callback import Epoch
from onebit.training._curves import draw_curves
from onebit.training._network import make_network
from onebit.training._recipe import Recipe


class RunFolder:
    """The files of one run. Every file is written whole or not at all; OutputError says why it could not be."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.recipe = self.path / "recipe.yaml"
        self.metrics = self.path / "metrics.jsonl"
        self.checkpoint = self.path / "checkpoint.pt"
        self.model = self.path / "model.safetensors"
        self.curves = self.path / "curves.png"

    def start(self, recipe: Recipe, *, overwrite: bool) -> None:
        """Create the folder for a new run; an earlier run in it is refused, or its files are removed."""
        if self.recipe.exists() and not overwrite:
            raise OptionError(
                f"{self.path} holds a run already. Resume it, choose another folder, or overwrite it "
                "(on the command line: --resume, --out DIR, --overwrite)."
            )
        make_folder(self.path)
        write_text(self.recipe, recipe.yaml())
        for file in (self.metrics, self.checkpoint, self.model, self.curves):
            file.unlink(missing_ok=True)

    def save_model(self, model: nn.Module) -> None:
        """The weights of the best epoch."""
        state = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
        write_atomic(self.model, lambda file: file.write(save_tensors(state)))

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """All that a run needs to go on."""
        write_atomic(self.checkpoint, lambda file: torch.save(state, file))

    def save_history(self, history: Sequence[Epoch]) -> None:
        """metrics.jsonl, one line per epoch."""
        write_text(self.metrics, "".join(json.dumps(dataclasses.asdict(epoch)) + "\n" for epoch in history))

    def draw(self, history: Sequence[Epoch]) -> None:
        """The picture of the metrics."""
        draw_curves(history, self.read_recipe().name, self.curves)

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
            return load_tensors(self.model.read_bytes())
        except SafetensorError as error:
            raise FormatError(f"{self.model}: is damaged or not a safetensors file ({error}). Train again.") from None

    def read_checkpoint(self, recipe: Recipe) -> dict[str, Any]:
        """The state to go on from; raises OptionError if the run was made with another recipe."""
        self._check_same(recipe)
        if not self.checkpoint.is_file():
            raise FormatError(f"{self.path}: there is no {self.checkpoint.name} to resume. Start it without resuming.")
        try:
            state: dict[str, Any] = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise FormatError(f"{self.checkpoint}: is damaged or foreign ({reason}). Start the run anew.") from None
        return state

    def _check_same(self, recipe: Recipe) -> None:
        then, now = (_flat(dataclasses.asdict(one)) for one in (self.read_recipe(), recipe))
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


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options by dotted keys; tuples as lists, which is how a file gives them back."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = list(value) if isinstance(value, tuple) else value
    return flat
