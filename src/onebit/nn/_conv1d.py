"""One-dimensional convolution with binary inputs, weights, both or neither."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onebit._errors import OptionError, ShapeError
from onebit.nn._binary import BinaryLayer
from onebit.quantizers import Quantizer


class BinaryConv1d(BinaryLayer, nn.Conv1d):
    """y = conv1d(pad(q_in(x)), q_w(weight)) + bias; x (N, C, L) or (C, L).

    kernel_size, stride, padding, dilation, groups, bias: as in torch.nn.Conv1d; bias is off by default.
    pad_value: 0, +1 or -1, what `padding` adds around the *quantized* input (0 is torch's and the paper's).
    input_quantizer, weight_quantizer: None, a name such as "sign", or a Quantizer; with both None and pad_value 0
    this is exactly torch.nn.Conv1d. It is a BinaryConv2d of one row, in training as after conversion.

    `weight` holds the latent real weights, which start in U(-1, 1) when they are binarized.
    Raises OptionError for another pad value, ShapeError or DtypeError for a wrong input. Source: arXiv:1602.02830.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: str | int | tuple[int] = 0,
        dilation: int | tuple[int] = 1,
        groups: int = 1,
        bias: bool = False,
        *,
        pad_value: int = 0,
        input_quantizer: str | Quantizer | None = None,
        weight_quantizer: str | Quantizer | None = "sign",
    ) -> None:
        if pad_value not in (0, 1, -1):
            raise OptionError(f"BinaryConv1d: pad_value is {pad_value!r}. Expected 0, 1 or -1.")
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        self.pad_value = pad_value
        self._set_quantizers(input_quantizer, weight_quantizer)

    def reset_parameters(self) -> None:
        """Draw the weights anew: U(-1, 1) if they are binarized, as torch.nn.Conv1d does otherwise."""
        nn.Conv1d.reset_parameters(self)
        self._reset_latent()

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, L) -> (N, out_channels, L')."""
        self._check(x)
        if x.ndim == 3 and self._multiplies_bits(x):
            return self._bits(x)
        xb = self.binary_input(x)  # (N, C, L)
        wb = self.binary_weight()  # (O, C / groups, k)
        if self.pad_value == 0:
            return F.conv1d(xb, wb, self.bias, self.stride, self.padding, self.dilation, self.groups)
        xb = F.pad(xb, self._sides(), value=self.pad_value)
        return F.conv1d(xb, wb, self.bias, self.stride, 0, self.dilation, self.groups)

    def _bits(self, x: Tensor) -> Tensor:
        xb, wb, *how = self._sign_operands(x)
        geometry = ((1, *self.stride), [0, 0, *self._sides()], (1, *self.dilation), self.groups, self.pad_value)
        y: Tensor = torch.ops.onebit.sign_conv2d(xb.unsqueeze(2), wb.unsqueeze(2), *geometry, *how)[0]
        return y.squeeze(2) if self.bias is None else y.squeeze(2) + self.bias[:, None]

    def _sides(self) -> list[int]:
        """(left, right), as F.pad wants them; "same" puts the odd one on the right, as torch does."""
        if isinstance(self.padding, str):
            total = self.dilation[0] * (self.kernel_size[0] - 1) if self.padding == "same" else 0
            return [total // 2, total - total // 2]
        return [self.padding[0], self.padding[0]]

    def _check(self, x: Tensor) -> None:
        self._check_dtype(x)
        if x.ndim in (2, 3) and x.shape[-2] == self.in_channels:
            return
        where = f"dim {x.ndim - 2} is {x.shape[-2]}" if x.ndim in (2, 3) else f"it has {x.ndim} dimensions"
        hint = ""
        if x.ndim == 3 and x.shape[-1] == self.in_channels:
            hint = "; for (N, L, C) data call x.transpose(1, 2) first"
        raise ShapeError(
            f"BinaryConv1d(in_channels={self.in_channels}): input has shape {tuple(x.shape)}, so {where}. "
            f"Expected (N, {self.in_channels}, L){hint}."
        )
