"""onebit::pack and onebit::unpack are the convention, at every position of every vector, on every instruction set."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit import bits, ops
from onebit.bits import Packed, words_for
from onebit.ops import _front_door, native

PACK_ISAS, UNPACK_ISAS = native.available_isas("pack"), native.available_isas("unpack")
DOORS = [0, 1]
EDGES = [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 511, 512, 513, 1000]


def door(name: str, entry: int):
    return (getattr(torch.ops.onebit, name).default, _front_door._fallbacks[name])[entry]


@pytest.mark.parametrize("isa", PACK_ISAS)
@pytest.mark.parametrize("k", EDGES)
def test_the_sign_bit_of_a_float_is_not_its_sign(isa, k):
    """-0.0 and a NaN with its sign bit set are +1 wherever they stand: in a full vector as in a tail."""
    for value in (-0.0, 0.0, math.nan, math.copysign(math.nan, -1), math.inf, 1e-45):
        x = torch.full((k, k), -1.0)
        x.fill_diagonal_(value)
        with native.force(isa):
            got = ops.pack(x)
            assert native.ran("pack") == isa
        expected = torch.full((k, k), -1.0)
        expected.fill_diagonal_(1.0)
        assert torch.equal(got, bits.pack(expected).words), value


@pytest.mark.parametrize("isa", PACK_ISAS)
@pytest.mark.parametrize("k", EDGES)
@pytest.mark.parametrize("value", [-math.inf, -1e-45, -1.0, -3.4e38])
def test_whatever_is_below_zero_is_minus_one(isa, k, value):
    with native.force(isa):
        got = ops.pack(torch.full((3, k), value))
    assert torch.equal(got, bits.pack(torch.full((3, k), -1.0)).words)
    Packed.checked(got, k)


@pytest.mark.parametrize("isa", PACK_ISAS)
@pytest.mark.parametrize("entry", DOORS, ids=["torch", "python"])
@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.integers(0, 33), st.sampled_from(EDGES) | st.integers(1, 1100), st.integers(0, 2**31))
def test_pack_is_the_pure_torch_pack(isa, entry, rows, k, seed):
    x = torch.randn(rows, k, generator=torch.Generator().manual_seed(seed))
    with native.force(isa):
        got = door("pack", entry)(x)
        assert rows == 0 or native.ran("pack") == isa
    assert got.shape == (rows, words_for(k))
    assert torch.equal(got, bits.pack(x).words)


@pytest.mark.parametrize("isa", UNPACK_ISAS)
@pytest.mark.parametrize("entry", DOORS, ids=["torch", "python"])
@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.integers(0, 33), st.sampled_from(EDGES) | st.integers(1, 1100), st.integers(0, 2**31))
def test_unpack_inverts_pack_and_ignores_the_tail(isa, entry, rows, k, seed):
    packed = bits.pack(torch.randn(rows, k, generator=torch.Generator().manual_seed(seed)))
    dirty = packed.words.clone()
    if k % 64:
        dirty[:, -1] |= -1 << (k % 64)
    with native.force(isa):
        got = door("unpack", entry)(packed.words, k)
        assert rows == 0 or native.ran("unpack") == isa
        assert torch.equal(door("unpack", entry)(dirty, k), got)
    assert (got.dtype, got.shape) == (torch.float32, (rows, k))
    assert torch.equal(got, bits.unpack(packed))


@pytest.mark.parametrize("entry", DOORS, ids=["torch", "python"])
@pytest.mark.parametrize("shape", [(5,), (0, 5), (2, 3, 70), (2, 0, 3, 5)])
def test_leading_dimensions_are_kept(entry, shape):
    x = torch.randn(shape)
    words = door("pack", entry)(x)
    assert torch.equal(words, bits.pack(x).words)
    assert torch.equal(door("unpack", entry)(words, shape[-1]), bits.unpack(bits.pack(x)))


@pytest.mark.parametrize("entry", DOORS, ids=["torch", "python"])
def test_views_are_packed_as_they_read(entry):
    x = torch.randn(9, 200)
    raw = torch.frombuffer(bytearray(b"\xff" + x.numpy().tobytes()), dtype=torch.float32, offset=1)
    for view in (x.T, x[1:, 3:], x[:, ::2], x[:1].expand(4, -1), x.flip(0), raw):
        assert torch.equal(door("pack", entry)(view), bits.pack(view).words)
    words = bits.pack(x).words
    for view in (words[1:], words[::2], words.T.contiguous().T):
        assert torch.equal(door("unpack", entry)(view, 200), bits.unpack(Packed(view, 200)))


def test_a_lazily_negated_view_is_resolved_by_the_dispatcher():
    x = torch.randn(9, 200)
    assert torch.equal(ops.pack(torch._neg_view(x)), bits.pack(-x).words)
