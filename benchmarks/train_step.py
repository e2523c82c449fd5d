"""How many pictures a second training takes in: a recipe's whole step (forward, backward, update, clip) on random
pictures, its arithmetics in turns, and where the time of the fastest goes. Needs no data.

    python benchmarks/train_step.py larq-vgg
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import onebit.cli  # noqa: F401  first: threads wait in torch as they do under `onebit train`

# isort: split
import torch
from torch.profiler import ProfilerActivity, profile

from onebit import models
from onebit.bench import keep_memory
from onebit.optim import clip_latent_weights
from onebit.training import Recipe
from onebit.training._arithmetic import set_arithmetic
from onebit.training._loss import LOSSES
from onebit.training._optimizer import make_optimizer
from onebit.training._recipe import ArithmeticOptions

ARITHMETICS = {
    "floats": ArithmeticOptions(forward="float"),
    "bits": ArithmeticOptions(forward="bits"),
    "bits, bfloat16 backward": ArithmeticOptions(forward="bits", backward="bfloat16"),
    "bits, int8 backward": ArithmeticOptions(forward="bits", backward="int8"),
}


def step_of(recipe: Recipe, options: ArithmeticOptions, shape: tuple[int, ...]) -> Callable[[], None]:
    """One training step of the recipe."""
    torch.manual_seed(0)
    model = models.create(recipe.model.name, **recipe.model.options)
    set_arithmetic(model, options, torch.device("cpu"))
    optimizer, loss = make_optimizer(model, recipe.optimizer), LOSSES[recipe.loss]
    images = torch.randint(0, 256, (recipe.batch_size, *shape), dtype=torch.uint8)
    labels = torch.randint(0, 10, (recipe.batch_size,))

    def step() -> None:
        optimizer.zero_grad()
        loss(model(images), labels).backward()
        optimizer.step()
        if recipe.optimizer.clip:
            clip_latent_weights(model, everything=recipe.optimizer.clip == "all")

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="larq-vgg")
    parser.add_argument("--rounds", type=int, default=10)
    args = parser.parse_args()
    keep_memory()  # as `onebit train` does
    recipe = Recipe.load(args.recipe)
    shape = (1, 28, 28) if recipe.data.name == "mnist" else (3, 32, 32)
    steps = {name: step_of(recipe, options, shape) for name, options in ARITHMETICS.items()}
    wall: dict[str, list[float]] = {name: [] for name in steps}
    cpu: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(args.rounds + 1):
        for name, step in steps.items():
            begin, used = time.perf_counter(), time.process_time()
            step()
            if turn:  # the first turn touches new memory
                wall[name].append(time.perf_counter() - begin)
                cpu[name].append(time.process_time() - used)
    print(f"{args.recipe}: batches of {recipe.batch_size}, {torch.get_num_threads()} threads")
    for name in steps:
        ms, processor = (statistics.median(taken[name]) * 1e3 for taken in (wall, cpu))
        print(
            f"{name:26} {ms:7.1f} ms a step  {recipe.batch_size / ms * 1e3:7.0f} images/s  {processor:7.1f} ms of CPU"
        )
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        steps[name]()
    print(recorded.key_averages().table(sort_by="self_cpu_time_total", row_limit=14, max_name_column_width=44))


if __name__ == "__main__":
    main()
