"""How long an update of the paper's MLP takes: optimizer step and clip of 36.8 million latent weights, in turns with
torch's fused Adam alone. Prints the ratio of medians to that, and of the fastest rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from onebit import models, optim


def update(clip: bool, kind: type[torch.optim.Optimizer], **options: object) -> Callable[[], None]:
    model = models.mlp()
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter) * 1e-3
    optimizer = kind(optim.latent_groups(model, 1e-4), **options)
    if clip:
        optim.clip_after_step(optimizer, model)
    return lambda: optimizer.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    adam, shift = torch.optim.Adam, optim.ShiftAdaMax
    candidates = {
        "Adam(fused=True)": update(False, adam, fused=True),
        "Adam(fused=True), clip": update(True, adam, fused=True),
        "ShiftAdaMax(compiled=True), clip": update(True, shift, compiled=True),
        "ShiftAdaMax(), clip": update(True, shift),
        "ShiftAdaMax(foreach=True), clip": update(True, shift, foreach=True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(rounds + 2):
        for name, step in candidates.items():
            begin = time.perf_counter()
            step()
            if turn >= 2:  # the first turns compile and touch new memory
                seconds[name].append(time.perf_counter() - begin)
    base = seconds["Adam(fused=True)"]
    for name, taken in seconds.items():
        median, least = statistics.median(taken), min(taken)
        ratios = f"{median / statistics.median(base):5.2f}x median, {least / min(base):5.2f}x fastest"
        print(f"{name:34} {median * 1e3:7.1f} ms  {ratios}")


if __name__ == "__main__":
    main()
