"""Recipes: everything that decides a training run, in one readable YAML file."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml

from onebit._errors import FormatError, OptionError
from onebit._registry import unknown_name
from onebit.training._data_options import DataOptions
from onebit.training._typed import build, require


@dataclass(frozen=True)
class ModelOptions:
    """A name of `onebit.models.names()` and the keyword arguments of its function."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OptimizerOptions:
    """The optimizer and its learning rate, which falls from lr to lr_end over the run.

    decay: exponentially with every "step" or every "epoch" (the paper's); by "halving", log2(lr / lr_end) times in all
        (the shift-based networks'); by step as "inverse", lr / (1 + c t), or along a "cosine". See `learning_rate`.
    step_scale: multiply the steps of latent weights by gamma of `optim.step_scale`, or by its power of two ("ap2").
    norm_scale: multiply the steps of batch norms' factors, see `optim.latent_groups`.
    clip: keep latent weights, or with "all" every parameter, in [-1, 1].
    options: further keyword arguments of the torch optimizer.
    """

    name: Literal["adam", "sgd", "shift-adamax"] = "adam"
    lr: float = 0.003
    lr_end: float = 3e-7
    decay: Literal["step", "epoch", "halving", "inverse", "cosine"] = "epoch"
    step_scale: Literal[True, False, "ap2"] = True
    norm_scale: bool = False
    clip: Literal[True, False, "all"] = True
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ArithmeticOptions:
    """How the network is computed while it is trained.

    forward: "bits" multiplies packed signs, which gives the sums of float32 exactly, on a CPU; "float" multiplies
        floats; "auto" takes bits where there are any to take, and says what it took.
    backward: the numbers in which layers on bits multiply gradients, see `onebit.nn.use_bits`; "auto" takes those that
        this CPU is quick with, and says which: another kind of CPU may take others.
    autocast: "bfloat16" lets torch multiply floats in it while training (evaluation stays in float32). Signs are exact
        in it, their sums only up to 256. Layers are then not on bits.
    compile: let torch.compile make one program of the network; results differ from those without in the last digits.
    """

    forward: Literal["auto", "bits", "float"] = "auto"
    backward: Literal["auto", "float32", "bfloat16", "int8"] = "float32"
    autocast: Literal["bfloat16", None] = None
    compile: bool = False

    def __post_init__(self) -> None:
        conflict = self.autocast is not None and self.forward == "bits"
        require(not conflict, "arithmetic.forward", self.forward, '"auto" or "float" with autocast, which needs floats')


