"""dense_s8_* is the textbook's sum over -128..127 times -1 and +1, for every output, on the kernels of dense_u8."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit import bits, ops
from onebit._errors import DtypeError
from onebit.bits import Packed, _reference_s8
from onebit.bits._reference import Steps
from onebit.ops import _front_door, native

ISAS = native.available_isas("dense_u8")


def operands(m: int, n: int, k: int, seed: int) -> tuple[torch.Tensor, Packed]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(-128, 128, (m, k), generator=generator).to(torch.int8)
    return x, bits.pack(torch.randn(n, k, generator=generator))


@pytest.mark.parametrize("isa", ISAS)
@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.integers(0, 9), st.integers(1, 130), st.integers(1, 600), st.integers(0, 2**31))
def test_every_output_is_the_reference(isa, m, n, k, seed):
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


@pytest.mark.parametrize("isa", ISAS)
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
