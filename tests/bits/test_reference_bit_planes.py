"""The paper's bit-plane product against the definition, and against the kernel that runs the first layer."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit import ops
from onebit._errors import DtypeError, ShapeError
from onebit.bits import _reference as reference
from onebit.bits import pack
from onebit.bits._reference_bit_planes import bit_planes, dense_u8_bit_planes, popcount


@settings(deadline=None, max_examples=25, derandomize=True)
@given(m=st.integers(1, 4), n=st.integers(1, 20), k=st.integers(1, 140), seed=st.integers(0, 2**31))
def test_planes_and_popcounts_give_the_sums_of_the_definition_and_of_the_kernel(m, n, k, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 256, (m, k), generator=generator, dtype=torch.uint8)
    w = pack(torch.randn(n, k, generator=generator))
    y = dense_u8_bit_planes(x, w)
    assert y.dtype == torch.int32
    assert torch.equal(y, reference.dense_u8_int32(x, w))
    packed = ops.pack_weights(w.words, k)
    assert torch.equal(y, torch.ops.onebit.dense_u8_int32(x, packed, n, k))


def test_every_byte_is_the_sum_of_its_planes():
    x = torch.arange(256, dtype=torch.uint8)
    planes = bit_planes(x)
    assert planes.shape == (8, 256)
    assert popcount(planes.words).tolist() == [128] * 8
    one = dense_u8_bit_planes(x.unsqueeze(1), pack(torch.tensor([[1.0], [-1.0]])))
    assert one[:, 0].tolist() == list(range(256))
    assert torch.equal(one[:, 1], -one[:, 0])


def test_batches_of_any_rank_keep_their_shape():
    x = torch.randint(0, 256, (2, 3, 70), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    w = pack(torch.randn(5, 70, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(dense_u8_bit_planes(x, w), reference.dense_u8_int32(x, w))


def test_what_is_no_pixel_or_does_not_fit_is_refused():
    w = pack(torch.ones(2, 3))
    with pytest.raises(DtypeError, match=r"torch\.float32"):
        dense_u8_bit_planes(torch.ones(1, 3), w)
    with pytest.raises(ShapeError, match=r"\(1, 4\) and w \(2, 3\)"):
        dense_u8_bit_planes(torch.ones(1, 4, dtype=torch.uint8), w)
