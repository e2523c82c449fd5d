"""dense_u8_* is the textbook's sum over 0..255 times -1 and +1, exact up to the last value that 32 bits can hold."""

from __future__ import annotations

import pytest
import torch

from onebit import ops
from onebit._errors import NativeError
from onebit.ops import native

ISAS = native.available_isas("dense_u8")
MOST_K = (2**31 - 1) // 255


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("k", [1, 3, 4, 31, 32, 33, 63, 64, 65, 512, 784, 785])
def test_dense_u8_is_the_integer_dot_product(isa, k):
    generator = torch.Generator().manual_seed(k)
    x = torch.randint(0, 256, (5, k), generator=generator, dtype=torch.uint8)
    w = torch.randint(0, 2, (19, k), generator=generator) * 2 - 1
    with native.force(isa):
        got = ops.dense_u8_int32(x, ops.pack_weights(ops.pack(w.float()), k), 19, k)
        assert native.ran("dense_u8") == isa
    assert torch.equal(got.long(), x.long() @ w.T)


@pytest.mark.parametrize("isa", ISAS)
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


@pytest.mark.parametrize("isa", ISAS)
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


@pytest.mark.parametrize("isa", ISAS)
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
