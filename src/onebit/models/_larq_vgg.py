"""The VGG-like network of Larq's guide to binary CIFAR-10 networks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from onebit.models._activation import Activation, end_block
from onebit.models._catalog import register
from onebit.models._convnet import CHANNELS, SIDE, check_pictures, check_widths
from onebit.models._dense_layers import add_dense_layers
from onebit.nn import BinaryConv2d, Pixels


class _Unscaled(_BatchNorm):
    """Batch norm with a shift and no factor: (x - mean) / sqrt(var + 1e-3) + bias; a sign needs no factor."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-3, momentum=1e-3)
        self.register_parameter("weight", None)

    def reset_parameters(self) -> None:
        """Statistics of a standard normal distribution, shift 0."""
        self.reset_running_stats()
        nn.init.zeros_(self.bias)


class UnscaledBatchNorm2d(_Unscaled, nn.BatchNorm2d):
    """y = (x - mean) / sqrt(var + 1e-3) + bias of (N, channels, H, W)."""


class UnscaledBatchNorm1d(_Unscaled, nn.BatchNorm1d):
    """`UnscaledBatchNorm2d` for (N, channels)."""


class LarqVGG(nn.Sequential):
    """pixels, six convolutions 3 x 3, max pool 2 behind every second one, dense layers; batch norm behind each layer.

    uint8 (N, 3, 32, 32) -> real scores (N, classes), before the softmax. Every layer but the first takes the sign of
    its input. The first convolution has no padding, the others a ring of zeros.
    """

    def __init__(
        self, widths: Sequence[int], hidden: Sequence[int], classes: int, activation: str, weights: str | None
    ) -> None:
        super().__init__(OrderedDict(pixels=Pixels()))
        active = Activation.named("larq-vgg", activation)
        inputs, side = CHANNELS, SIDE - 2
        for depth, width in enumerate(widths, start=1):
            first = depth == 1
            signs = None if first else active.quantizer()
            block = OrderedDict[str, nn.Module]()
            padding = 0 if first else 1
            block["conv"] = BinaryConv2d(
                inputs, width, 3, padding=padding, input_quantizer=signs, weight_quantizer=weights
            )
            if depth % 2 == 0:
                block["pool"] = nn.MaxPool2d(2)
                side //= 2
            self.add_module(f"conv{depth}", end_block(block, UnscaledBatchNorm2d(width), active))
            inputs = width

        def norm(width: int, *, last: bool) -> nn.Module:  # noqa: ARG001  the scores have the same
            return UnscaledBatchNorm1d(width)

        add_dense_layers(self, inputs * side * side, hidden, classes, active, weights, norm)

    def forward(self, x: Tensor) -> Tensor:
        """Uint8 (N, 3, 32, 32) -> (N, classes)."""
        check_pictures(type(self).__name__, x)
        for step in self:
            x = step(x)
        return x


@register("larq-vgg")
def larq_vgg(
    widths: Sequence[int] = (128, 128, 256, 256, 512, 512),
    hidden: Sequence[int] = (1024, 1024),
    classes: int = 10,
    activation: str = "sign",
    weights: str | None = "sign",
) -> LarqVGG:
    """The network of Larq's CIFAR-10 guide: 10.4 million parameters, all weights binary.

    widths: channels of the six convolutions.  hidden: widths of the dense layers.  classes: outputs.
    activation, weights: names of quantizers; weights=None keeps float weights, activation="relu" float activations.
    """
    check_widths("larq-vgg", widths, hidden, classes)
    return LarqVGG(widths, hidden, classes, activation, weights)
