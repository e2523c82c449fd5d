"""onebit::max_pool2d: the greatest sign under a window, and the smallest where a later factor is negative."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from onebit._errors import OptionError
from onebit.bits import words_for
from onebit.bits._window import Window
from onebit.ops._checks import check_vector
from onebit.ops._conv_checks import check_image
from onebit.ops._fallback import empty, follow_torch_threads, operand
from onebit.ops._front_door import define, run
from onebit.ops._library import Pair, PoolCall, Sides, check, lib


def max_pool2d(
    x: Tensor, c: int, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], minimum: Tensor
) -> Tensor:
    """The maximum of -1 and +1 over each window; the minimum in channels whose bit in `minimum` is 1.

    With minimum = the bits of gamma, max_pool2d(sign(gamma * y + beta)) is sign(gamma * maxpool(y) + beta).
    x: (N, H, W, ceil(c / 64)) int64 words. kernel, stride: [rows, columns]. padding: [top, bottom, left, right], each
    less than the kernel; padded places never win. minimum: (ceil(c / 64),) int64 words.
    Returns (N, H', W', ceil(c / 64)) int64 words, tail bits 0. Raises DtypeError, ShapeError, OptionError.
    """
    return run("max_pool2d", _check, x, c, kernel, stride, padding, minimum)


def _check(
    x: Tensor, c: int, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], minimum: Tensor
) -> None:
    _shape(x, c, kernel, stride, padding, minimum)


def _window(kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int]) -> Window:
    window = Window.of("max_pool2d", kernel, stride, padding, (1, 1))
    if max(window.padding[:2]) >= window.kernel[0] or max(window.padding[2:]) >= window.kernel[1]:
        raise OptionError(
            f"max_pool2d: padding is {list(padding)} and kernel {list(kernel)}; expected each padding below the size "
            "of the kernel, so that no window lies outside of the image."
        )
    return window


def _shape(
    x: Tensor, c: int, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], minimum: Tensor
) -> tuple[int, ...]:
    """Of the result, after everything that shapes, dtypes and integers can tell."""
    window = _window(kernel, stride, padding)
    if c < 1:
        raise OptionError(f"max_pool2d: c is {c}; expected at least 1 channel.")
    meaning = f"ceil(c / 64) words for c={c}"
    check_image("max_pool2d", x, torch.int64, words_for(c), meaning, "Pack signs with onebit.ops.pack first.")
    check_vector("max_pool2d", "minimum", minimum, words_for(c), torch.int64)
    rows, columns = window.output("max_pool2d", x.shape[1], x.shape[2])
    return x.shape[0], rows, columns, x.shape[3]


def _fake(
    x: Tensor, c: int, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], minimum: Tensor
) -> Tensor:
    return x.new_empty(_shape(x, c, kernel, stride, padding, minimum))


def _python(
    x: Tensor, c: int, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], minimum: Tensor
) -> Tensor:
    out = empty(_shape(x, c, kernel, stride, padding, minimum), torch.int64)
    if not out.numel():
        return out
    x, minimum = operand(x, 8), operand(minimum, 8)
    batch, height, width, _ = x.shape
    call = PoolCall(
        batch=batch, height=height, width=width, c=c, kernel=Pair(*kernel), stride=Pair(*stride),
        padding=Sides(*padding), x=x.data_ptr(), minimum=minimum.data_ptr(), out=out.data_ptr(),
    )  # fmt: skip
    follow_torch_threads()
    check(lib.ob_max_pool2d(ctypes.byref(call)), "onebit::max_pool2d")
    return out


define(
    "max_pool2d(Tensor x, int c, int[] kernel, int[] stride, int[] padding, Tensor minimum) -> Tensor",
    _fake,
    _python,
)
