"""`onebit summary PATH`: what the network of a run, a recipe or a packed file is made of, layer by layer."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onebit._errors import FormatError
from onebit._registry import unknown_name

if TYPE_CHECKING:
    from torch import nn

    from onebit.training import Recipe


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "summary",
        help="layers, precision, memory and multiply-accumulates of a run, a recipe or a packed file",
        description="Prints, layer by layer, what a trained run, the network of a recipe or a packed .onnx file is "
        "made of, what it computes and what memory and energy that takes.",
    )
    parser.add_argument("path", metavar="PATH", help="a run folder, an .onnx file written by onebit, or a recipe")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    if args.path.endswith(".onnx"):
        from onebit.runtime import load

        print(load(args.path).explain())
        return 0
    import torch

    from onebit.metrics import summary

    model, recipe = _open(args.path)
    print(f"{recipe.name}: {recipe.description}")
    example = torch.zeros((1, *recipe.data.shape), dtype=torch.uint8)  # one black picture
    print(summary(model, example))
    return 0


def _open(path: str) -> tuple[nn.Module, Recipe]:
    """The network and recipe of a run folder or, untrained, of a recipe's name or file."""
    from onebit.training import Recipe, load_run, recipe_names

    if Path(path).is_dir():
        return load_run(path)
    if path in recipe_names() or Path(path).suffix in (".yaml", ".yml"):
        return _untrained(Recipe.load(path))
    if Path(path).name == path and not Path(path).exists():  # meant as a name, perhaps
        raise unknown_name("run folder, .onnx file or recipe", path, recipe_names())
    raise FormatError(
        f"{path}: is neither a run folder, an .onnx file nor a recipe's .yaml file. Expected one of them."
    )


def _untrained(recipe: Recipe) -> tuple[nn.Module, Recipe]:
    import torch

    from onebit.data import Dataset
    from onebit.training import make_network

    picture, label = torch.zeros((1, *recipe.data.shape), dtype=torch.uint8), torch.zeros(1, dtype=torch.int64)
    black = Dataset(picture, label, ("black",), "black", "one black picture")
    if recipe.data.preprocess:  # makes real numbers of pixels; so does a step that has nothing to learn
        recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, preprocess=["unit"]))
    return make_network(recipe, black).eval(), recipe
