"""The optimizer and the learning rate of a recipe."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable

from torch import nn, optim

from onebit._registry import Registry, unknown_name
from onebit.optim import ShiftAdaMax, latent_groups
from onebit.training._recipe import OptimizerOptions

OPTIMIZERS: Registry[Callable[..., optim.Optimizer]] = Registry("optimizer")
OPTIMIZERS.register("adam")(optim.Adam)
OPTIMIZERS.register("sgd")(optim.SGD)
OPTIMIZERS.register("shift-adamax")(ShiftAdaMax)


def make_optimizer(model: nn.Module, options: OptimizerOptions) -> optim.Optimizer:
    """The torch optimizer over the model's parameters, its update in one fused pass where it has one.

    Raises UnknownName for an option that the optimizer does not have.
    """
    kind = OPTIMIZERS[options.name]
    known = [name for name in inspect.signature(kind).parameters if name not in ("params", "lr")]
    for name in options.options:
        if name not in known:
            raise unknown_name(f"option of optimizer {options.name!r}", name, known)
    groups = latent_groups(model, options.lr, scale=options.step_scale, norms=options.norm_scale)
    fused = {"fused": True} if "fused" in known and "foreach" not in options.options else {}
    return kind(groups, lr=options.lr, **(fused | options.options))


def learning_rate(options: OptimizerOptions, epoch: int, step: int, epochs: int, steps: int) -> float:
    """lr * (lr_end / lr)**t, where t runs from 0 towards 1 over the run, by step or by epoch.

    With decay "halving" it is the last lr / 2**n that was passed at the start of the epoch.
    epoch, step: counted from 0, of `epochs` in the run and `steps` in an epoch.
    """
    if options.decay == "halving":
        return options.lr * 0.5 ** math.floor(epoch / epochs * math.log2(options.lr / options.lr_end) + 1e-9)
    t = epoch / epochs if options.decay == "epoch" else (epoch * steps + step) / (epochs * steps)
    return options.lr * float((options.lr_end / options.lr) ** t)
