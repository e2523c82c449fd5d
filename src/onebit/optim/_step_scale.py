"""Layer-wise scaling of the optimizer's step for latent weights, for any torch optimizer.

The paper multiplies the *step*. Scaling the gradient instead would do nothing under Adam, whose step does not depend
on the gradient's size. A torch optimizer's step is proportional to its group's lr, so the factor goes there.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn, optim

from onebit._errors import OptionError, ShapeError
from onebit.nn import latent_weights


def step_scale(weight: Tensor) -> float:
    """gamma = 1 / sqrt(1.5 / (n_in + n_out)), where a kernel's size counts into both.

    weight: (n_out, n_in) of a linear layer, or (C_out, C_in, kh, kw) of a convolution.
    Example: 784 -> 4096 gives 57.04. Raises ShapeError for fewer than two dimensions. Source: arXiv:1602.02830.
    """
    if weight.ndim < 2:
        raise ShapeError(f"step_scale: the weight has shape {tuple(weight.shape)}. Expected (out, in, ...).")
    kernel = math.prod(weight.shape[2:])
    return math.sqrt((weight.shape[0] + weight.shape[1]) * kernel / 1.5)


def latent_groups(model: nn.Module, lr: float, *, scale: bool = True) -> list[dict[str, Any]]:
    """Parameter groups for any torch optimizer: latent weights take steps of gamma * lr, all others of lr.

    Latent weights of one gamma share a group, with weight_decay 0. Every group has the keys `lr` and `lr_scale`
    (gamma, or 1), so that schedulers which multiply (StepLR, ExponentialLR, LambdaLR, CosineAnnealingLR with
    eta_min 0) keep the ratio by themselves, and `set_lr` and schedulers that read `lr_scale` keep it when setting.
    scale: False gives every group `lr_scale` 1.
    """
    if not lr >= 0:
        raise OptionError(f"latent_groups: lr is {lr!r}. Expected a number that is not negative.")
    by_scale: dict[float, list[nn.Parameter]] = {}
    for weight in latent_weights(model):
        if weight.requires_grad:
            by_scale.setdefault(step_scale(weight) if scale else 1.0, []).append(weight)
    groups = [
        {"params": weights, "lr": lr * gamma, "lr_scale": gamma, "weight_decay": 0.0}
        for gamma, weights in by_scale.items()
    ]
    latent = {weight for weights in by_scale.values() for weight in weights}
    others = [parameter for parameter in model.parameters() if parameter.requires_grad and parameter not in latent]
    return [*groups, {"params": others, "lr": lr, "lr_scale": 1.0}] if others else groups


def set_lr(optimizer: optim.Optimizer, lr: float) -> None:
    """Set every group's lr to lr * lr_scale (1 for groups that have none)."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)
