"""Where the straight-through estimator passes no gradient, and where latent weights are stuck."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from onebit.nn import binary_layers
from onebit.quantizers import Quantizer


@torch.no_grad()
def weight_saturation(model: nn.Module) -> dict[str, float]:
    """{layer: share of latent weights w with |w| >= 1}, which the clip holds; their signs seldom flip again."""
    return {name: _share(layer.weight.abs() >= 1) for name, layer in binary_layers(model)}


@torch.no_grad()
def activation_saturation(model: nn.Module, x: Tensor) -> dict[str, float]:
    """{quantizer: share of its inputs with |x| > 1} for one batch, in the model's current mode.

    These activations pass no gradient back. Weight quantizers are left out. x: what the model takes.
    """
    of_weights = {layer.weight_quantizer for _, layer in binary_layers(model)}
    shares: dict[str, float] = {}
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, Quantizer) and module not in of_weights:
            hooks.append(module.register_forward_pre_hook(_record(shares, name)))
    try:
        model(x)
    finally:
        for hook in hooks:
            hook.remove()
    return shares


def _share(mask: Tensor) -> float:
    return int(mask.sum()) / mask.numel()


def _record(shares: dict[str, float], name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        shares[name] = _share(inputs[0].abs() > 1)

    return hook
