"""onebit::unpack is the inverse of pack, on every instruction set."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit import bits
from onebit.bits import Packed
from onebit.ops import _front_door, native

UNPACK_ISAS = native.available_isas("unpack")
DOORS = [0, 1]
EDGES = [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 511, 512, 513, 1000]


def door(name: str, entry: int):
    return (getattr(torch.ops.onebit, name).default, _front_door._fallbacks[name])[entry]


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
    packed = bits.pack(torch.randn(shape))
    assert torch.equal(door("unpack", entry)(packed.words, shape[-1]), bits.unpack(packed))


@pytest.mark.parametrize("entry", DOORS, ids=["torch", "python"])
def test_views_are_unpacked_as_they_read(entry):
    words = bits.pack(torch.randn(9, 200)).words
    for view in (words[1:], words[::2], words.T.contiguous().T):
        assert torch.equal(door("unpack", entry)(view, 200), bits.unpack(Packed(view, 200)))
