"""The convolutional network of the paper, for colour pictures of 32 x 32."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from onebit._errors import OptionError, ShapeError
from onebit.models._activation import Activation, end_block
from onebit.models._catalog import register
from onebit.models._dense_layers import add_dense_layers
from onebit.models._norms import batch_norm_named
from onebit.nn import BinaryConv2d, Pixels

CHANNELS, SIDE = 3, 32  # of CIFAR-10 and SVHN


class ConvNet(nn.Sequential):
    """pixels, three stages of [conv, batch norm, conv, max pool 2, batch norm], then [linear, batch norm] three times.

    uint8 (N, 3, 32, 32) -> real scores (N, classes). Convolutions are 3 x 3, padded with one ring of zeros. The first
    layer sees pixels, every later one takes the sign of its input; no layer has float weights. With a float activation
    that stands behind each batch norm instead.
    """

    def __init__(
        self,
        widths: Sequence[int],
        hidden: Sequence[int],
        classes: int,
        activation: str,
        weights: str | None,
        batch_norm: str,
    ) -> None:
        super().__init__(OrderedDict(pixels=Pixels()))
        active = Activation.named("cifar10-convnet", activation)
        inputs, side = CHANNELS, SIDE
        for depth, width in enumerate(widths, start=1):
            signs = None if depth == 1 else active.quantizer()
            block = OrderedDict[str, nn.Module]()
            block["conv"] = BinaryConv2d(inputs, width, 3, padding=1, input_quantizer=signs, weight_quantizer=weights)
            if depth % 2 == 0:
                block["pool"] = nn.MaxPool2d(2)
                side //= 2
            self.add_module(f"conv{depth}", end_block(block, batch_norm_named(batch_norm, width, maps=True), active))
            inputs = width
        norm = partial(batch_norm_named, batch_norm)
        add_dense_layers(self, inputs * side * side, hidden, classes, active, weights, norm)

    def forward(self, x: Tensor) -> Tensor:
        """Uint8 (N, 3, 32, 32) -> (N, classes)."""
        check_pictures(type(self).__name__, x)
        for step in self:
            x = step(x)
        return x


def check_pictures(model: str, x: Tensor) -> None:
    """ShapeError unless x is (N, 3, 32, 32)."""
    if x.ndim != 4 or tuple(x.shape[1:]) != (CHANNELS, SIDE, SIDE):
        raise ShapeError(f"{model}: input has shape {tuple(x.shape)}. Expected (N, {CHANNELS}, {SIDE}, {SIDE}).")


def check_widths(model: str, widths: Sequence[int], hidden: Sequence[int], classes: int) -> None:
    """OptionError unless there are six widths of convolutions and all sizes are positive whole numbers."""
    sizes = (*widths, *hidden, classes)
    if len(widths) != 6 or any(type(size) is not int or size < 1 for size in sizes):
        raise OptionError(
            f"{model}: widths is {tuple(widths)}, hidden {tuple(hidden)} and classes {classes!r}. Expected six widths, "
            "two for each stage, and positive whole numbers everywhere."
        )


@register("cifar10-convnet")
def cifar10_convnet(
    widths: Sequence[int] = (128, 128, 256, 256, 512, 512),
    hidden: Sequence[int] = (1024, 1024),
    classes: int = 10,
    activation: str = "sign",
    weights: str | None = "sign",
    batch_norm: str = "vanilla",
) -> ConvNet:
    """The paper's network for CIFAR-10 (arXiv:1602.02830): 14.0 million weights; for SVHN it halves `widths`.

    widths: channels of the six convolutions.  hidden: widths of the dense layers.  classes: outputs.
    activation, weights: names of quantizers; weights=None keeps float weights, activation="relu" float activations.
    batch_norm: "vanilla" (torch's), "theano" (the authors' first code), "shift" (shift-based; the last one vanilla).
    """
    check_widths("cifar10-convnet", widths, hidden, classes)
    return ConvNet(widths, hidden, classes, activation, weights, batch_norm)
