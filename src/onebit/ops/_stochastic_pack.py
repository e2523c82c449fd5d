"""onebit::stochastic_pack: signs drawn at random, to bits.

An operator for training, called a few times in a step of milliseconds: ctypes is its front door.
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from onebit._errors import OptionError, ShapeError
from onebit.bits import words_for
from onebit.ops._checks import check_dtype
from onebit.ops._fallback import follow_torch_threads, operand
from onebit.ops._library import PackCall, check, lib
from onebit.ops._pack import CHANNELS_FIRST, CHANNELS_LAST, TYPES


@torch.library.custom_op("onebit::stochastic_pack", mutates_args=(), device_types="cpu")
def stochastic_pack(x: Tensor, seed: Tensor, axis: int = -1) -> Tensor:
    """Packs signs that are +1 with probability min(max((x + 1) / 2, 0), 1), else -1; NaN becomes +1.

    bit = 1 if x < 1 - 2 u else 0: u in [0, 1) is 24 bits of a hash of the seed and of the value's number in the order
    of x's dimensions, so neither threads nor memory format change it.

    x: (..., K), or (N, K, ...) with axis=1, float32, read where it lies if it is contiguous or channels last.
    seed: int64 without dimensions, from 0 to 2**32 - 1; a tensor, so that a traced graph draws anew at every call.
    Returns (..., ceil(K / 64)) int64 words, with axis=1 (N, ..., ceil(K / 64)), tail bits 0. Raises DtypeError,
    ShapeError, or OptionError for another seed or axis. Source: arXiv:1602.02830.
    """
    words = _empty(x, seed, axis)
    number = int(seed)
    if not 0 <= number < 2**32:
        raise OptionError(f"stochastic_pack: seed is {number}; expected 0 to 2**32 - 1.")
    if not words.numel():
        return words
    last = x if axis == -1 else x.movedim(1, -1)
    in_place = last.is_contiguous()
    values = operand(last if in_place else x, 4)
    c = x.shape[axis]
    batch = x.shape[0] if axis == 1 else x.numel() // c
    call = PackCall(
        batch=batch, places=x.numel() // batch // c, c=c, type=TYPES[x.dtype], drawn=1, seed=number,
        layout=CHANNELS_LAST if in_place or axis == -1 else CHANNELS_FIRST, x=values.data_ptr(), out=words.data_ptr(),
    )  # fmt: skip
    follow_torch_threads()
    check(lib.ob_pack(ctypes.byref(call)), "onebit::stochastic_pack")
    return words


def _empty(x: Tensor, seed: Tensor, axis: int = -1) -> Tensor:
    check_dtype("stochastic_pack", "x", x, torch.float32)
    check_dtype("stochastic_pack", "seed", seed, torch.int64)
    if axis not in (-1, 1):
        raise OptionError(f"stochastic_pack: axis is {axis}; expected -1 or 1.")
    least = 1 if axis == -1 else 2
    if x.dim() < least or x.shape[axis] < 1 or seed.dim():
        raise ShapeError(
            f"stochastic_pack: x has shape {tuple(x.shape)} and seed {tuple(seed.shape)}; expected at least {least} "
            f"dimensions with one channel or more along axis {axis}, and a seed without dimensions."
        )
    rest = x.shape[:-1] if axis == -1 else (x.shape[0], *x.shape[2:])
    return x.new_empty((*rest, words_for(x.shape[axis])), dtype=torch.int64)


stochastic_pack.register_fake(_empty)
