"""Finding the latent weights: the real parameters behind binary weights."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from onebit.nn._binary import BinaryLayer


def binary_layers(model: nn.Module) -> Iterator[tuple[str, BinaryLayer]]:
    """The layers of the model whose weights are binarized, with their names, each once, in the model's order."""
    for name, module in model.named_modules():
        if isinstance(module, BinaryLayer) and module.weight_quantizer is not None:
            yield name, module


def latent_weights(model: nn.Module) -> Iterator[nn.Parameter]:
    """The parameters that have a weight quantizer, each once, in the model's order.

    Clip them after every step, and keep weight decay off them (arXiv:1602.02830).
    """
    seen: set[nn.Parameter] = set()
    for _, layer in binary_layers(model):
        weight = layer.weight
        if isinstance(weight, nn.Parameter) and weight not in seen:
            seen.add(weight)
            yield weight
