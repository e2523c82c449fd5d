"""dense_* is the textbook's sum over -1 and +1, exact up to sums that only 32 bits can hold."""

from __future__ import annotations

import pytest
import torch

from onebit import ops
from onebit.ops import native

ISAS = native.available_isas("dense")


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
