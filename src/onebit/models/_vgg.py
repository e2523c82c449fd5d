"""The wide VGG-like network for CIFAR-10 of the authors' code for PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from onebit.models._catalog import register
from onebit.models._convnet import ConvNet, check_widths


@register("cifar10-vgg")
def cifar10_vgg(
    widths: Sequence[int] = (384, 384, 768, 768, 1536, 512),
    hidden: Sequence[int] = (1024, 1024),
    classes: int = 10,
    activation: str = "sign",
    weights: str | None = "sign",
    batch_norm: str = "vanilla",
) -> ConvNet:
    """`cifar10-convnet` with three times as many channels in all convolutions but the last: 36.4 million weights.

    The batch norm of the scores has neither factor nor shift. The authors' code adds a bias in every layer, which the
    batch norm behind it takes away again; there is none here. Options as in `cifar10_convnet`.
    """
    check_widths("cifar10-vgg", widths, hidden, classes)
    model = ConvNet(widths, hidden, classes, activation, weights, batch_norm)
    output = model.get_submodule("output")
    output.add_module("norm", nn.BatchNorm1d(classes, eps=1e-5, momentum=0.1, affine=False))
    return model
