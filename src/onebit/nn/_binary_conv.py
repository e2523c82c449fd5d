"""What binary convolutions share, over sequences as over pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F
from torch.nn.modules.conv import _ConvNd

from onebit._errors import OptionError, ShapeError
from onebit.nn._binary import BinaryLayer


class BinaryConv(BinaryLayer, _ConvNd):
    """Mixin in front of torch's convolution; `convolve` is its function, `axes` are its spatial dimensions.

    channels_last: what such data is called, and the call that brings it into order.
    """

    convolve: ClassVar[Callable[..., Tensor]]
    axes: ClassVar[tuple[str, ...]]
    channels_last: ClassVar[tuple[str, str]]
    pad_value: int

    def _check_pad_value(self, pad_value: Any) -> None:
        if pad_value not in (0, 1, -1):
            raise OptionError(f"{type(self).__name__}: pad_value is {pad_value!r}. Expected 0, 1 or -1.")

    def reset_parameters(self) -> None:
        """Draw the weights anew: U(-1, 1) if they are binarized, as torch's layer does otherwise."""
        _ConvNd.reset_parameters(self)
        self._reset_latent()

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, *places) -> (N, out_channels, *places')."""
        self._check(x)
        if x.ndim == len(self.axes) + 2 and self._multiplies_bits(x):
            return self._bits(x)
        xb = self.binary_input(x)  # (N, C, *places)
        wb = self.binary_weight()  # (O, C / groups, *kernel)
        if self.pad_value == 0:
            return self.convolve(xb, wb, self.bias, self.stride, self.padding, self.dilation, self.groups)
        xb = F.pad(xb, self._sides(), value=self.pad_value)
        return self.convolve(xb, wb, self.bias, self.stride, 0, self.dilation, self.groups)

    def _bits(self, x: Tensor) -> Tensor:
        """The same by onebit::sign_conv2d, of a whole batch."""
        raise NotImplementedError

    def _sides(self) -> list[int]:
        """(left, right, top, bottom), as F.pad wants them; "same" puts the odd one right and below, as torch does."""
        if isinstance(self.padding, str):
            same = [d * (k - 1) if self.padding == "same" else 0 for d, k in zip(self.dilation, self.kernel_size)]  # noqa: B905
            return [side for total in reversed(same) for side in (total // 2, total - total // 2)]
        return [side for one in reversed(self.padding) for side in (one, one)]

    def _check(self, x: Tensor) -> None:
        self._check_dtype(x)
        batched, at = len(self.axes) + 2, -len(self.axes) - 1
        fits = x.ndim in (batched - 1, batched)
        if fits and x.shape[at] == self.in_channels:
            return
        where = f"dim {x.ndim + at} is {x.shape[at]}" if fits else f"it has {x.ndim} dimensions"
        hint = ""
        if x.ndim == batched and x.shape[-1] == self.in_channels:
            hint = "; for {} data call {} first".format(*self.channels_last)
        raise ShapeError(
            f"{type(self).__name__}(in_channels={self.in_channels}): input has shape {tuple(x.shape)}, so {where}. "
            f"Expected (N, {self.in_channels}, {', '.join(self.axes)}){hint}."
        )
