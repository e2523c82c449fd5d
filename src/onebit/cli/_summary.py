"""`onebit summary PATH`: what a run's network or a packed file is made of, layer by layer."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "summary",
        help="layers, precision, memory and multiply-accumulates of a run or a packed file",
        description="Prints, layer by layer, what a trained run or a packed .onnx file is made of.",
    )
    parser.add_argument("path", metavar="PATH", help="a run folder, or an .onnx file written by onebit")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    if args.path.endswith(".onnx"):
        from onebit.runtime import load

        print(load(args.path).explain())
        return 0
    import torch

    from onebit.metrics import summary
    from onebit.training import load_run

    model, recipe = load_run(args.path)
    print(f"{recipe.name}: {recipe.description}")
    example = torch.zeros((1, *recipe.data.shape), dtype=torch.uint8)  # one black picture
    print(summary(model, example))
    return 0
