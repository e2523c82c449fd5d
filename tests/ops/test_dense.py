"""dense_* is the textbook's sum of -1 and +1, 0..255 or -128..127 times -1 and +1, exact up to the last 32-bit sum."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit import bits, ops
from onebit._errors import DtypeError, NativeError
from onebit.bits import Packed, _reference_s8
from onebit.bits._reference import Steps
from onebit.ops import _front_door, native

ISAS = native.available_isas("dense")
BYTE_ISAS = native.available_isas("dense_u8")
MOST_K = (2**31 - 1) // 255


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("k", [1, 63, 64, 65, 511, 512, 513, 4608])
def test_dense_is_the_integer_dot_product(isa, k):
    generator = torch.Generator().manual_seed(k)
    x, w = (torch.randint(0, 2, (rows, k), generator=generator) * 2 - 1 for rows in (5, 19))
    with native.force(isa):
        handle = ops.pack_weights(ops.pack(w.float()), k)
        got, ran = ops.dense_int32(ops.pack(x.float()), handle, 19, k), native.ran("dense")
    assert ran == isa
    assert torch.equal(got.long(), x @ w.T)  # int64 arithmetic: another path than the reference's


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("k", [524_287, 524_289, 700_001])
def test_no_lane_overflows_at_half_a_million_signs(isa, k):
    """Byte and 16-bit lane sums must be emptied in time: all signs equal, all different, and half of them."""
    x = torch.ones(3, k)
    x[1], x[2, ::2] = -1, -1
    with native.force(isa):
        handle = ops.pack_weights(ops.pack(torch.ones(9, k)), k)
        got, ran = ops.dense_int32(ops.pack(x), handle, 9, k), native.ran("dense")
    half = k - 2 * ((k + 1) // 2)
    assert (ran, got.tolist()) == (isa, [[k] * 9, [-k] * 9, [half] * 9])


@pytest.mark.parametrize("isa", ISAS)
def test_the_float_output_rounds_twice(isa):
    """3 * float32(1/3) rounds to 1, and 1 - 1 is 0; a fused multiply-add would give about 3e-8."""
    n = 65
    with native.force(isa):
        handle = ops.pack_weights(ops.pack(torch.ones(n, 3)), 3)
        scale, bias = torch.full((n,), 1 / 3), torch.full((n,), -1.0)
        got = ops.dense_float(ops.pack(torch.ones(20, 3)), handle, n, 3, scale, bias)
    assert torch.equal(got, torch.zeros(20, n))


@pytest.mark.parametrize("isa", ISAS)
def test_infinite_and_nan_scales_follow_ieee(isa):
    scale = torch.tensor([float("inf"), float("-inf"), float("nan"), 0.0, -0.0])
    bias = torch.tensor([1.0, 1.0, 1.0, -0.0, -0.0])
    with native.force(isa):
        handle = ops.pack_weights(ops.pack(torch.ones(5, 2)), 2)
        got = ops.dense_float(ops.pack(torch.tensor([[1.0, 1.0], [1.0, -1.0]])), handle, 5, 2, scale, bias)
    expected = torch.tensor([[2.0], [0.0]]) * scale + bias
    torch.testing.assert_close(got, expected, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(got.signbit()[:, 3:], expected.signbit()[:, 3:])


@pytest.mark.parametrize("isa", BYTE_ISAS)
@pytest.mark.parametrize("k", [1, 3, 4, 31, 32, 33, 63, 64, 65, 512, 784, 785])
def test_dense_u8_is_the_integer_dot_product(isa, k):
    generator = torch.Generator().manual_seed(k)
    x = torch.randint(0, 256, (5, k), generator=generator, dtype=torch.uint8)
    w = torch.randint(0, 2, (19, k), generator=generator) * 2 - 1
    with native.force(isa):
        got = ops.dense_u8_int32(x, ops.pack_weights(ops.pack(w.float()), k), 19, k)
        assert native.ran("dense_u8") == isa
    assert torch.equal(got.long(), x.long() @ w.T)


@pytest.mark.parametrize("isa", BYTE_ISAS)
@pytest.mark.parametrize("value", [0, 1, 127, 128, 254, 255])
def test_every_byte_is_unsigned(isa, value):
    """All signs alike: pairs of products must not saturate at 16 bits, and 128..255 must not become negative."""
    k = 333
    w = torch.ones(9, k)
    w[::2] = -1
    with native.force(isa):
        handle = ops.pack_weights(ops.pack(w), k)
        got = ops.dense_u8_int32(torch.full((2, k), value, dtype=torch.uint8), handle, 9, k)
    assert got.tolist() == [[-value * k, value * k] * 4 + [-value * k]] * 2


@pytest.mark.parametrize("isa", BYTE_ISAS)
def test_the_largest_sum_is_exact_and_one_more_is_refused(isa):
    x = torch.full((MOST_K + 1,), 255, dtype=torch.uint8)
    w = torch.ones(2, MOST_K + 1)
    w[1] = -1
    with native.force(isa):
        handle = ops.pack_weights(ops.pack(w[:, :MOST_K]), MOST_K)
        assert ops.dense_u8_int32(x[:MOST_K], handle, 2, MOST_K).tolist() == [255 * MOST_K, -255 * MOST_K]
    handle = ops.pack_weights(ops.pack(w), MOST_K + 1)
    with pytest.raises(NativeError, match="onebit::dense_u8_int32: a size"):
        ops.dense_u8_int32(x, handle, 2, MOST_K + 1)


@pytest.mark.parametrize("isa", BYTE_ISAS)
def test_sums_above_2_to_the_24_are_rounded_to_nearest_even(isa):
    """float(y) of a sum that float32 cannot hold: 2**24 + 1 lies between two floats."""
    y = 2**24 + 1
    k = -(-y // 255)
    x = torch.full((1, k), 255, dtype=torch.uint8)
    x[0, 0] = y - 255 * (k - 1)
    with native.force(isa):
        handle = ops.pack_weights(ops.pack(torch.ones(1, k)), k)
        assert ops.dense_u8_int32(x, handle, 1, k).item() == y
        got = ops.dense_u8_float(x, handle, 1, k, torch.ones(1), torch.zeros(1))
    assert got.item() == float(2**24)


def operands(m: int, n: int, k: int, seed: int) -> tuple[torch.Tensor, Packed]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(-128, 128, (m, k), generator=generator).to(torch.int8)
    return x, bits.pack(torch.randn(n, k, generator=generator))


@pytest.mark.parametrize("isa", BYTE_ISAS)
@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.integers(0, 9), st.integers(1, 130), st.integers(1, 600), st.integers(0, 2**31))
def test_every_output_of_signed_bytes_is_the_reference(isa, m, n, k, seed):
    x, w = operands(m, n, k, seed)
    handle, generator = ops.pack_weights(w.words, k), torch.Generator().manual_seed(seed)
    threshold = torch.randint(-200, 200, (n,), generator=generator, dtype=torch.int32)
    direction = (1 - 2 * torch.randint(0, 2, (n,), generator=generator)).to(torch.int8)
    scale, bias, residual = torch.randn(n), torch.randn(n), torch.randn(m, n)
    steps = Steps((torch.full((n,), 0.25),), residual, True)
    fused = ((torch.full((n,), 0.25),), residual, True)
    with native.force(isa):
        assert torch.equal(ops.dense_s8_int32(x, handle, n, k), _reference_s8.dense_s8_int32(x, w))
        assert m == 0 or native.ran("dense_u8") == isa
        got = _front_door._fallbacks["dense_s8_int32"](x, handle, n, k)
        assert torch.equal(got, _reference_s8.dense_s8_int32(x, w))
        got = ops.dense_s8_float(x, handle, n, k, scale, bias)
        assert torch.equal(got, _reference_s8.dense_s8_float(x, w, scale, bias))
        got = ops.dense_s8_bits(x, handle, n, k, threshold, direction)
        assert torch.equal(got, _reference_s8.dense_s8_bits(x, w, threshold, direction).words)
        got = ops.dense_s8_fused(x, handle, n, k, scale, bias, *fused)
        assert torch.equal(got, _reference_s8.dense_s8_fused(x, w, scale, bias, steps))
        floats, words = ops.dense_s8_both(x, handle, n, k, scale, bias, bias, direction, *fused)
        expected = _reference_s8.dense_s8_both(x, w, scale, bias, steps, bias, direction)
        assert torch.equal(floats, expected[0])
        assert torch.equal(words, expected[1].words)


@pytest.mark.parametrize("isa", BYTE_ISAS)
@pytest.mark.parametrize("value", [-128, -127, -1, 0, 1, 127])
def test_every_byte_is_signed(isa, value):
    k, w = 333, torch.ones(9, 333)
    w[::2] = -1
    with native.force(isa):
        handle = ops.pack_weights(ops.pack(w), k)
        got = ops.dense_s8_int32(torch.full((2, k), value, dtype=torch.int8), handle, 9, k)
    assert got.tolist() == [[-value * k, value * k] * 4 + [-value * k]] * 2


def test_pixels_are_sent_to_their_own_operator():
    x, w = operands(2, 3, 70, 0)
    with pytest.raises(DtypeError, match=r"x has dtype torch.uint8; expected torch.int8. Values from 0 to 255 go into"):
        ops.dense_s8_int32(x.view(torch.uint8), ops.pack_weights(w.words, 70), 3, 70)
