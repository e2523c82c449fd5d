"""pack and unpack against the convention written out in Python integers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit._errors import DtypeError, OptionError, ShapeError
from onebit.bits import Packed, pack, unpack

SPECIAL = (0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, -math.nan, 1e-45, -1e-45)


def words_by_hand(row: list[float]) -> list[int]:
    """Bit i of word i // 64 is 1 iff x[i] < 0; a word with bit 63 set is negative in two's complement."""
    words = []
    for start in range(0, len(row), 64):
        word = sum(1 << i for i, value in enumerate(row[start : start + 64]) if value < 0)
        words.append(word - (1 << 64) if word >= 1 << 63 else word)
    return words


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.lists(st.sampled_from(SPECIAL) | st.floats(width=32), min_size=1, max_size=200))
def test_pack_is_the_convention(row):
    packed = pack(torch.tensor(row, dtype=torch.float32))
    assert packed.words.tolist() == words_by_hand(row)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.lists(st.integers(0, 3), max_size=2), st.integers(1, 200), st.integers(0, 2**31))
def test_unpack_inverts_pack(leading, k, seed):
    x = torch.randn(*leading, k, generator=torch.Generator().manual_seed(seed))
    packed = pack(x)
    assert packed.shape == x.shape
    assert torch.equal(unpack(packed), torch.where(x < 0, -1.0, 1.0))
    assert torch.equal(Packed.checked(packed.words, k).words, packed.words)  # tail bits are zero


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int8, torch.int32]
)
def test_unpack_gives_the_dtype_asked_for(dtype):
    signs = unpack(pack(torch.tensor([1.0, -2.0, 0.0])), dtype)
    assert (signs.dtype, signs.tolist()) == (dtype, [1, -1, 1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_floating_dtype_can_be_packed(dtype):
    assert pack(torch.tensor([-0.0, -1.0, 1.0, -3.0], dtype=dtype)).words.tolist() == [0b1010]


def test_strides_do_not_matter():
    x = torch.randn(7, 130)
    assert torch.equal(pack(x.T.contiguous().T).words, pack(x).words)
    assert torch.equal(pack(x[:, ::3]).words, pack(x[:, ::3].contiguous()).words)


def test_checked_pack_refuses_nan_and_counts_it():
    x = torch.zeros(3, 5)
    assert pack(x, checked=True).words.tolist() == [[0]] * 3
    x[1, 2] = x[2, 4] = math.nan
    with pytest.raises(OptionError, match="2 of 15 values of x are NaN"):
        pack(x, checked=True)
    assert pack(x).words.tolist() == [[0]] * 3  # unchecked: NaN becomes +1


@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.uint8, torch.bool])
def test_pack_refuses_integers(dtype):
    with pytest.raises(DtypeError, match=rf"x has dtype {dtype}; expected a floating dtype"):
        pack(torch.ones(3, dtype=dtype))


@pytest.mark.parametrize("shape", [(), (0,), (4, 0)])
def test_pack_needs_a_last_dimension(shape):
    with pytest.raises(ShapeError, match=r"expected \(\.\.\., K\) with K >= 1"):
        pack(torch.ones(shape))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool])
def test_unpack_refuses_a_dtype_without_minus_one(dtype):
    with pytest.raises(DtypeError, match=f"{dtype} cannot hold -1"):
        unpack(pack(torch.ones(3)), dtype)
