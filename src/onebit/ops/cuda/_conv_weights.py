"""A convolution's weights on the device, and what its border adds, made from the portable handle at first use.

pack_conv_weights' order is the library's own, so the library reads it, on the CPU; both are kept as long as the handle.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from onebit.bits import Packed, unpack, words_for
from onebit.ops._conv_checks import Conv
from onebit.ops._conv_weights import _pack_python, _unpack_python
from onebit.ops.cuda._conv_plan import outside, terms
from onebit.ops.cuda._plan import BITS, Plan
from onebit.ops.cuda._weights import remembered

TERMS_PAST = 256  # conv.cuh: a tile of channels may read as many terms behind the last one


class Taps(NamedTuple):
    """rows: (n, stride) bytes of taps, a multiple of 16, on the device. signs: (n, taps) their sums, on the CPU."""

    rows: Tensor
    signs: Tensor


class Border(NamedTuple):
    """What conv.cuh calls terms, row_class and column_class, on the device."""

    terms: Tensor
    row_class: Tensor
    column_class: Tensor


def taps(weights: Tensor, conv: Conv, operand: int, tap_bytes: int) -> Taps:
    """The weights as the kernels read them: words of bits, or bytes of -1 and +1; each tap filled up to tap_bytes."""
    what = ("conv2d", conv.n, conv.c, conv.groups, conv.window.kernel, operand, tap_bytes)
    return remembered(weights, what, lambda: _taps(weights, conv, operand, tap_bytes))


def _taps(weights: Tensor, conv: Conv, operand: int, tap_bytes: int) -> Taps:
    words = _unpack_python(weights.cpu(), conv.n, conv.c, conv.groups, conv.window.kernel)
    real = unpack(Packed(words, conv.c // conv.groups), torch.float32)
    signs = real.sum(-1, dtype=torch.float64).to(torch.int64).flatten(1)
    each = (words if operand == BITS else real.to(torch.int8)).reshape(conv.n, conv.window.taps, -1).view(torch.uint8)
    rows = F.pad(each, (0, tap_bytes - each.shape[2])).flatten(1)
    return Taps(F.pad(rows, (0, -rows.shape[1] % 16)).contiguous().to(weights.device), signs)


def border(
    weights: Tensor, signs: Tensor, conv: Conv, operand: int, plan: Plan, image: tuple[int, int], out: tuple[int, int]
) -> Border:
    """The terms for images of this size. signs: those of the weights' taps."""
    what = ("border", conv, operand, plan.form, plan.padding, image)
    return remembered(weights, what, lambda: _border(weights, signs, conv, operand, plan, image, out))


def _border(
    weights: Tensor, signs: Tensor, conv: Conv, operand: int, plan: Plan, image: tuple[int, int], out: tuple[int, int]
) -> Border:
    window = conv.window
    axes = zip(image, out, window.stride, window.padding[::2], window.dilation, window.kernel, strict=True)
    (rows, row_class), (columns, column_class) = (outside(*axis) for axis in axes)
    missing = (rows[:, None, :, None] | columns[None, :, None, :]).flatten(2).flatten(0, 1)
    found = F.pad(terms(conv, operand, plan.form, plan.padding, signs, missing).flatten(), (0, TERMS_PAST))
    steps = (len(columns) * conv.n, conv.n)
    classes = [
        torch.tensor(each, dtype=torch.int32) * step
        for each, step in zip((row_class, column_class), steps, strict=True)
    ]
    return Border(*(tensor.to(weights.device) for tensor in (found, *classes)))


def pack_conv_weights(rows: Tensor, c: int, groups: int, kernel: list[int]) -> Tensor:
    """onebit::pack_conv_weights, by the library on the CPU (once per layer)."""
    return _pack_python(rows.cpu(), c, groups, kernel).to(rows.device)


def unpack_conv_weights(weights: Tensor, n: int, c: int, groups: int, kernel: list[int]) -> Tensor:
    """onebit::unpack_conv_weights, by the library on the CPU."""
    return _unpack_python(weights.cpu(), n, c, groups, kernel).to(weights.device)


def regrouped_words(conv: Conv) -> int:
    """Words of a place where every group begins with a word of its own."""
    return conv.groups * words_for(conv.c // conv.groups)
