"""A binary network as peers run it: plain float32 layers of -1 and +1, batch normalisation folded into them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from onebit.bench._workload import Centre, Sign
from onebit.nn import BinaryConv2d, BinaryLinear, Pixels
from onebit.quantizers import Quantizer

Layer = nn.Linear | nn.Conv2d


def fold(model: nn.Module) -> nn.Sequential:
    """The same network for inference: norms multiply the weights before them, also through a max-pool.

    A positive factor commutes with the maximum, and all of them are positive here; ValueError for any other.
    """
    folded: list[nn.Module] = []
    for module in steps(model):
        if isinstance(module, Pixels):
            folded.append(Centre())
        elif isinstance(module, BinaryLinear | BinaryConv2d):
            if module.input_quantizer is not None:
                folded.append(Sign())
            folded.append(_binary(module))
        elif isinstance(module, _BatchNorm):
            _absorb(next(layer for layer in reversed(folded) if isinstance(layer, Layer)), module)
        elif isinstance(module, Quantizer):
            folded.append(Sign())
        elif isinstance(module, nn.MaxPool2d) or (isinstance(module, nn.Flatten) and folded):  # pictures come flat
            folded.append(module)
    return nn.Sequential(*folded)


def steps(model: nn.Module) -> Iterator[nn.Module]:
    """The modules of a chain in their order, without what is inside of them."""
    for module in model.children():
        if isinstance(module, nn.Sequential):
            yield from steps(module)
        else:
            yield module


def _binary(module: BinaryLinear | BinaryConv2d) -> Layer:
    """The plain layer with the signs of the weights, and a bias of 0 for the norm behind it."""
    weight = torch.where(module.weight.detach() < 0, -1.0, 1.0)
    n = weight.shape[0]
    layer: Layer
    if isinstance(module, BinaryLinear):
        layer = nn.Linear(weight.shape[1], n, device="meta")
    else:
        layer = nn.Conv2d(weight.shape[1], n, weight.shape[2], device="meta")
        layer.padding = module.padding
    layer.weight, layer.bias = _constant(weight), _constant(torch.zeros(n))
    return layer


def _absorb(layer: Layer, norm: _BatchNorm) -> None:
    """layer := norm(layer)."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("fold: a norm without running statistics has nothing to fold")
    factor = 1.0 if norm.weight is None else norm.weight.detach()
    scale = factor / torch.sqrt(norm.running_var + norm.eps)
    if not bool((scale > 0).all()):
        raise ValueError("fold: a factor that is not positive cannot go through a maximum")
    layer.weight = _constant(layer.weight * scale.view(-1, *[1] * (layer.weight.dim() - 1)))
    layer.bias = _constant(norm.bias.detach() - norm.running_mean * scale)


def _constant(value: Tensor) -> nn.Parameter:
    return nn.Parameter(value, requires_grad=False)
