"""onebit::pack and onebit::unpack: signs of float32 values to bits, and back."""

from __future__ import annotations

import torch
from torch import Tensor

from onebit._errors import ShapeError
from onebit.bits import words_for
from onebit.ops._checks import check_dtype, check_k, check_words
from onebit.ops._fallback import follow_torch_threads, operand
from onebit.ops._front_door import define, run
from onebit.ops._library import check, lib


def pack(x: Tensor) -> Tensor:
    """Packs the signs of x: bit = 1 if x < 0 else 0, so 0, -0.0 and NaN become +1 (onebit.bits.pack can refuse NaN).

    x: (..., K) float32, K >= 1, any strides. Returns (..., ceil(K / 64)) int64 words, tail bits 0.
    Raises DtypeError, ShapeError, or OptionError for another device or an x that requires a gradient.
    """
    return run("pack", _check_pack, x)


def unpack(words: Tensor, k: int) -> Tensor:
    """The signs in words as float32 -1 and +1: sign = 1 - 2 * bit; the inverse of pack.

    words: (..., ceil(k / 64)) int64. Returns (..., k) float32.
    Raises DtypeError, ShapeError, or OptionError for k < 1 or another device.
    """
    return run("unpack", _check_unpack, words, k)


def _check_pack(x: Tensor) -> None:
    check_dtype("pack", "x", x, torch.float32, "Call x.float() if it holds real values.")
    if x.dim() < 1 or x.shape[-1] < 1:
        raise ShapeError(f"pack: x has shape {tuple(x.shape)}; expected (..., K) with K >= 1 signs to pack.")


def _check_unpack(words: Tensor, k: int) -> None:
    check_k("unpack", k)
    check_words("unpack", "words", words, k)


def _pack_fake(x: Tensor) -> Tensor:
    _check_pack(x)
    return x.new_empty((*x.shape[:-1], words_for(x.shape[-1])), dtype=torch.int64)


def _unpack_fake(words: Tensor, k: int) -> Tensor:
    _check_unpack(words, k)
    return words.new_empty((*words.shape[:-1], k), dtype=torch.float32)


def _pack_python(x: Tensor) -> Tensor:
    words, x = _pack_fake(x), operand(x, 4)
    if words.numel():
        k = x.shape[-1]
        follow_torch_threads()
        check(lib.ob_pack_f32(x.data_ptr(), x.numel() // k, k, words.data_ptr(), None), "onebit::pack")
    return words


def _unpack_python(words: Tensor, k: int) -> Tensor:
    x, words = _unpack_fake(words, k), operand(words, 8)
    if x.numel():
        follow_torch_threads()
        check(lib.ob_unpack_f32(words.data_ptr(), x.numel() // k, k, x.data_ptr(), None), "onebit::unpack")
    return x


define("pack(Tensor x) -> Tensor", _pack_fake, _pack_python)
define("unpack(Tensor words, int k) -> Tensor", _unpack_fake, _unpack_python)
