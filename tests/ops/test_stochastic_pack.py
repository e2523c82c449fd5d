"""stochastic_pack draws the signs of `random_thresholds`, on every instruction set, layout and number of threads."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit._errors import DtypeError, OptionError, ShapeError
from onebit.ops import native, pack, stochastic_pack
from onebit.quantizers import StochasticSign
from onebit.quantizers._thresholds import random_thresholds

ISAS = native.available_isas("pack")
SEEDS = st.integers(0, 2**32 - 1)


def values(shape, seed):
    """Inside and outside the window, with its edges, zeros and NaN."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=draw)
    special = torch.tensor([1.0, -1.0, 0.0, -0.0, torch.nan, torch.inf, -torch.inf, 1 - 2**-23, -1 + 2**-23])
    where = torch.rand(shape, generator=draw) < 0.2
    return torch.where(where, special[torch.randint(len(special), shape, generator=draw)], x)


def obvious(x, seed, axis):
    """The numbers of onebit.h by a hash in 64-bit arithmetic, then a pack of -1 and +1."""
    low = 0xFFFFFFFF
    h = (torch.arange(x.numel()) * 0x9E3779B1 + seed) & low
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & low
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & low
    u = ((h ^ (h >> 16)) >> 8).double() / 2**24
    minus = x.double() < (1 - 2 * u).view(x.shape)
    return pack(torch.where(minus, -1.0, 1.0).movedim(axis, -1).contiguous())


@pytest.mark.parametrize("isa", ISAS)
@settings(derandomize=True, deadline=None, max_examples=40)
@given(batch=st.integers(0, 3), c=st.integers(1, 150), size=st.tuples(st.integers(1, 9), st.integers(1, 9)), seed=SEEDS)
def test_pictures_of_both_memory_formats_are_drawn_as_the_formula_says(isa, batch, c, size, seed):
    x = values((batch, c, *size), seed % 1000)
    expected = obvious(x, seed, 1)
    with native.force(isa):
        for picture in (x, x.contiguous(memory_format=torch.channels_last)):
            assert torch.equal(stochastic_pack(picture, torch.tensor(seed), 1), expected)
            assert batch == 0 or native.ran("pack") == isa


@pytest.mark.parametrize("isa", ISAS)
@settings(derandomize=True, deadline=None, max_examples=40)
@given(rows=st.integers(0, 5), k=st.integers(1, 300), seed=SEEDS)
def test_rows_are_drawn_as_the_formula_says(isa, rows, k, seed):
    x = values((2, rows, k), seed % 1000)
    with native.force(isa):
        assert torch.equal(stochastic_pack(x, torch.tensor(seed)), obvious(x, seed, -1))


@settings(derandomize=True, deadline=None, max_examples=40)
@given(shape=st.lists(st.integers(0, 7), min_size=1, max_size=4), seed=SEEDS)
def test_the_quantizer_draws_the_same_signs(shape, seed):
    x = values([*shape, 5], seed % 1000)
    signs = torch.where(x < random_thresholds(x, torch.tensor(seed)), -1.0, 1.0)
    assert torch.equal(stochastic_pack(x, torch.tensor(seed)), pack(signs))


def test_threads_change_nothing():
    x, seed = values((8, 70, 40, 33), 1), torch.tensor(9)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = stochastic_pack(x, seed, 1)
        torch.set_num_threads(3)
        assert torch.equal(stochastic_pack(x, seed, 1), alone)
    finally:
        torch.set_num_threads(before)


def test_seeds_draw_independently():
    """Two draws of zeros agree in half of the places: within 4.5 sigma of the binomial."""
    x = torch.zeros(1, 1 << 16)
    words = [stochastic_pack(x, torch.tensor(seed)) for seed in (0, 1, 2**32 - 1, 123456789)]
    for i, one in enumerate(words):
        for other in words[:i]:
            agreeing = int((one.view(torch.uint8) == other.view(torch.uint8)).sum())
            assert agreeing < len(one.view(-1)) * 8 / 20  # of bytes: 1 in 256 by chance
            bits = sum(bin(int(word) & (1 << 64) - 1).count("1") for word in (one ^ other).view(-1))
            assert abs(bits - (1 << 15)) < 4.5 * 128


def test_neighbours_in_a_draw_are_independent():
    """Of zeros at distance d half agree, for the distances that layers sum over: within 4.5 sigma."""
    x = torch.zeros(1 << 18)
    signs = StochasticSign().manual_seed(5)(x)
    for distance in (1, 2, 3, 16, 64, 128, 1024, 4096):
        total = int((signs[distance:] * signs[:-distance]).sum())
        assert abs(total) < 4.5 * (len(signs) - distance) ** 0.5


@pytest.mark.parametrize(
    ("x", "seed", "axis", "error", "words"),
    [
        (torch.zeros(2, 3, dtype=torch.float64), torch.tensor(1), -1, DtypeError, "x has dtype torch.float64"),
        (torch.zeros(2, 3), torch.tensor(1.0), -1, DtypeError, "seed has dtype torch.float32"),
        (torch.zeros(2, 3), torch.tensor([1]), -1, ShapeError, r"seed \(1,\)"),
        (torch.zeros(2, 0), torch.tensor(1), -1, ShapeError, "one channel or more along axis -1"),
        (torch.zeros(3), torch.tensor(1), 1, ShapeError, "at least 2 dimensions"),
        (torch.zeros(2, 3), torch.tensor(1), 0, OptionError, "axis is 0; expected -1 or 1"),
        (torch.zeros(2, 3), torch.tensor(-1), -1, OptionError, "seed is -1"),
        (torch.zeros(2, 3), torch.tensor(2**32), -1, OptionError, "seed is 4294967296"),
    ],
)
def test_bad_arguments_are_named(x, seed, axis, error, words):
    with pytest.raises(error, match=words):
        stochastic_pack(x, seed, axis)
