"""The definition of convolution and pooling on bits: unpack, pad, torch's own convolution in float64, the epilogue.

Images are NHWC: x (N, H, W, c), weights (n, kh, kw, c / groups) packed along their last dimension. The sums are
integers below 2**53, so float64 holds them exactly whatever the order of the additions. This file knows nothing of the
native library, and every kernel must give its numbers, bit for bit.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from onebit._errors import DtypeError, OptionError, ShapeError
from onebit.bits._pack import pack, unpack
from onebit.bits._packed import Packed
from onebit.bits._reference import Steps, _compared, _scaled, _with_signs
from onebit.bits._window import PAD_VALUES, Window


def conv2d_int32(x: Packed, w: Packed, window: Window, groups: int = 1, pad_value: int = 0) -> Tensor:
    """y[b, i, j, o] = sum over taps and channels of the group of x * w: (N, H', W', n) int32.

    A cross-correlation, as torch's conv2d. x (N, H, W, c) and w (n, kh, kw, c / groups) in {-1, +1}; a padded place
    holds `pad_value` (0, +1 or -1) in every channel.
    """
    return _sums(unpack(x, torch.float64), w, window, groups, pad_value)


def conv2d_float(
    x: Packed, w: Packed, window: Window, groups: int, pad_value: int, scale: Tensor, bias: Tensor
) -> Tensor:
    """float(y) * scale + bias of conv2d_int32, with scale and bias (n,) float32; three roundings, never fused."""
    return _scaled(conv2d_int32(x, w, window, groups, pad_value), scale, bias)


def conv2d_bits(
    x: Packed, w: Packed, window: Window, groups: int, pad_value: int, threshold: Tensor, direction: Tensor
) -> Packed:
    """+1 iff (direction > 0 ? y >= threshold : y <= threshold); threshold (n,) int32, direction (n,) int8."""
    return _compared(conv2d_int32(x, w, window, groups, pad_value), threshold, direction)


def conv2d_fused(
    x: Packed, w: Packed, window: Window, groups: int, pad_value: int, scale: Tensor, bias: Tensor, steps: Steps
) -> Tensor:
    """conv2d_float, then the steps."""
    return steps.after(conv2d_float(x, w, window, groups, pad_value, scale, bias))


def conv2d_both(
    x: Packed, w: Packed, window: Window, groups: int, pad_value: int, scale: Tensor, bias: Tensor, steps: Steps,
    threshold: Tensor, direction: Tensor,
) -> tuple[Tensor, Packed]:  # fmt: skip
    """conv2d_fused and its signs: -1 iff (direction > 0 ? f < threshold : f > threshold), threshold (n,) float32."""
    found = conv2d_fused(x, w, window, groups, pad_value, scale, bias, steps)
    return _with_signs(found, threshold, direction)


def conv2d_u8_int32(
    x: Tensor, w: Packed, window: Window, groups: int = 1, pad_value: int = 0, multiplier: int = 1, offset: int = 0
) -> Tensor:
    """As conv2d_int32 for pixels: x (N, H, W, c) uint8 stands for multiplier * x + offset, padding for pad_value."""
    if x.dtype != torch.uint8:
        raise DtypeError(f"conv2d_u8: x has dtype {x.dtype}; expected torch.uint8.")
    return _sums(multiplier * x.to(torch.float64) + offset, w, window, groups, pad_value)


def conv2d_u8_float(
    x: Tensor, w: Packed, window: Window, groups: int, pad_value: int, multiplier: int, offset: int, scale: Tensor,
    bias: Tensor,
) -> Tensor:  # fmt: skip
    """As conv2d_float for pixels."""
    return _scaled(conv2d_u8_int32(x, w, window, groups, pad_value, multiplier, offset), scale, bias)


def conv2d_u8_bits(
    x: Tensor, w: Packed, window: Window, groups: int, pad_value: int, multiplier: int, offset: int, threshold: Tensor,
    direction: Tensor,
) -> Packed:  # fmt: skip
    """As conv2d_bits for pixels."""
    return _compared(conv2d_u8_int32(x, w, window, groups, pad_value, multiplier, offset), threshold, direction)


def conv2d_u8_fused(
    x: Tensor, w: Packed, window: Window, groups: int, pad_value: int, multiplier: int, offset: int, scale: Tensor,
    bias: Tensor, steps: Steps,
) -> Tensor:  # fmt: skip
    """As conv2d_fused for pixels."""
    return steps.after(conv2d_u8_float(x, w, window, groups, pad_value, multiplier, offset, scale, bias))


def conv2d_u8_both(
    x: Tensor, w: Packed, window: Window, groups: int, pad_value: int, multiplier: int, offset: int, scale: Tensor,
    bias: Tensor, steps: Steps, threshold: Tensor, direction: Tensor,
) -> tuple[Tensor, Packed]:  # fmt: skip
    """As conv2d_both for pixels."""
    found = conv2d_u8_fused(x, w, window, groups, pad_value, multiplier, offset, scale, bias, steps)
    return _with_signs(found, threshold, direction)


def max_pool2d(x: Packed, window: Window, minimum: Tensor) -> Packed:
    """The greatest sign under the window, (N, H', W', c); the smallest in channels whose bit in `minimum` is 1.

    x: (N, H, W, c). minimum: (ceil(c / 64),) int64 words. Padded places never win.
    """
    if max(window.padding[:2]) >= window.kernel[0] or max(window.padding[2:]) >= window.kernel[1]:
        raise OptionError(f"max_pool2d: padding {list(window.padding)} reaches a whole kernel {list(window.kernel)}.")
    _, height, width, _ = _image(x.shape)
    window.output("max_pool2d", height, width)
    direction = unpack(Packed(minimum, x.k), torch.float64)  # -1 where the minimum is taken: min(x) = -max(-x)
    signs = _padded(unpack(x, torch.float64) * direction, window, float("-inf"))
    found = F.max_pool2d(signs, window.kernel, window.stride, dilation=window.dilation)
    return pack(found.permute(0, 2, 3, 1) * direction)


def _sums(x: Tensor, w: Packed, window: Window, groups: int, pad_value: int) -> Tensor:
    _, height, width, c = _image(x.shape)
    n, *kernel, per_group = _image(w.shape)
    if groups < 1 or c != groups * per_group or n % groups or tuple(kernel) != window.kernel:
        raise ShapeError(
            f"conv2d: x has shape {tuple(x.shape)} and w {tuple(w.shape)}; expected (N, H, W, c) and "
            f"(n, {', '.join(map(str, window.kernel))}, c / groups) with groups={groups} dividing c and n."
        )
    if pad_value not in PAD_VALUES:
        raise OptionError(f"conv2d: pad_value is {pad_value}; expected one of {PAD_VALUES}.")
    window.output("conv2d", height, width)
    kernels = unpack(w, torch.float64).permute(0, 3, 1, 2)
    y = F.conv2d(_padded(x, window, pad_value), kernels, None, window.stride, 0, window.dilation, groups)
    return y.permute(0, 2, 3, 1).to(torch.int32).contiguous()


def _padded(x: Tensor, window: Window, value: float) -> Tensor:
    """NHWC -> NCHW with `value` around it."""
    top, bottom, left, right = window.padding
    return F.pad(x.permute(0, 3, 1, 2), (left, right, top, bottom), value=value)


def _image(shape: torch.Size) -> tuple[int, int, int, int]:
    if len(shape) != 4:
        raise ShapeError(f"conv2d, max_pool2d: an operand has shape {tuple(shape)}; expected four dimensions.")
    return shape[0], shape[1], shape[2], shape[3]
