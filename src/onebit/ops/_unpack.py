"""onebit::unpack: bits to signs as float32."""

from __future__ import annotations

import torch
from torch import Tensor

from onebit.ops._checks import check_k, check_words
from onebit.ops._fallback import follow_torch_threads, operand
from onebit.ops._front_door import define, run
from onebit.ops._library import check, lib


def unpack(words: Tensor, k: int) -> Tensor:
    """The signs in words as float32 -1 and +1: sign = 1 - 2 * bit; the inverse of pack.

    words: (..., ceil(k / 64)) int64. Returns (..., k) float32.
    Raises DtypeError, ShapeError, or OptionError for k < 1 or another device.
    """
    return run("unpack", _check, words, k)


def _check(words: Tensor, k: int) -> None:
    check_k("unpack", k)
    check_words("unpack", "words", words, k)


def _fake(words: Tensor, k: int) -> Tensor:
    _check(words, k)
    return words.new_empty((*words.shape[:-1], k), dtype=torch.float32)


def _python(words: Tensor, k: int) -> Tensor:
    x, words = _fake(words, k), operand(words, 8)
    if x.numel():
        follow_torch_threads()
        check(lib.ob_unpack_f32(words.data_ptr(), x.numel() // k, k, x.data_ptr(), None), "onebit::unpack")
    return x


define("unpack(Tensor words, int k) -> Tensor", _fake, _python)
