"""Two-dimensional convolution with binary inputs, weights, both or neither."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onebit._errors import OptionError, ShapeError
from onebit.nn._binary import BinaryLayer
from onebit.quantizers import Quantizer


class BinaryConv2d(BinaryLayer, nn.Conv2d):
    """y = conv2d(pad(q_in(x)), q_w(weight)) + bias; x (N, C, H, W) or (C, H, W).

    kernel_size, stride, padding, dilation, groups, bias: as in torch.nn.Conv2d; bias is off by default.
    pad_value: 0, +1 or -1, what `padding` adds around the *quantized* input (0 is torch's and the paper's).
    input_quantizer, weight_quantizer: None, a name such as "sign", or a Quantizer; with both None and pad_value 0
    this is exactly torch.nn.Conv2d.

    `weight` holds the latent real weights, which start in U(-1, 1) when they are binarized.
    Raises OptionError for another pad value, ShapeError or DtypeError for a wrong input. Source: arXiv:1602.02830.
    """

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
        if pad_value not in (0, 1, -1):
            raise OptionError(f"BinaryConv2d: pad_value is {pad_value!r}. Expected 0, 1 or -1.")
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        self.pad_value = pad_value
        self._set_quantizers(input_quantizer, weight_quantizer)

    def reset_parameters(self) -> None:
        """Draw the weights anew: U(-1, 1) if they are binarized, as torch.nn.Conv2d does otherwise."""
        nn.Conv2d.reset_parameters(self)
        self._reset_latent()

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H', W')."""
        self._check(x)
        if x.ndim == 4 and self._multiplies_bits(x):
            return self._bits(x)
        xb = self.binary_input(x)  # (N, C, H, W)
        wb = self.binary_weight()  # (O, C / groups, kh, kw)
        if self.pad_value == 0:
            return F.conv2d(xb, wb, self.bias, self.stride, self.padding, self.dilation, self.groups)
        xb = F.pad(xb, self._sides(), value=self.pad_value)
        return F.conv2d(xb, wb, self.bias, self.stride, 0, self.dilation, self.groups)

    def _bits(self, x: Tensor) -> Tensor:
        left, right, top, bottom = self._sides()
        xb, wb, *how = self._sign_operands(x)
        geometry = (self.stride, [top, bottom, left, right], self.dilation, self.groups, self.pad_value)
        y: Tensor = torch.ops.onebit.sign_conv2d(xb, wb, *geometry, *how)[0]
        return y if self.bias is None else y + self.bias[:, None, None]

    def _sides(self) -> list[int]:
        """(left, right, top, bottom), as F.pad wants them; "same" puts the odd one right and below, as torch does."""
        if isinstance(self.padding, str):
            same = [d * (k - 1) if self.padding == "same" else 0 for d, k in zip(self.dilation, self.kernel_size)]  # noqa: B905
            return [side for total in reversed(same) for side in (total // 2, total - total // 2)]
        return [side for one in reversed(self.padding) for side in (one, one)]

    def _check(self, x: Tensor) -> None:
        self._check_dtype(x)
        if x.ndim in (3, 4) and x.shape[-3] == self.in_channels:
            return
        where = f"dim {x.ndim - 3} is {x.shape[-3]}" if x.ndim in (3, 4) else f"it has {x.ndim} dimensions"
        hint = ""
        if x.ndim == 4 and x.shape[-1] == self.in_channels:
            hint = "; for NHWC data call x.permute(0, 3, 1, 2) first"
        raise ShapeError(
            f"BinaryConv2d(in_channels={self.in_channels}): input has shape {tuple(x.shape)}, so {where}. "
            f"Expected (N, {self.in_channels}, H, W){hint}."
        )
