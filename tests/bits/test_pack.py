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


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.bool])
def test_pack_refuses_other_integers(dtype):
    with pytest.raises(DtypeError, match=rf"x has dtype {dtype}; expected a floating dtype, int8, or uint8"):
        pack(torch.ones(3, dtype=dtype))


def test_bytes_below_zero_are_minus_one_and_pixels_need_a_threshold():
    assert pack(torch.tensor([-128, -1, 0, 127], dtype=torch.int8)).words.tolist() == [0b0011]
    pixels = torch.tensor([0, 127, 128, 255], dtype=torch.uint8)
    with pytest.raises(DtypeError, match="never below 0, so each sign would be"):
        pack(pixels)
    threshold, direction = torch.full((4,), 127.5), torch.tensor([1, 1, 1, 1], dtype=torch.int8)
    assert pack(pixels, threshold=threshold, direction=direction).words.tolist() == [0b0011]


def minus_by_hand(value: float, threshold: float, direction: int) -> bool:
    return value < threshold if direction > 0 else value > threshold


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(SPECIAL) | st.floats(width=16),
            st.sampled_from(SPECIAL) | st.floats(width=32),
            st.sampled_from([1, -1]),
        ),
        min_size=1,
        max_size=130,
    ),
    st.sampled_from([torch.float32, torch.float16, torch.float64]),
)
def test_a_threshold_takes_the_place_of_zero(channels, dtype):
    x, threshold, direction = (list(column) for column in zip(*channels, strict=True))
    expected = [-1.0 if minus_by_hand(*channel) else 1.0 for channel in channels]
    limits = {"threshold": torch.tensor(threshold), "direction": torch.tensor(direction, dtype=torch.int8)}
    packed = pack(torch.tensor(x, dtype=dtype), **limits)
    assert unpack(packed).tolist() == expected
    assert unpack(pack(torch.tensor(x, dtype=dtype)[None, :, None], axis=1, **limits)).flatten().tolist() == expected


def test_values_are_never_rounded_to_the_dtype_of_their_neighbours():
    """In bfloat16 the threshold would be 1.0 itself."""
    up = torch.ones(1, dtype=torch.int8)
    for threshold, bit in ((1.001, 1), (1.0, 0), (0.999, 0)):
        x = torch.ones(1, dtype=torch.bfloat16)
        assert pack(x, threshold=torch.tensor([threshold]), direction=up).words.tolist() == [bit]


def test_axis_1_gives_the_channels_last():
    x = torch.randn(2, 70, 3, 5)
    assert torch.equal(pack(x, axis=1).words, pack(x.permute(0, 2, 3, 1)).words)
    with pytest.raises(OptionError, match=r"axis is 2; expected -1 for \(\.\.\., K\) or 1"):
        pack(x, axis=2)


@pytest.mark.parametrize("shape", [(), (0,), (4, 0)])
def test_pack_needs_a_last_dimension(shape):
    with pytest.raises(ShapeError, match=r"expected \(\.\.\., K\) with K >= 1"):
        pack(torch.ones(shape))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool])
def test_unpack_refuses_a_dtype_without_minus_one(dtype):
    with pytest.raises(DtypeError, match=f"{dtype} cannot hold -1"):
        unpack(pack(torch.ones(3)), dtype)
