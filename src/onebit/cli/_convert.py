"""`onebit convert RUN -o FILE`: pack a trained run to 1 bit and write it as one .onnx file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from onebit._errors import OptionError

VERIFIED = 2000  # of pictures that are read from a folder


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "convert",
        help="pack a trained run to 1 bit",
        description="Converts the best network of a run to 1-bit arithmetic, proves on the test pictures that it "
        "computes the same numbers, says layer by layer what became of it, and writes a standard .onnx file.",
    )
    parser.add_argument("path", metavar="RUN", help="a run folder")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the .onnx file to write")
    parser.add_argument("--root", metavar="DIR", help="where the data sets are (default: $ONEBIT_DATA, then a cache)")
    parser.add_argument("--quiet", action="store_true", help="print only the last line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert, verify on the test pictures, save."""
    import onebit
    from onebit import training
    from onebit.cli._loading import with_bar
    from onebit.cli._network import centre
    from onebit.data import Dataset
    from onebit.runtime import Facts

    output = Path(args.output)
    if output.suffix != ".onnx":
        raise OptionError(f"--output is {args.output!r}; expected a file that ends in .onnx.")
    model, recipe = training.load_run(args.path)
    test = with_bar(lambda progress: recipe.data.open("test", args.root, progress))
    pictures = test.first(len(test) if isinstance(test, Dataset) else VERIFIED)
    packed = onebit.convert(model, pictures[:64])
    packed.facts = Facts(test.classes, centre(test))
    report = onebit.verify(model, packed, pictures)
    if not args.quiet:
        print(packed.explain())
        print(report)
    if not report.ok:
        print(f"Not written: the packed network of {args.path} does not compute the same numbers.")
        return 1
    packed.save(output)
    print(f"{output}: {output.stat().st_size / 1e6:.2f} MB, verified on {len(pictures):,} pictures.")
    return 0
