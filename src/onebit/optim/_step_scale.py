"""Layer-wise scaling of the optimizer's step for latent weights, for any torch optimizer.

The paper multiplies the *step*. Scaling the gradient instead would do nothing under Adam, whose step does not depend
on the gradient's size. A torch optimizer's step is proportional to its group's lr, so the factor goes there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn, optim
from torch.nn.modules.batchnorm import _BatchNorm

from onebit._errors import OptionError, ShapeError
from onebit.nn import InverseStdNorm, latent_weights
from onebit.nn.functional import ap2


def step_scale(weight: Tensor) -> float:
    """gamma = 1 / sqrt(1.5 / (n_in + n_out)), where a kernel's size counts into both.

    weight: (n_out, n_in) of a linear layer, or (C_out, C_in, kh, kw) of a convolution.
    Example: 784 -> 4096 gives 57.04. Raises ShapeError for fewer than two dimensions. Source: arXiv:1602.02830.
    """
    if weight.ndim < 2:
        raise ShapeError(f"step_scale: the weight has shape {tuple(weight.shape)}. Expected (out, in, ...).")
    kernel = math.prod(weight.shape[2:])
    return math.sqrt((weight.shape[0] + weight.shape[1]) * kernel / 1.5)


def latent_groups(
    model: nn.Module, lr: float, *, scale: bool | Literal["ap2"] = True, norms: bool = False
) -> list[dict[str, Any]]:
    """Parameter groups for any torch optimizer: latent weights take steps of gamma * lr, all others of lr.

    Latent weights of one gamma share a group, with weight_decay 0. Every group has the keys `lr` and `lr_scale`
    (gamma, or 1), so that schedulers which multiply (StepLR, ExponentialLR, LambdaLR, CosineAnnealingLR with
    eta_min 0) keep the ratio by themselves, and `set_lr` and schedulers that read `lr_scale` keep it when setting.
    scale: False gives latent weights `lr_scale` 1; "ap2" rounds gamma to a power of two.
    norms: the factors of batch norms (n of them) take sqrt(n / 1.5), as the authors' Torch code for MNIST has it.
    Raises OptionError for a value out of range.
    """
    if not lr >= 0:
        raise OptionError(f"latent_groups: lr is {lr!r}. Expected a number that is not negative.")
    if scale not in (True, False, "ap2"):
        raise OptionError(f"latent_groups: scale is {scale!r}. Expected True, False or 'ap2'.")
    latent: dict[float, list[nn.Parameter]] = {}
    for weight in latent_weights(model):
        if weight.requires_grad:
            latent.setdefault(_gamma(weight, scale), []).append(weight)
    others: dict[float, list[nn.Parameter]] = {1.0: []}
    factors = {p: math.sqrt(p.numel() / 1.5) for p in _norm_factors(model)} if norms else {}
    known = {weight for weights in latent.values() for weight in weights}
    for parameter in model.parameters():
        if parameter.requires_grad and parameter not in known:
            others.setdefault(factors.get(parameter, 1.0), []).append(parameter)
    groups = [
        {"params": weights, "lr": lr * gamma, "lr_scale": gamma, "weight_decay": 0.0}
        for gamma, weights in latent.items()
    ]
    groups += [
        {"params": parameters, "lr": lr * gamma, "lr_scale": gamma}
        for gamma, parameters in others.items()
        if parameters
    ]
    return groups


def _gamma(weight: Tensor, scale: bool | str) -> float:
    if not scale:
        return 1.0
    gamma = step_scale(weight)
    return float(ap2(torch.tensor(gamma, dtype=torch.float64))) if scale == "ap2" else gamma


def _norm_factors(model: nn.Module) -> Iterator[nn.Parameter]:
    for module in model.modules():
        if isinstance(module, InverseStdNorm | _BatchNorm) and module.weight is not None:
            yield module.weight


def set_lr(optimizer: optim.Optimizer, lr: float) -> None:
    """Set every group's lr to lr * lr_scale (1 for groups that have none)."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)
