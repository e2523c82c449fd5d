"""Keeping latent weights where the estimator's slope is 1."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.utils.hooks import RemovableHandle

from onebit.nn import latent_weights


@torch.no_grad()
def clip_latent_weights(model: nn.Module, *, everything: bool = False) -> None:
    """w <- max(-1, min(1, w)), in place, for every latent weight of the model; call it after each optimizer step.

    Biases and batch norm are left alone; everything=True clips them too, as the authors' Torch code does for CIFAR-10.
    NaN stays NaN. Source: arXiv:1602.02830.
    """
    weights: list[Tensor] = list(model.parameters() if everything else latent_weights(model))
    if any(weight.is_cuda for weight in weights):  # two launches for the whole model instead of one for each layer
        torch._foreach_clamp_min_(weights, -1.0)
        torch._foreach_clamp_max_(weights, 1.0)
    else:  # one pass over memory instead of two
        for weight in weights:
            weight.clamp_(-1.0, 1.0)


def clip_after_step(optimizer: optim.Optimizer, model: nn.Module) -> RemovableHandle:
    """From now on every step of the optimizer ends with `clip_latent_weights(model)`.

    For loops that are not yours to edit. Returns a handle whose remove() ends it.
    """

    def clip(*_: Any) -> None:
        clip_latent_weights(model)

    return optimizer.register_step_post_hook(clip)
