"""`onebit train RECIPE`: run a recipe into a folder; Ctrl-C leaves a run that `--resume` continues."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onebit._errors import OptionError

if TYPE_CHECKING:
    from onebit.training import Result


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "train",
        help="train a recipe",
        description="Trains a recipe (a name, or a YAML file) and writes a run folder: the recipe, metrics, "
        "checkpoints, the best weights and a picture of the curves. Ctrl-C stops after saving; --resume goes on.",
        epilog="example: onebit train mnist-mlp --epochs 20 --set optimizer.lr=0.003 --out runs/mlp",
    )
    parser.add_argument("recipe", metavar="RECIPE", nargs="?", help="a recipe's name, or the path of a .yaml file")
    parser.add_argument("--list", action="store_true", help="list the recipes and stop")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", nargs="+", action="extend", default=[], help="change entries of the recipe"
    )
    parser.add_argument("--epochs", metavar="N", type=int, help="train N epochs; the schedule is stretched over them")
    parser.add_argument("--twin", choices=["float"], help="the same network and schedule without binarization")
    parser.add_argument("--out", metavar="DIR", help="the run folder (default: runs/RECIPE)")
    parser.add_argument("--root", metavar="DIR", help="where the data sets are (default: $ONEBIT_DATA, then a cache)")
    parser.add_argument("--resume", action="store_true", help="go on with the interrupted run in --out")
    parser.add_argument("--overwrite", action="store_true", help="replace a run that is in --out already")
    parser.add_argument(
        "--track",
        metavar="NAME",
        nargs="+",
        action="extend",
        help="also keep figures with tensorboard, mlflow, wandb or trackio (default: tensorboard, if installed)",
    )
    parser.add_argument("--quiet", action="store_true", help="no live progress: one line per epoch, for logs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, then say where the run is and what it reached."""
    from accelerate import PartialState

    from onebit import training
    from onebit.cli._give_back import GiveBack
    from onebit.cli._loading import with_bar

    if args.list:
        for name in training.recipe_names():
            print(f"{name:<22} {training.Recipe.load(name).description}")
        return 0
    if args.recipe is None:
        raise OptionError("onebit train needs a recipe. `onebit train --list` shows them.")
    recipe = training.Recipe.load(args.recipe)
    if args.twin:
        recipe = recipe.twin()
    recipe = recipe.override(*args.set, *([f"epochs={args.epochs}"] if args.epochs is not None else []))
    out = Path(args.out or f"runs/{recipe.name}")
    sets = with_bar(lambda bar: tuple(recipe.data.open(part, args.root, bar) for part in ("train", "test")))
    try:
        result = training.train(
            recipe,
            out,
            data=(sets[0], sets[1]),
            resume=args.resume,
            overwrite=args.overwrite,
            quiet=args.quiet,
            callbacks=[GiveBack()],
            trackers=args.track,
        )
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(f"{stop} Go on with: {to_go_on(args, out)}") from None
    if PartialState().is_main_process:  # of several, one speaks
        tell(result, out)
    return 0


def tell(result: Result, out: Path) -> None:
    """What was reached, and what comes next."""
    print(
        f"Best validation accuracy {result.best_accuracy:.2%} at epoch {result.best_epoch}; "
        f"test accuracy there {result.test_accuracy:.2%}. Run folder: {out}"
    )
    if result.left_out:
        print(f"Pictures that could not be read and were left out: {result.left_out:,}.")
    print(f"Next: onebit convert {out} -o {out / 'model.onnx'}")


def to_go_on(args: argparse.Namespace, out: Path) -> str:
    """The command that resumes the run."""
    changes = ["--set", *map(shlex.quote, args.set)] if args.set else []
    changes += ["--epochs", str(args.epochs)] if args.epochs is not None else []
    changes += ["--twin", args.twin] if args.twin else []
    changes += ["--track", *args.track] if args.track else []
    return " ".join(["onebit", "train", args.recipe, *changes, "--out", shlex.quote(str(out)), "--resume"])
