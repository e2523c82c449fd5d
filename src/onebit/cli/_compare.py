"""`onebit compare RUN RUN ...`: runs side by side, in a table and in a picture."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onebit._errors import OptionError

if TYPE_CHECKING:
    from onebit.training import Run

HEAD = ("run", "best validation", "test", "epochs", "images/s", "time")


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "compare",
        help="runs side by side",
        description="Prints what the recipes of runs differ in and what each run reached; --out draws their curves. "
        "Runs that are still training or were interrupted are shown as far as they are. One run alone is shown too.",
        epilog="example: onebit compare runs/mlp runs/shift --out compared.png",
    )
    parser.add_argument("runs", metavar="RUN", nargs="+", help="run folders")
    parser.add_argument("--out", metavar="PNG", help="also draw validation error and loss over the epochs")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, print, draw."""
    from onebit import training

    if args.out and not args.out.endswith(".png"):
        raise OptionError(f"--out is {args.out!r}; expected a file that ends in .png.")
    runs = [training.read_run(path) for path in args.runs]
    differ = training.differences(runs)
    if args.json:
        print(json.dumps({"runs": [one.row() for one in runs], "differences": differ}))
    else:
        print(table([HEAD, *(cells(one) for one in runs)]))
        if differ:
            rows = [(key, *map(shown, values)) for key, values in differ.items()]
            print(f"\n{table([('recipe', *(one.path.name for one in runs)), *rows])}")
        else:
            print("\nThe recipes are the same." if len(runs) > 1 else "\nOne run; give others to see how they differ.")
    if args.out:
        training.draw_comparison(runs, Path(args.out))
        if not args.json:
            print(f"\nDrawn in {args.out}.")
    return 0


def cells(one: Run) -> tuple[str, ...]:
    """The row of a run, for a person."""
    row = one.row()
    seconds = row["seconds"]
    test = row["test_accuracy"]
    return (
        row["run"],
        f"{row['best_validation']:.2%} (epoch {row['best_epoch']})",
        "not yet" if test is None else f"{test:.2%}",
        f"{row['epochs']}/{one.recipe.epochs}",
        f"{row['images_per_second']:,.0f}",
        f"{seconds / 3600:.2f} h" if seconds >= 3600 else f"{seconds:.1f} s",
    )


def table(rows: list[tuple[str, ...]]) -> str:
    """Columns of equal width, a line under the head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def shown(value: Any) -> str:
    """A value of a recipe; "-" where a recipe does not have the entry."""
    return "-" if value is None else str(value)
