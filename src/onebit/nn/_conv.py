"""Two-dimensional convolution with binary inputs, weights, both or neither."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onebit.nn._binary_conv import BinaryConv
from onebit.quantizers import Quantizer


class BinaryConv2d(BinaryConv, nn.Conv2d):
    """y = conv2d(pad(q_in(x)), q_w(weight)) + bias; x (N, C, H, W) or (C, H, W).

    kernel_size, stride, padding, dilation, groups, bias: as in torch.nn.Conv2d; bias is off by default.
    pad_value: 0, +1 or -1, what `padding` adds around the *quantized* input (0 is torch's and the paper's).
    input_quantizer, weight_quantizer: None, a name such as "sign", or a Quantizer; with both None and pad_value 0
    this is exactly torch.nn.Conv2d.

    `weight` holds the latent real weights, which start in U(-1, 1) when they are binarized.
    Raises OptionError for another pad value, ShapeError or DtypeError for a wrong input. Source: arXiv:1602.02830.
    """

    convolve = staticmethod(F.conv2d)
    axes = ("H", "W")
    channels_last = ("NHWC", "x.permute(0, 3, 1, 2)")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = False,
        *,
        pad_value: int = 0,
        input_quantizer: str | Quantizer | None = None,
        weight_quantizer: str | Quantizer | None = "sign",
    ) -> None:
        self._check_pad_value(pad_value)
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        self.pad_value = pad_value
        self._set_quantizers(input_quantizer, weight_quantizer)

    def pools(self, x: Tensor) -> bool:
        """Whether `pooled` may stand for this layer and a max pool of 2 x 2: on bits, with gradients in int8."""
        int8 = self.bits_backward is torch.int8 and self.bias is None
        return int8 and x.ndim == 4 and self._multiplies_bits(x)

    def pooled(self, x: Tensor) -> Tensor:
        """max_pool2d(self(x), 2) by one operator."""
        self._check(x)
        left, right, top, bottom = self._sides()
        xb, wb, *how, _ = self._sign_operands(x)
        geometry = (self.stride, [top, bottom, left, right], self.dilation, self.pad_value)
        y: Tensor = torch.ops.onebit.sign_conv2d_pooled(xb, wb, *geometry, *how)[0]
        return y

    def _bits(self, x: Tensor) -> Tensor:
        left, right, top, bottom = self._sides()
        xb, wb, *how = self._sign_operands(x)
        geometry = (self.stride, [top, bottom, left, right], self.dilation, self.groups, self.pad_value)
        y: Tensor = torch.ops.onebit.sign_conv2d(xb, wb, *geometry, *how)[0]
        return y if self.bias is None else y + self.bias[:, None, None]
