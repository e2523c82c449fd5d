"""`onebit bench figure`: the paper's kernel figure of this CPU or GPU: a picture, JSON and a table of ratios."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from onebit._errors import OptionError, OutputError

if TYPE_CHECKING:
    from onebit.bench import Figure
    from onebit.data import Dataset
    from onebit.runtime import PackedModel

SIZE, QUICK_SIZE, QUICK_PICTURES = 8192, 2048, 1000
DEMO = Path("demo/model.onnx")  # what `onebit demo` leaves
DEMO_RECIPE, EPOCHS, QUICK_TRAINING = "mnist-demo", 2, 6000  # epochs; pictures
PAPER = "784-4096-4096-4096-10"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that only the figure has."""
    group = parser.add_argument_group("figure")
    group.add_argument("--model", metavar="PATH", help="a multilayer perceptron for MNIST: a run folder or .onnx file")
    group.add_argument("--root", metavar="DIR", help="where the data sets are (default: $ONEBIT_DATA, then a cache)")
    group.add_argument("--out", metavar="DIR", help="where <machine>.png and <machine>.json go (default: figure)")
    group.add_argument("--device", metavar="NAME", help="what measures: cpu (default) or cuda")
    group.add_argument("--quick", action="store_true", help="a smaller product, 1,000 pictures: not the paper's figure")
    group.add_argument("--full", action="store_true", help="let the slow kernel do all of its work: many minutes")


def run(args: argparse.Namespace, threads: int) -> int:
    """Measure, draw, print."""
    from onebit import bench
    from onebit.cli._loading import load
    from onebit.ops import native

    device = args.device or "cpu"
    check(device, args.isa)
    test = load("mnist", args.root, "test")
    images, labels = test.images, test.labels
    if args.quick:
        images, labels = images[:QUICK_PICTURES], labels[:QUICK_PICTURES]
    trained, what = network(args, test)
    paper = bench.layers_of(trained) == PAPER or args.model or args.quick
    with native.force(args.isa or native.forced()):
        figure = bench.figure(
            trained if paper else bench.random_mlp(),
            trained,
            images,
            labels,
            accuracy_of=what,
            data=f"{len(labels):,} test digits of {test.name}",
            size=QUICK_SIZE if args.quick else SIZE,
            threads=threads,
            device=device,
            whole=args.full,
            seconds=args.seconds,
        )
    png, path = write(figure, Path(args.out or "figure"))
    print(json.dumps(figure.as_dict() | {"png": str(png)}, indent=2) if args.json else bench.figure_table(figure))
    print(f"Drawn in {png}, figures in {path}.", file=sys.stderr)
    return 0


def check(device: str, isa: str | None) -> None:
    """UnknownName for no device, NativeError where this machine has none, OptionError for --isa on a GPU."""
    from onebit import bench

    bench.DEVICES[device].check()
    if isa and device != "cpu":
        raise OptionError(f"--isa {isa} forces kernels of the CPU; --device {device} has none of them.")


def network(args: argparse.Namespace, test: Dataset) -> tuple[PackedModel, str]:
    """The network whose answers count, and what it is, in words."""
    import onebit
    from onebit.bench import layers_of, short_layers
    from onebit.training import load_run

    path = args.model or (str(DEMO) if DEMO.is_file() else None)
    if path is None:
        packed, how = trained_now(args, test), f"trained for this figure by {DEMO_RECIPE}, shortened"
    elif path.endswith(".onnx"):
        packed, how = onebit.load(path), f"the network in {path}"
    else:
        model, _ = load_run(path)
        packed, how = onebit.convert(model, test.images[:64]), f"the network of the run {path}"
    return packed, f"{short_layers(layers_of(packed))}, {how}"


def trained_now(args: argparse.Namespace, test: Dataset) -> PackedModel:
    """The demo's network after a short training, which takes some 20 seconds on two cores."""
    import onebit
    from onebit import training
    from onebit.cli._loading import load

    recipe = training.Recipe.load(DEMO_RECIPE).override(f"epochs={EPOCHS}", "min_steps=0")
    train = load("mnist", args.root, "train")
    if args.quick:
        train = train.select(torch.arange(min(QUICK_TRAINING, len(train))))
    print(f"Training a network for the accuracies ({DEMO_RECIPE}, shortened); --model takes another.", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        training.train(recipe, Path(folder) / "run", data=(train, test), quiet=True)
        model, _ = training.load_run(Path(folder) / "run")
    return onebit.convert(model, test.images[:64])


def write(figure: Figure, folder: Path) -> tuple[Path, Path]:
    """The picture and the numbers, named after the machine."""
    from onebit import bench

    png = folder / f"{bench.file_name(figure.machine)}.png"
    path = png.with_suffix(".json")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figure.as_dict(), indent=2) + "\n")
    except OSError as error:
        raise OutputError(f"The figure cannot be written to {folder}: {error.strerror}.") from error
    bench.draw(figure, png)
    return png, path
