"""The reference for signed bytes is integer arithmetic, and the one for pixels moved by 128."""

from __future__ import annotations

import pytest
import torch

from onebit import bits
from onebit._errors import DtypeError
from onebit.bits import _reference, _reference_conv, _reference_s8
from onebit.bits._window import Padding, Window


def test_dense_is_the_integer_product():
    x = torch.randint(-128, 128, (4, 70), generator=torch.Generator().manual_seed(0))
    w = torch.randint(0, 2, (9, 70), generator=torch.Generator().manual_seed(1)) * 2 - 1
    packed = bits.pack(w.float())
    got = _reference_s8.dense_s8_int32(x.to(torch.int8), packed)
    assert torch.equal(got.long(), x @ w.T)
    shifted = _reference.dense_u8_int32((x + 128).to(torch.uint8), packed)
    assert torch.equal(got.long(), shifted.long() - 128 * w.sum(1))


def test_a_convolution_of_bytes_is_that_of_pixels_with_another_offset():
    x = torch.randint(-128, 128, (2, 5, 4, 3), generator=torch.Generator().manual_seed(0))
    w, window = bits.pack(torch.randn(9, 3, 3, 3)), Window((3, 3), padding=Padding(1, 1, 1, 1))
    got = _reference_s8.conv2d_s8_int32(x.to(torch.int8), w, window, 1, -1, 2, 1)
    pixels = (x + 128).to(torch.uint8)
    assert torch.equal(got, _reference_conv.conv2d_u8_int32(pixels, w, window, 1, -1, 2, 1 - 256))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.float32])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(DtypeError, match=f"dense_s8: x has dtype {dtype}; expected torch.int8"):
        _reference_s8.dense_s8_int32(torch.ones(2, 5, dtype=dtype), bits.pack(torch.ones(3, 5)))
