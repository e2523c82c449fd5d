"""`onebit predict MODEL IMAGE...`: what a run's network or a packed file sees in pictures of one's own."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from onebit._errors import DataError, OptionError

BATCH = 256


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
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="pictures (PNG, JPEG, ...), or folders of them")
    parser.add_argument("--top", metavar="K", type=int, default=3, help="classes to show (default: 3)")
    parser.add_argument(
        "--data", metavar="NAME", help="the data set that names the classes (default: what MODEL tells)"
    )
    parser.add_argument("--root", metavar="DIR", help="where the data sets are (default: $ONEBIT_DATA, then a cache)")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read all pictures first, so that a broken one is told before anything is computed."""
    from onebit.cli._network import open_network
    from onebit.data import read_picture

    if args.top < 1:
        raise OptionError(f"--top is {args.top}; expected 1 or more.")
    network = open_network(args.path, "torch", args.data, args.root)
    shape, keep, classes = network.view()
    paths = [path for given in args.images for path in files(given)]
    read = [read_picture(path, shape, keep) for path in paths]
    pictures = torch.stack([pixels for pixels, _ in read])
    scores = torch.cat([network.scores(part) for part in torch.split(pictures, BATCH)])
    results: list[dict[str, Any]] = [
        {"image": path, "changes": changes, "classes": best(row, classes, args.top)}
        for path, (_, changes), row in zip(paths, read, scores, strict=True)
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


def files(path: str) -> list[str]:
    """The picture itself, or all below a folder; DataError if there are none."""
    from onebit.data._folder import picture_files

    if not Path(path).is_dir():
        return [path]
    found = picture_files(Path(path))
    if not found:
        raise DataError(f"{path}: is a folder without pictures in it.")
    return found
