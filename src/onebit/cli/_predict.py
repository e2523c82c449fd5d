"""`onebit predict MODEL IMAGE...`: what a run's network or a packed file sees in pictures of one's own."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from onebit._errors import DataError, OptionError

if TYPE_CHECKING:
    from onebit.runtime import PackedModel


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "predict",
        help="what a run or a packed file sees in pictures",
        description="Classifies picture files with a run's network (in floating point) or a packed .onnx file (with "
        "1-bit arithmetic). Pictures of another size or colour are converted, and that is said.",
        epilog="example: onebit predict runs/mlp seven.png --top 3",
    )
    parser.add_argument("path", metavar="MODEL", help="a run folder, or an .onnx file written by onebit")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="picture files that Pillow reads: PNG, JPEG, ...")
    parser.add_argument("--top", metavar="K", type=int, default=3, help="classes to show (default: 3)")
    parser.add_argument("--data", metavar="NAME", help="the data set whose classes an .onnx file tells (cifar10)")
    parser.add_argument("--root", metavar="DIR", help="where the data sets are (default: $ONEBIT_DATA, then a cache)")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read all pictures first, so that a broken one is told before anything is computed."""
    from onebit.data import read_picture

    if args.top < 1:
        raise OptionError(f"--top is {args.top}; expected 1 or more.")
    model, shape, keep, classes = network(args)
    read = [read_picture(path, shape, keep) for path in args.images]
    scores = model(torch.stack([pixels for pixels, _ in read]))
    results = [
        {"image": path, "changes": changes, "classes": best(row, classes, args.top)}
        for path, (_, changes), row in zip(args.images, read, scores, strict=True)
    ]
    if args.json:
        print(json.dumps(results))
        return 0
    for result in results:
        changes = f" ({result['changes']})" if result["changes"] else ""
        print(f"{result['image']}{changes}")
        for entry in result["classes"]:
            print(f"  {entry['class']:<20} {entry['score']:>9.3f}")
    return 0


def best(row: Tensor, classes: Sequence[str], top: int) -> list[dict[str, Any]]:
    """The classes with the highest scores, falling."""
    values, labels = row.float().topk(min(top, len(row)))
    names = [classes[label] if label < len(classes) else str(label) for label in labels.tolist()]
    return [{"class": name, "score": value} for name, value in zip(names, values.tolist(), strict=True)]


def network(args: argparse.Namespace) -> tuple[Callable[[Tensor], Tensor], tuple[int, int, int], float, Sequence[str]]:
    """What computes scores of uint8 (N, C, H, W), the (C, H, W) and centre it wants, and its classes, if known."""
    from onebit.data import open_set

    if not args.path.endswith(".onnx"):
        from onebit.training import load_run

        model, recipe = load_run(args.path)
        try:
            pictures = recipe.data.open("test", args.root)
        except DataError as error:
            raise DataError(f"{args.path}: the names of its classes come from its data set. {error}") from None
        return torch.no_grad()(model), pictures.shape, getattr(pictures, "keep", 1.0), pictures.classes
    from onebit.runtime import load

    packed = load(args.path)
    classes = open_set(args.data, args.root, "test").classes if args.data else ()
    return torch.no_grad()(packed), input_shape(args.path, packed), 1.0, classes


def input_shape(path: str, packed: PackedModel) -> tuple[int, int, int]:
    """The (C, H, W) that the file takes; OptionError if it does not say."""
    shape = packed.input_spec.shape
    if len(shape) != 4 or None in shape[1:]:
        raise OptionError(f"{path}: takes {shape}, which is no size of a picture. Give a run folder instead.")
    _, channels, height, width = shape
    return int(channels or 0), int(height or 0), int(width or 0)
