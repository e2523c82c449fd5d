"""What convolution and pooling ask of their arguments; fakes, kernels and public functions share it (as _checks)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from onebit._errors import OptionError, ShapeError
from onebit.bits._window import PAD_VALUES, Window
from onebit.ops._checks import check_dtype
from onebit.ops._library import Pair, lib

_INT32_MAX = 2**31 - 1


class Conv(NamedTuple):
    """The sizes of a convolution: n output and c input channels in groups, the window, and what its numbers mean.

    A padded place holds pad_value. The input is -1 and +1, or multiplier * p + offset for a pixel p.
    """

    n: int
    c: int
    window: Window
    groups: int
    pad_value: int
    multiplier: int = 1
    offset: int = 0

    @property
    def k(self) -> int:
        """Terms of each sum."""
        return self.window.taps * (self.c // self.groups)

    def check(self, op: str, values: torch.dtype | None) -> None:
        """OptionError for values that no convolution can have; values: the bytes that x holds, None for bits."""
        check_channels(op, self.n, self.c, self.groups)
        if self.pad_value not in PAD_VALUES:
            raise OptionError(f"{op}: pad_value is {self.pad_value}; expected 0 (as torch pads), +1 or -1.")
        if values is None:
            return
        ends = (torch.iinfo(values).min, torch.iinfo(values).max)
        largest = max(*(abs(end * self.multiplier + self.offset) for end in ends), abs(self.pad_value))
        if largest * self.k > _INT32_MAX:
            raise OptionError(
                f"{op}: {self.k} terms up to {largest} (multiplier {self.multiplier}, offset {self.offset}) can sum to "
                f"{largest * self.k}; expected at most {_INT32_MAX}, so that the exact sum fits in 32 bits."
            )


def check_channels(op: str, n: int, c: int, groups: int) -> None:
    """OptionError unless groups divides both channel counts."""
    if n < 1 or c < 1:
        raise OptionError(f"{op}: n is {n} and c is {c}; expected at least 1 output and 1 input channel.")
    if groups < 1 or c % groups or n % groups:
        raise OptionError(f"{op}: groups is {groups}; expected a divisor of both c={c} and n={n}.")


def check_image(op: str, x: Tensor, dtype: torch.dtype, last: int, meaning: str, hint: str) -> None:
    """DtypeError or ShapeError unless x is (N, H, W, last) of this dtype."""
    check_dtype(op, "x", x, dtype, hint)
    if x.dim() != 4 or x.shape[3] != last:
        raise ShapeError(
            f"{op}: x has shape {tuple(x.shape)}; expected (N, H, W, {last}): {meaning}, channels last. "
            "For NCHW data call x.permute(0, 2, 3, 1) before packing."
        )


def conv_weights_bytes(op: str, n: int, c: int, groups: int, kernel: Sequence[int]) -> int:
    """Size of the pre-packed handle; OptionError where a size is out of range."""
    check_channels(op, n, c, groups)
    size = _bytes(int(n), int(c), int(groups), int(kernel[0]), int(kernel[1]))
    if size == 0:
        raise OptionError(
            f"{op}: n={n}, c={c}, groups={groups}, kernel={list(kernel)} are too many weights; each sum of "
            "kernel * c / groups terms must fit in 32 bits."
        )
    return size


@functools.lru_cache(maxsize=1024)
def _bytes(n: int, c: int, groups: int, rows: int, columns: int) -> int:
    size: int = lib.ob_conv_weights_bytes(n, c, groups, Pair(rows, columns))
    return size


def check_conv_weights(op: str, weights: Tensor, n: int, c: int, groups: int, kernel: Sequence[int]) -> None:
    """The handle must be as long as pack_conv_weights makes it; its header is checked when the kernel runs."""
    check_dtype(op, "weights", weights, torch.uint8, "Make the handle with onebit.ops.pack_conv_weights.")
    size = conv_weights_bytes(op, n, c, groups, kernel)
    if weights.dim() != 1 or weights.shape[0] != size:
        raise ShapeError(
            f"{op}: weights has shape {tuple(weights.shape)}; the handle that onebit.ops.pack_conv_weights makes for "
            f"n={n}, c={c}, groups={groups}, kernel={list(kernel)} has shape ({size},)."
        )