@dataclass(frozen=True)
class EvaluationOptions:
    """How validation and test accuracy are taken.

    recalibrate: number of training pictures that batch norm's statistics are taken from anew, without dropout,
        before every evaluation; 0 keeps the running ones.
    """

    batch_size: int = 1000
    recalibrate: int = 0


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a run: two runs of one recipe on one machine give the same weights.

    accumulate: batches are computed in so many parts, which takes as much less memory and gives the same gradients,
        except that batch norm then normalises each part by itself.
    sync_batch_norm: several processes take batch norm's statistics over the whole batch, not each over its own share.
    min_steps: on a data set so small that `epochs` epochs have fewer steps than this, more epochs are trained.
    Raises OptionError for values out of range.
    """

    name: str
    description: str
    data: DataOptions
    model: ModelOptions
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    loss: Literal["squared-hinge", "cross-entropy"] = "squared-hinge"
    arithmetic: ArithmeticOptions = field(default_factory=ArithmeticOptions)
    evaluation: EvaluationOptions = field(default_factory=EvaluationOptions)
    epochs: int = 100
    min_steps: int = 0
    batch_size: int = 100
    accumulate: int = 1
    sync_batch_norm: bool = False
    seed: int = 0

    def for_pictures(self, count: int) -> Recipe:
        """This recipe as it is for `count` training pictures: with the epochs that `min_steps` asks for."""
        steps = max(1, count // self.batch_size)
        return dataclasses.replace(self, epochs=max(self.epochs, math.ceil(self.min_steps / steps)))

    def __post_init__(self) -> None:
        rate = self.optimizer
        require(self.epochs >= 1, "epochs", self.epochs, "1 or more")
        require(self.min_steps >= 0, "min_steps", self.min_steps, "0 or more")
        require(self.batch_size >= 2, "batch_size", self.batch_size, "2 or more: batch norm needs a variance")
        most = self.batch_size // 2
        require(1 <= self.accumulate <= most, "accumulate", self.accumulate, f"1 to {most}, half the batch_size")
        together = not (self.sync_batch_norm and self.arithmetic.compile)
        require(together, "sync_batch_norm", self.sync_batch_norm, "false with arithmetic.compile")
        require(rate.lr > 0, "optimizer.lr", rate.lr, "a positive number")
        require(0 < rate.lr_end <= rate.lr, "optimizer.lr_end", rate.lr_end, f"more than 0, at most lr ({rate.lr})")
        require(self.evaluation.batch_size >= 1, "evaluation.batch_size", self.evaluation.batch_size, "1 or more")
        require(0 <= self.seed < 2**40, "seed", self.seed, "0 to 2**40 - 1")
        require(self.evaluation.recalibrate >= 0, "evaluation.recalibrate", self.evaluation.recalibrate, "0 or more")

    @staticmethod
    def load(source: str | os.PathLike[str]) -> Recipe:
        """A recipe by its name (see `recipe_names`) or by the path of a .yaml file.

        Raises UnknownName for an unknown name or key, OptionError for a wrong value, FormatError for a bad file.
        """
        path = Path(source)
        if path.suffix in (".yaml", ".yml"):
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise FormatError(f"{path}: cannot be read as a recipe ({error}). Expected a YAML file.") from None
            return Recipe.parse(text, name=path.stem, origin=str(path))
        if str(source) not in recipe_names():
            raise unknown_name("recipe", str(source), recipe_names())
        text = (_folder() / f"{source}.yaml").read_text(encoding="utf-8")
        return Recipe.parse(text, name=str(source), origin=f"recipe {source}")

    @staticmethod
    def parse(text: str, *, name: str, origin: str) -> Recipe:
        """A recipe from YAML text; `name` is used if the text gives none, `origin` names the text in messages."""
        try:
            values = yaml.load(text, Loader=_Loader)
        except yaml.YAMLError as error:
            raise FormatError(f"{origin}: is not YAML: {error}") from None
        if not isinstance(values, dict):
            raise FormatError(
                f"{origin}: holds {values!r:.60}. Expected the options of a recipe, `key: value` by line."
            )
        return build(Recipe, {"name": name, **values})

    def override(self, *changes: str) -> Recipe:
        """A copy with entries changed, each as "key=value" with dots into sections: "optimizer.lr=0.01".

        The value is read as YAML. Raises UnknownName for a key, OptionError for a value or a missing "=".
        """
        values = dataclasses.asdict(self)
        for change in changes:
            path, equals, text = change.partition("=")
            if not equals:
                raise OptionError(f"{change!r} changes nothing. Expected key=value, such as optimizer.lr=0.01.")
            _put(values, path.strip().split("."), _value(change, text))
        return build(Recipe, values)

    def twin(self) -> Recipe:
        """The same network and schedule without binarization: float weights, ReLU, no scaled steps, no clipping."""
        model = dataclasses.replace(self.model, options={**self.model.options, "activation": "relu", "weights": None})
        optimizer = dataclasses.replace(self.optimizer, step_scale=False, norm_scale=False, clip=False)
        about = f"{self.description.rstrip('.')}; its twin without binarization."
        return dataclasses.replace(self, name=f"{self.name}-float", description=about, model=model, optimizer=optimizer)

    def yaml(self) -> str:
        """The recipe as YAML text, every option written out."""
        return yaml.safe_dump(_plain(dataclasses.asdict(self)), sort_keys=False, allow_unicode=False)


def recipe_names() -> list[str]:
    """The recipes that come with the package, sorted."""
    return sorted(entry.name[:-5] for entry in _folder().iterdir() if entry.name.endswith(".yaml"))


def _folder() -> Any:
    return resources.files("onebit.training") / "recipes"


def _value(change: str, text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError:
        raise OptionError(f"{change!r}: {text!r} is not a value. Quote it if it is a text with signs in it.") from None


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    """Set the entry at the path; the last key is checked when the recipe is built, the sections here."""
    for depth, key in enumerate(path[:-1]):
        section = values.get(key)
        if not isinstance(section, dict):
            if key in values:
                raise OptionError(f"{'.'.join(path[: depth + 1])} is one value, so it has no {path[depth + 1]!r}.")
            raise unknown_name(
                "section of a recipe", key, [name for name, one in values.items() if isinstance(one, dict)]
            )
        values = section
    values[path[-1]] = value


def _plain(value: Any) -> Any:
    """Tuples as lists, which is how YAML reads them."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


class _Loader(yaml.SafeLoader):
    """YAML that reads 3e-7 as a number; version 1.1, which PyYAML follows, takes it for a text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)
