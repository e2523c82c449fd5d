"""Residual networks whose convolutions are binary and whose shortcuts carry real numbers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from onebit._errors import OptionError
from onebit.models._activation import Activation
from onebit.models._catalog import register
from onebit.models._norms import batch_norm_named
from onebit.nn import BinaryConv2d, BinaryLinear, Pixels

IMAGENET_DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


class Layers:
    """Makes the layers of one network: what they have in common is said once."""

    def __init__(self, model: str, activation: str, weights: str | None, batch_norm: str) -> None:
        self.active = Activation.named(model, activation)
        self.weights, self.batch_norm = weights, batch_norm

    def conv(self, inputs: int, width: int, kernel: int, stride: int = 1, *, first: bool = False) -> BinaryConv2d:
        """A convolution that keeps the maps' size but for the stride."""
        signs = None if first else self.active.quantizer()
        return BinaryConv2d(
            inputs, width, kernel, stride, kernel // 2, input_quantizer=signs, weight_quantizer=self.weights
        )

    def norm(self, features: int, *, maps: bool = True, last: bool = False) -> nn.Module:
        """A batch norm."""
        return batch_norm_named(self.batch_norm, features, maps=maps, last=last)

    def real(self) -> nn.Module:
        """What bounds the numbers that a shortcut carries: hard tanh, or the activation if it is one of floats."""
        return self.active.module() or nn.Hardtanh()


class Block(nn.Module):
    """y = conv(norm(conv(x))) + shortcut(x), each convolution of signs; then hard tanh of a batch norm unless last.

    The shortcut is x itself, or a binary 1x1 convolution with batch norm where the size changes.
    """

    def __init__(self, inputs: int, width: int, stride: int, layers: Layers, *, last: bool) -> None:
        super().__init__()
        self.conv1 = layers.conv(inputs, width, 3, stride)
        self.norm1 = layers.norm(width)
        self.activation1 = layers.active.module() or nn.Identity()
        self.conv2 = layers.conv(width, width, 3)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != width:
            self.shortcut = nn.Sequential(
                OrderedDict[str, nn.Module](conv=layers.conv(inputs, width, 1, stride), norm=layers.norm(width))
            )
        self.end: nn.Module = nn.Identity()
        if not last:
            self.end = nn.Sequential(OrderedDict[str, nn.Module](norm=layers.norm(width), activation=layers.real()))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, width, H / stride, W / stride)."""
        y = self.conv2(self.activation1(self.norm1(self.conv1(x))))
        y = y + self.shortcut(x)
        result: Tensor = self.end(y)
        return result


class ResNet(nn.Sequential):
    """pixels, a convolution, stages of `Block`s, the mean of each map, batch norm, linear, batch norm.

    uint8 (N, 3, H, W) -> real scores (N, classes). The first layer sees pixels, every later one takes the sign of its
    input; no layer has float weights. Between the blocks run real numbers in [-1, 1].
    """

    def __init__(
        self, widths: Sequence[int], blocks: Sequence[int], classes: int, layers: Layers, *, large: bool
    ) -> None:
        super().__init__(OrderedDict(pixels=Pixels()))
        stem = OrderedDict[str, nn.Module](conv=layers.conv(3, widths[0], *((7, 2) if large else (3, 1)), first=True))
        if large:
            stem["pool"] = nn.MaxPool2d(3, 2, padding=1)
        stem.update(norm=layers.norm(widths[0]), activation=layers.real())
        self.add_module("stem", nn.Sequential(stem))
        inputs = widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True), start=1):
            for depth in range(1, count + 1):
                stride = 2 if stage > 1 and depth == 1 else 1
                last = stage == len(widths) and depth == count
                self.add_module(f"stage{stage}_{depth}", Block(inputs, width, stride, layers, last=last))
                inputs = width
        self.add_module("mean", nn.AdaptiveAvgPool2d(1))
        self.add_module("flatten", nn.Flatten())
        self.add_module("norm", layers.norm(inputs, maps=False))
        self.add_module("activation", layers.active.module() or nn.Identity())
        signs = layers.active.quantizer()
        linear = BinaryLinear(inputs, classes, input_quantizer=signs, weight_quantizer=layers.weights)
        norm = layers.norm(classes, maps=False, last=True)
        self.add_module("output", nn.Sequential(OrderedDict[str, nn.Module](linear=linear, norm=norm)))


@register("cifar10-resnet")
def cifar10_resnet(
    depth: int = 18,
    widths: Sequence[int] = (80, 160, 320),
    classes: int = 10,
    activation: str = "sign",
    weights: str | None = "sign",
    batch_norm: str = "vanilla",
) -> ResNet:
    """The binary residual network for CIFAR-10 of the authors' code for PyTorch: 4.3 million weights at depth 18.

    depth: (depth - 2) // 6 blocks in each of three stages, so that 14, whose layers it counts, is the same as 18.
    widths: channels of the stages; the default is five times that of the float network.  classes: outputs.
    activation, weights: names of quantizers; weights=None keeps float weights, activation="relu" float activations.
    batch_norm: "vanilla" (torch's), "theano" (the authors' first code), "shift" (shift-based; the last one vanilla).
    """
    _check("cifar10-resnet", widths, 3, classes)
    if type(depth) is not int or depth < 8:
        raise OptionError(f"cifar10-resnet: depth is {depth!r}. Expected 8 or more, as 6 n + 2.")
    layers = Layers("cifar10-resnet", activation, weights, batch_norm)
    return ResNet(widths, [(depth - 2) // 6] * 3, classes, layers, large=False)


@register("imagenet-resnet")
def imagenet_resnet(
    depth: int = 18,
    widths: Sequence[int] = (64, 128, 256, 512),
    classes: int = 1000,
    activation: str = "sign",
    weights: str | None = "sign",
    batch_norm: str = "vanilla",
) -> ResNet:
    """The binary residual network for ImageNet that the authors' code for PyTorch intends: 11.7 million weights.

    As published it cannot be built: layers that its forward calls are missing. Here each block is that for CIFAR-10.
    depth: 18 or 34.  widths: channels of the four stages.  classes: outputs.
    activation, weights: names of quantizers; weights=None keeps float weights, activation="relu" float activations.
    batch_norm: "vanilla" (torch's), "theano" (the authors' first code), "shift" (shift-based; the last one vanilla).
    """
    _check("imagenet-resnet", widths, 4, classes)
    if depth not in IMAGENET_DEPTHS:
        raise OptionError(f"imagenet-resnet: depth is {depth!r}. Expected 18 or 34.")
    layers = Layers("imagenet-resnet", activation, weights, batch_norm)
    return ResNet(widths, IMAGENET_DEPTHS[depth], classes, layers, large=True)


def _check(model: str, widths: Sequence[int], stages: int, classes: int) -> None:
    if len(widths) != stages or any(type(size) is not int or size < 1 for size in (*widths, classes)):
        raise OptionError(
            f"{model}: widths is {tuple(widths)} and classes {classes!r}. Expected {stages} widths, and positive whole "
            "numbers everywhere."
        )
