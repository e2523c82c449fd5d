"""`onebit demo`: the whole way on real digits: train, convert, verify, run with 1-bit arithmetic, compare."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "demo",
        help="train, convert, verify and compare on real digits (about two minutes)",
        description="Trains the paper's multilayer perceptron on MNIST, converts it to 1-bit arithmetic, proves that "
        "both compute the same numbers, and compares accuracy, size and speed with the floating-point network.",
    )
    parser.add_argument(
        "--out", metavar="DIR", default="demo", help="where results go, replacing an earlier demo (default: demo)"
    )
    parser.add_argument("--root", metavar="DIR", help="where the data sets are (default: $ONEBIT_DATA, then a cache)")
    parser.add_argument("--recipe", metavar="RECIPE", default="mnist-demo", help="what to train (default: mnist-demo)")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", nargs="+", action="extend", default=[], help="change entries of the recipe"
    )
    parser.add_argument("--quiet", action="store_true", help="no live progress: one line per epoch, for logs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """The five steps."""
    import onebit
    from onebit import training
    from onebit.cli import _demo_report as report
    from onebit.cli._loading import load

    begin = time.perf_counter()
    out = Path(args.out)
    recipe = training.Recipe.load(args.recipe).override(*args.set)
    heading(1, "Data")
    train, test = (load(recipe.data.name, args.root, split) for split in ("train", "test"))
    print(f"{test.name}: {len(train):,} training and {len(test):,} test pictures ({test.source}).")

    heading(2, "Train")
    print(f"{recipe.description}")
    result = training.train(recipe, out, data=(train, test), overwrite=True, quiet=args.quiet)
    print(f"{result.seconds:.0f} s; best validation accuracy {result.best_accuracy:.2%} (epoch {result.best_epoch}).")

    heading(3, "Convert")
    model, _ = training.load_run(out)
    packed = onebit.convert(model, test.images[:64])
    print(packed.explain())

    heading(4, f"Verify on all {len(test.labels):,} test pictures")
    verdict = onebit.verify(model, packed, test.images)
    print(verdict)
    path = out / "model.onnx"
    packed.save(path)

    heading(5, "Compare")
    served = onebit.load(path)
    comparison = report.compare(model, served, test, run_folder=out, onnx=path)
    comparison.print()
    pictures = [out / "curves.png", report.draw_digits(served, test, out / "digits.png")]
    (out / "demo.json").write_text(comparison.json())
    print(f"Pictures: {', '.join(map(str, pictures))}. Packed network: {path}.")
    print(f"All in {time.perf_counter() - begin:.0f} s.")
    print(f"Next: onebit eval {path} --data {recipe.data.name}    onebit summary {out}    onebit doctor")
    return 0 if verdict.ok and comparison.equal else 1


def heading(step: int, title: str) -> None:
    """One line between the steps."""
    print(f"\n[{step}/5] {title} ({torch.get_num_threads()} threads)" if step in (2, 5) else f"\n[{step}/5] {title}")
