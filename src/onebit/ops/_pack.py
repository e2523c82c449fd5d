"""onebit::pack, pack_nchw and their forms with thresholds: signs of values to bits."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from onebit._errors import DtypeError, ShapeError
from onebit.bits import words_for
from onebit.bits._pack import check_packable
from onebit.ops._fallback import follow_torch_threads, operand
from onebit.ops._front_door import define, run
from onebit.ops._library import PackCall, check, lib

TYPES = {torch.float32: 1, torch.float16: 2, torch.bfloat16: 3, torch.uint8: 4, torch.int8: 5}
CHANNELS_LAST, CHANNELS_FIRST = 1, 2


def pack(x: Tensor, *, axis: int = -1, threshold: Tensor | None = None, direction: Tensor | None = None) -> Tensor:
    """Packs signs along the channels: bit = 1 if x < 0 else 0, so 0, -0.0 and NaN become +1.

    x: (..., K), or (N, K, ...) with axis=1, which is read where it lies; float32, float16, bfloat16 or int8.
    threshold: (K,) float32 in place of 0, with direction: (K,) int8 of +1 and -1. Then bit = 1 if
    (direction > 0 ? x < threshold : x > threshold) else 0: +1 where x is the threshold or one of them is NaN. So
    sign(x - a) and a batch norm in front of a sign cost nothing. uint8 pixels are compared too, with thresholds only.
    Returns (..., ceil(K / 64)) int64 words, with axis=1 (N, ..., ceil(K / 64)), tail bits 0.
    Raises DtypeError, ShapeError, NativeError for another direction, or OptionError for another axis, for one of
    threshold and direction alone, for another device or an x that requires a gradient.
    """
    if axis != -1 or (threshold is None) != (direction is None):  # the operators cannot see these
        check_packable("pack", x, axis, threshold, direction)
    op = _NAMES[axis == 1 and x.dim() > 2, threshold is not None]
    channels = () if threshold is None or direction is None else (threshold, direction)
    return run(op, partial(_check, op), x, *channels)


_NAMES = {
    (False, False): "pack",
    (True, False): "pack_nchw",
    (False, True): "pack_threshold",
    (True, True): "pack_nchw_threshold",
}


def _axis(op: str) -> int:
    return 1 if "nchw" in op else -1


def _check(op: str, x: Tensor, threshold: Tensor | None = None, direction: Tensor | None = None) -> None:
    check_packable(op, x, _axis(op), threshold, direction)
    if x.dtype not in TYPES:
        expected = ", ".join(map(str, TYPES))
        raise DtypeError(f"{op}: x has dtype {x.dtype}; expected one of {expected}: call x.float() first.")
    if _axis(op) == 1 and x.dim() < 3:
        raise ShapeError(f"{op}: x has shape {tuple(x.shape)}; expected (N, C, ...); pack takes (N, C).")


def _fake(op: str, x: Tensor, threshold: Tensor | None = None, direction: Tensor | None = None) -> Tensor:
    _check(op, x, threshold, direction)
    shape = x.movedim(_axis(op), -1).shape
    return x.new_empty((*shape[:-1], words_for(shape[-1])), dtype=torch.int64)


def _python(op: str, x: Tensor, threshold: Tensor | None = None, direction: Tensor | None = None) -> Tensor:
    words = _fake(op, x, threshold, direction)
    if not words.numel():
        return words
    x, first = _as_it_lies(x, _axis(op))
    c = x.shape[1 if first else -1]
    batch, places = (x.shape[0], x[0, 0].numel()) if first else (x.numel() // c, 1)
    call = PackCall(
        batch=batch, places=places, c=c, type=TYPES[x.dtype], layout=CHANNELS_FIRST if first else CHANNELS_LAST,
        x=x.data_ptr(), out=words.data_ptr(),
    )  # fmt: skip
    if threshold is not None and direction is not None:
        threshold, direction = operand(threshold, 4), operand(direction, 1)
        call.threshold, call.direction = threshold.data_ptr(), direction.data_ptr()
    follow_torch_threads()
    check(lib.ob_pack(ctypes.byref(call)), f"onebit::{op}")
    return words


def _as_it_lies(x: Tensor, axis: int) -> tuple[Tensor, bool]:
    """x and whether its channels are dimension 1, in the order in which memory holds it; else a copy as it is."""
    turned = x.movedim(axis, -1 if axis == 1 else 1) if x.dim() > 2 else x
    if not x.is_contiguous() and turned.is_contiguous():
        return turned, axis != 1
    return x.contiguous(), axis == 1


_Kernels = tuple[Callable[..., Tensor], Callable[..., Tensor]]


def _kernels(op: str) -> _Kernels:
    """The fake and the Python kernel, with the schema's own parameters."""

    def fake(x: Tensor, threshold: Tensor | None = None, direction: Tensor | None = None) -> Tensor:
        return _fake(op, x, threshold, direction)

    def python(x: Tensor, threshold: Tensor | None = None, direction: Tensor | None = None) -> Tensor:
        return _python(op, x, threshold, direction)

    return fake, python


for (_nchw, _compared), _op in _NAMES.items():
    define(f"{_op}(Tensor x{', Tensor threshold, Tensor direction' if _compared else ''}) -> Tensor", *_kernels(_op))
