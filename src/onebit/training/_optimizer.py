"""The optimizer and the learning rate of a recipe."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable

from torch import nn, optim

from onebit._errors import OptionError
from onebit._registry import Registry, unknown_name
from onebit.optim import ShiftAdaMax, latent_groups
from onebit.training._adam import Adam
from onebit.training._recipe import OptimizerOptions

OPTIMIZERS: Registry[Callable[..., optim.Optimizer]] = Registry("optimizer")
OPTIMIZERS.register("adam")(Adam)
OPTIMIZERS.register("sgd")(optim.SGD)
OPTIMIZERS.register("shift-adamax")(ShiftAdaMax)


def make_optimizer(model: nn.Module, options: OptimizerOptions) -> optim.Optimizer:
    """The torch optimizer over the model's parameters, its update in one fused pass where it has one.

    Raises UnknownName for an option that the optimizer does not have, OptionError for a value that it does not take.
    """
    kind = OPTIMIZERS[options.name]
    known = [name for name in inspect.signature(kind).parameters if name not in ("params", "lr")]
    for name in options.options:
        if name not in known:
            raise unknown_name(f"option of optimizer {options.name!r}", name, known)
    groups = latent_groups(model, options.lr, scale=options.step_scale, norms=options.norm_scale)
    fused = {"fused": True} if "fused" in known and "foreach" not in options.options else {}
    try:
        return kind(groups, lr=options.lr, **(fused | options.options))
    except (TypeError, ValueError, RuntimeError) as error:
        raise OptionError(
            f"optimizer.options is {options.options!r}, which the optimizer {options.name!r} does not take: {error}."
        ) from error


def learning_rate(options: OptimizerOptions, epoch: int, step: int, epochs: int, steps: int) -> float:
    """The rate of a step, where t runs from 0 towards 1 over the run, by epoch for "epoch" and "halving", else by step.

    "epoch", "step": lr * (lr_end / lr)**t                "halving": the last lr / 2**n that was passed
    "inverse": lr / (1 + (lr / lr_end - 1) t)              "cosine": lr_end + (lr - lr_end) (1 + cos(pi t)) / 2
    epoch, step: counted from 0, of `epochs` in the run and `steps` in an epoch.
    """
    by_epoch = options.decay in ("epoch", "halving")
    t = epoch / epochs if by_epoch else (epoch * steps + step) / (epochs * steps)
    lr, end = options.lr, options.lr_end
    if options.decay == "halving":
        return lr * 0.5 ** math.floor(t * math.log2(lr / end) + 1e-9)
    if options.decay == "inverse":
        return lr / (1 + (lr / end - 1) * t)
    if options.decay == "cosine":
        return end + (lr - end) * (1 + math.cos(math.pi * t)) / 2
    return lr * float((end / lr) ** t)
