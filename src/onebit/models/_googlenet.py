"""GoogLeNet (Inception v1) with every layer binary, for ImageNet."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from onebit._errors import OptionError
from onebit.models._activation import Activation, end_block
from onebit.models._catalog import register
from onebit.models._norms import batch_norm_named
from onebit.nn import BinaryConv2d, BinaryLinear, Pixels

# Channels of a block: of its 1x1 branch, before and in 3x3, before and in 5x5, behind the pool. None is a max pool.
BLOCKS: tuple[tuple[int, int, int, int, int, int] | None, ...] = (
    (64, 96, 128, 16, 32, 32),
    (128, 128, 192, 32, 96, 64),
    None,
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
    None,
    (256, 160, 320, 32, 128, 128),
    (384, 192, 384, 48, 128, 128),
)
STEM = (64, 64, 192)


class Layers:
    """Makes the layers of one network: what they have in common is said once."""

    def __init__(self, activation: str, weights: str | None, batch_norm: str) -> None:
        self.active = Activation.named("imagenet-googlenet", activation)
        self.weights, self.batch_norm = weights, batch_norm

    def conv(
        self,
        inputs: int,
        width: int,
        kernel: int,
        stride: int = 1,
        *,
        first: bool = False,
        pool: nn.Module | None = None,
    ) -> nn.Sequential:
        """[sign, convolution, pool, batch norm]: maps keep their size but for the stride and the pool."""
        signs = None if first else self.active.quantizer()
        block = OrderedDict[str, nn.Module]()
        block["conv"] = BinaryConv2d(
            inputs, width, kernel, stride, kernel // 2, input_quantizer=signs, weight_quantizer=self.weights
        )
        if pool is not None:
            block["pool"] = pool
        return end_block(block, batch_norm_named(self.batch_norm, width, maps=True), self.active)


class Inception(nn.Module):
    """Four branches side by side: 1x1; 1x1, 3x3; 1x1, 5x5; max pool, 1x1; their channels one behind the other."""

    def __init__(self, inputs: int, channels: tuple[int, int, int, int, int, int], layers: Layers) -> None:
        super().__init__()
        one, before3, three, before5, five, pooled = channels
        self.branch1 = layers.conv(inputs, one, 1)
        self.branch3 = nn.Sequential(layers.conv(inputs, before3, 1), layers.conv(before3, three, 3))
        self.branch5 = nn.Sequential(layers.conv(inputs, before5, 1), layers.conv(before5, five, 5))
        self.branch_pool = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), layers.conv(inputs, pooled, 1))
        self.channels = one + three + five + pooled

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, channels, H, W)."""
        branches = (self.branch1, self.branch3, self.branch5, self.branch_pool)
        return torch.cat([branch(x) for branch in branches], dim=1)


class GoogLeNet(nn.Sequential):
    """pixels, three convolutions, nine blocks of branches, the mean of each map, batch norm, linear, batch norm.

    uint8 (N, 3, H, W) -> real scores (N, classes), from 224 x 224 pixels as published or any other size. The first
    layer sees pixels, every later one takes the sign of its input; no layer has float weights. The means are means of
    real numbers. A batch norm stands behind each layer, so there is no local response normalisation, and the two
    auxiliary classifiers, which exist to carry gradients to the lower layers, are left out.
    """

    def __init__(self, divide: int, classes: int, activation: str, weights: str | None, batch_norm: str) -> None:
        super().__init__(OrderedDict(pixels=Pixels()))
        layers = Layers(activation, weights, batch_norm)
        first, second, inputs = (width // divide for width in STEM)
        self.add_module("conv1", layers.conv(3, first, 7, 2, first=True, pool=_halve()))
        self.add_module("conv2", layers.conv(first, second, 1))
        self.add_module("conv3", layers.conv(second, inputs, 3, pool=_halve()))
        for depth, channels in enumerate(BLOCKS, start=1):
            if channels is None:
                self.add_module(f"pool{depth}", _halve())
                continue
            one, before3, three, before5, five, pooled = (width // divide for width in channels)
            block = Inception(inputs, (one, before3, three, before5, five, pooled), layers)
            self.add_module(f"block{depth}", block)
            inputs = block.channels
        self.add_module("mean", nn.AdaptiveAvgPool2d(1))
        self.add_module("flatten", nn.Flatten())
        self.add_module("norm", batch_norm_named(batch_norm, inputs))
        linear = BinaryLinear(inputs, classes, input_quantizer=layers.active.quantizer(), weight_quantizer=weights)
        norm = batch_norm_named(batch_norm, classes, last=True)
        self.add_module("output", end_block(OrderedDict[str, nn.Module](linear=linear), norm, None))


def _halve() -> nn.Module:
    return nn.MaxPool2d(3, 2, padding=1)


@register("imagenet-googlenet")
def imagenet_googlenet(
    divide: int = 1,
    classes: int = 1000,
    activation: str = "sign",
    weights: str | None = "sign",
    batch_norm: str = "vanilla",
) -> GoogLeNet:
    """GoogLeNet as published (arXiv:1409.4842), its 6,990,272 weights binary: the paper's second network for ImageNet.

    divide: every number of channels is divided by it, rounded down; 1 is the published network.  classes: outputs.
    activation, weights: names of quantizers; weights=None keeps float weights, activation="relu" float activations.
    batch_norm: "vanilla" (torch's), "theano" (the authors' first code), "shift" (shift-based; the last one vanilla).
    """
    if any(type(size) is not int or size < 1 for size in (divide, classes)) or divide > 16:
        raise OptionError(
            f"imagenet-googlenet: divide is {divide!r} and classes {classes!r}. Expected positive whole numbers, "
            "divide at most 16."
        )
    return GoogLeNet(divide, classes, activation, weights, batch_norm)
