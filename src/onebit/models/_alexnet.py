"""AlexNet with every layer binary, for ImageNet."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial

from torch import nn

from onebit._errors import OptionError
from onebit.models._activation import Activation, end_block
from onebit.models._catalog import register
from onebit.models._dense_layers import add_dense_layers
from onebit.models._norms import batch_norm_named
from onebit.nn import BinaryConv2d, Pixels

WINDOWS = ((11, 4, 2, True), (5, 1, 2, True), (3, 1, 1, False), (3, 1, 1, False), (3, 1, 1, True))
"""Of the five convolutions: side of the kernel, stride, padding with zeros, whether a max pool 3 / 2 follows."""


class AlexNet(nn.Sequential):
    """pixels, five convolutions, max pools behind the first, second and fifth, three dense layers; batch norms.

    uint8 (N, 3, side, side) -> real scores (N, classes). The first layer sees pixels, every later one takes the sign of
    its input; no layer has float weights. With a float activation that stands behind each batch norm instead.
    """

    def __init__(
        self,
        widths: Sequence[int],
        hidden: Sequence[int],
        classes: int,
        side: int,
        activation: str,
        weights: str | None,
        batch_norm: str,
    ) -> None:
        super().__init__(OrderedDict(pixels=Pixels()))
        active = Activation.named("imagenet-alexnet", activation)
        inputs = 3
        for depth, (width, (kernel, stride, padding, pool)) in enumerate(zip(widths, WINDOWS, strict=True), start=1):
            signs = None if depth == 1 else active.quantizer()
            block = OrderedDict[str, nn.Module]()
            block["conv"] = BinaryConv2d(
                inputs, width, kernel, stride, padding, input_quantizer=signs, weight_quantizer=weights
            )
            if pool:
                block["pool"] = nn.MaxPool2d(3, 2)
            self.add_module(f"conv{depth}", end_block(block, batch_norm_named(batch_norm, width, maps=True), active))
            inputs = width
        norm = partial(batch_norm_named, batch_norm)
        add_dense_layers(self, inputs * last_side(side) ** 2, hidden, classes, active, weights, norm)


def last_side(side: int) -> int:
    """Side of the maps that the dense layers see, for pictures of that side: 6 for 224."""
    for kernel, stride, padding, pool in WINDOWS:
        side = (side + 2 * padding - kernel) // stride + 1
        side = (side - 3) // 2 + 1 if pool else side
    return side


@register("imagenet-alexnet")
def imagenet_alexnet(
    widths: Sequence[int] = (192, 576, 1152, 768, 256),
    hidden: Sequence[int] = (4096, 4096),
    classes: int = 1000,
    side: int = 224,
    activation: str = "sign",
    weights: str | None = "sign",
    batch_norm: str = "vanilla",
) -> AlexNet:
    """The AlexNet of the paper's authors (arXiv:1602.02830, their code for PyTorch): 77.2 million weights, all binary.

    widths: channels of the five convolutions. The default is three times as wide as AlexNet in all but the last;
        (64, 192, 384, 256, 256) is AlexNet's own, of 61.1 million weights.
    hidden: widths of the dense layers.  classes: outputs.  side: of the pictures in pixels, 63 or more.
    activation, weights: names of quantizers; weights=None keeps float weights, activation="relu" float activations.
    batch_norm: "vanilla" (torch's), "theano" (the authors' first code), "shift" (shift-based; the last one vanilla).
    """
    sizes = (*widths, *hidden, classes)
    wrong = len(widths) != len(WINDOWS) or any(type(size) is not int or size < 1 for size in sizes)
    if wrong or type(side) is not int or last_side(side) < 1:
        raise OptionError(
            f"imagenet-alexnet: widths is {tuple(widths)}, hidden {tuple(hidden)}, classes {classes!r} and side "
            f"{side!r}. Expected five widths, positive whole numbers everywhere, and pictures of 63 pixels or more."
        )
    return AlexNet(widths, hidden, classes, side, activation, weights, batch_norm)
