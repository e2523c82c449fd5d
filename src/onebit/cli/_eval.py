"""`onebit eval PATH [--data NAME]`: accuracy of a run (float) or of a packed file (1-bit) on a data set."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onebit._errors import DataError, OptionError

if TYPE_CHECKING:
    from onebit.cli._network import Network
    from onebit.data import PictureSet, Progress
    from onebit.data._pictures import OnError


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "eval",
        help="accuracy of a run or of a packed file",
        description="Measures the accuracy of a run's network (in floating point) or of a packed .onnx file (with "
        "1-bit arithmetic) on the test pictures of a data set, or on pictures of your own: a folder for each class, "
        "called as the network calls it.",
    )
    parser.add_argument("path", metavar="PATH", help="a run folder, or an .onnx file written by onebit")
    parser.add_argument("--data", metavar="NAME", help="the data set, for example mnist (default for a run: its own)")
    parser.add_argument(
        "--folder", metavar="DIR", help="your own pictures, a folder for each class, in place of --data"
    )
    parser.add_argument("--split", choices=("test", "train"), default="test", help="which pictures (default: test)")
    parser.add_argument("--root", metavar="DIR", help="where the data sets are (default: $ONEBIT_DATA, then a cache)")
    parser.add_argument(
        "--on-error",
        choices=("raise", "skip"),
        help="with a picture that cannot be read: stop, or leave it out and say so (default: as the run, else raise)",
    )
    parser.add_argument("--batch", metavar="N", type=int, default=256, help="pictures at a time (default: 256)")
    parser.add_argument(
        "--runtime",
        choices=("torch", "onnxruntime", "onnxruntime-plain"),
        default="torch",
        help="what runs an .onnx file; onnxruntime-plain does without our library (default: torch)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    from onebit.cli._loading import with_bar
    from onebit.cli._network import open_network

    if args.batch < 1:
        raise OptionError(f"--batch is {args.batch}; expected 1 or more.")
    network = open_network(args.path, args.runtime, args.data, args.root)
    pictures, split = with_bar(lambda progress: test_set(args, network, progress))
    result = {"path": args.path, "split": split} | measured(network, pictures, args.batch)
    print(json.dumps(result) if args.json else told(result, len(pictures.classes)))
    return 0


def measured(network: Network, pictures: PictureSet, batch: int) -> dict[str, Any]:
    """What the network gets right, and how fast it is; pictures that are left out do not count."""
    from onebit.data import batches

    correct, count, seconds, seen = 0, 0, 0.0, set[int]()
    for images, labels in batches(pictures, batch):
        begin = time.perf_counter()
        logits = network.scores(images)
        seconds += time.perf_counter() - begin
        correct, count = correct + int((logits.argmax(1) == labels).sum()), count + len(labels)
        seen |= {*labels.tolist()}
    if not count:
        raise DataError(f"{pictures.source}: none of the {len(pictures):,} pictures can be read.")
    return {
        "data": pictures.name,
        "source": pictures.source,
        "images": count,
        "left_out": len(pictures) - count,
        "classes": len(seen),
        "correct": correct,
        "accuracy": correct / count,
        "seconds": seconds,
        "images_per_second": count / seconds,
        "kernels": network.kernels(),
    }


def told(result: dict[str, Any], classes: int) -> str:
    """The result for a person."""
    right = f"{result['correct']:,} of {result['images']:,}, {result['classes']} of {classes} classes"
    lines = [
        f"{result['path']} on {result['data']} ({result['split']}, {result['source']})",
        f"accuracy {result['accuracy']:.2%} ({right})",
        f"time     {result['seconds']:.2f} s, {result['images_per_second']:,.0f} images/s",
        f"kernels  {', '.join(f'{op} {isa}' for op, isa in result['kernels'].items())}",
    ]
    if result["left_out"]:
        lines.insert(2, f"left out {result['left_out']:,} that cannot be read")
    return "\n".join(lines)


def test_set(args: argparse.Namespace, network: Network, progress: Progress | None) -> tuple[PictureSet, str]:
    """The pictures of one's own folder, of the data set that is named or of a run's recipe; and their split."""
    from onebit.cli._network import own_pictures
    from onebit.data import open_set

    on_error: OnError = args.on_error or "raise"
    if args.folder:
        return own_pictures(network, args.folder, args.split, on_error)
    if args.data:
        return open_set(args.data, args.root, args.split, on_error=on_error, progress=progress), args.split
    if args.path.endswith(".onnx"):
        raise OptionError(
            f"{args.path} does not tell which pictures it is for. Give --data NAME, such as mnist, or --folder DIR."
        )
    from onebit.training import Recipe

    recipe = Recipe.load(Path(args.path) / "recipe.yaml")
    recipe = recipe.override(f"data.on_error={args.on_error}") if args.on_error else recipe
    return recipe.data.open(args.split, args.root, progress), args.split
