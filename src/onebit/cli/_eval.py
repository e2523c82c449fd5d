"""`onebit eval PATH [--data NAME]`: accuracy of a run (float) or of a packed file (1-bit) on a data set."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from onebit._errors import OptionError

if TYPE_CHECKING:
    from onebit.data import PictureSet, Progress


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "eval",
        help="accuracy of a run or of a packed file",
        description="Measures the accuracy of a run's network (in floating point) or of a packed .onnx file (with "
        "1-bit arithmetic) on the test pictures of a data set.",
    )
    parser.add_argument("path", metavar="PATH", help="a run folder, or an .onnx file written by onebit")
    parser.add_argument("--data", metavar="NAME", help="the data set, for example mnist (default for a run: its own)")
    parser.add_argument("--split", choices=("test", "train"), default="test", help="which pictures (default: test)")
    parser.add_argument("--root", metavar="DIR", help="where the data sets are (default: $ONEBIT_DATA, then a cache)")
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
    from onebit.data import batches

    if args.batch < 1:
        raise OptionError(f"--batch is {args.batch}; expected 1 or more.")
    predict, kernels = network(args)
    pictures = with_bar(lambda progress: test_set(args, progress))
    correct, seconds = 0, 0.0
    for images, labels in batches(pictures, args.batch):
        begin = time.perf_counter()
        logits = predict(images)
        seconds += time.perf_counter() - begin
        correct += int((logits.argmax(1) == labels).sum())
    count = len(pictures.labels)
    used = kernels()
    result = {
        "path": args.path,
        "data": pictures.name,
        "source": pictures.source,
        "split": args.split,
        "images": count,
        "correct": correct,
        "accuracy": correct / count,
        "seconds": seconds,
        "images_per_second": count / seconds,
        "kernels": used,
    }
    if args.json:
        print(json.dumps(result))
    else:
        print(f"{args.path} on {pictures.name} ({args.split}, {pictures.source})")
        print(f"accuracy {correct / count:.2%} ({correct:,} of {count:,})")
        print(f"time     {seconds:.2f} s, {count / seconds:,.0f} images/s")
        print(f"kernels  {', '.join(f'{op} {isa}' for op, isa in used.items())}")
    return 0


def test_set(args: argparse.Namespace, progress: Progress | None) -> PictureSet:
    """The pictures of the data set that is named or, for a run, of the one that its recipe names."""
    from onebit.data import open_set

    if args.data:
        return open_set(args.data, args.root, args.split, progress=progress)
    from onebit.training import Recipe

    return Recipe.load(Path(args.path) / "recipe.yaml").data.open(args.split, args.root, progress)


def network(args: argparse.Namespace) -> tuple[Callable[[Tensor], Tensor], Callable[[], dict[str, str]]]:
    """What computes the logits of a batch of uint8 pictures, and what tells which kernels did it."""
    if not args.path.endswith(".onnx"):
        from onebit.training import load_run

        if args.runtime != "torch":
            raise OptionError(f"--runtime {args.runtime} runs .onnx files; {args.path!r} is a run folder.")
        model, _ = load_run(args.path)
        return torch.no_grad()(model), lambda: {"float32": f"torch {torch.__version__}"}
    if not args.data:
        raise OptionError(f"{args.path} does not tell which pictures it is for. Give --data NAME, such as mnist.")
    from onebit.runtime import OrtSession, load

    if args.runtime == "torch":
        packed = load(args.path)
        return torch.no_grad()(packed), packed.kernels
    session = OrtSession(args.path, native=args.runtime == "onnxruntime")
    return session, session.kernels
