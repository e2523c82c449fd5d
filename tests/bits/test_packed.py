"""Packed says what it holds, and refuses words that cannot hold it."""

from __future__ import annotations

import pytest
import torch

from onebit._errors import DtypeError, FormatError, OptionError, ShapeError
from onebit.bits import WORD_BITS, Packed, words_for


@pytest.mark.parametrize(("k", "words"), [(1, 1), (63, 1), (64, 1), (65, 2), (128, 2), (129, 3), (4096, 64)])
def test_words_for_is_k_over_64_rounded_up(k, words):
    assert (words_for(k), WORD_BITS) == (words, 64)


def test_the_shape_is_logical():
    assert Packed(torch.zeros(2, 3, 2, dtype=torch.int64), 100).shape == (2, 3, 100)


def test_a_packed_cannot_be_changed():
    packed = Packed(torch.zeros(1, dtype=torch.int64), 5)
    with pytest.raises(AttributeError):
        packed.k = 6


@pytest.mark.parametrize(
    ("words", "k", "error", "message"),
    [
        (torch.zeros(2), 100, DtypeError, r"dtype torch.float32; expected torch.int64"),
        (torch.zeros(2, dtype=torch.uint8), 100, DtypeError, r"torch.uint8"),
        (torch.zeros(2, dtype=torch.int64), 0, OptionError, r"k is 0; expected at least 1"),
        (torch.zeros(2, dtype=torch.int64), -5, OptionError, r"k is -5"),
        (torch.zeros(2, dtype=torch.int64), 129, ShapeError, r"shape \(2,\); k=129 signs need \(\.\.\., 3\)"),
        (torch.zeros(4, 2, dtype=torch.int64), 64, ShapeError, r"shape \(4, 2\); k=64 signs need \(\.\.\., 1\)"),
        (torch.zeros((), dtype=torch.int64), 1, ShapeError, r"shape \(\)"),
    ],
)
def test_words_that_cannot_hold_k_signs_are_refused(words, k, error, message):
    with pytest.raises(error, match=message):
        Packed(words, k)


@pytest.mark.parametrize("k", [1, 5, 63, 65, 127])
def test_a_set_tail_bit_is_found_wherever_it_is(k):
    for position in range(k % 64, 64):
        words = torch.zeros(3, words_for(k), dtype=torch.int64)
        words[1, -1] = 1 << position if position < 63 else -(1 << 63)
        with pytest.raises(FormatError, match=rf"1 of 3 last words .* past position {k % 64}; k={k}"):
            Packed.checked(words, k)


@pytest.mark.parametrize("k", [1, 63, 64, 65, 128])
def test_all_used_bits_may_be_set(k):
    used = torch.full((2, words_for(k)), -1, dtype=torch.int64)
    if k % 64:
        used[:, -1] = (1 << (k % 64)) - 1
    assert Packed.checked(used, k).shape == (2, k)
