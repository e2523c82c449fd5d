"""conv2d_u8_*: pixels as they are, moved and scaled by integers, with padding in the domain after the move."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from onebit import ops
from onebit._errors import OptionError
from onebit.ops import native

ISAS = native.available_isas("conv2d_u8")


def handle(weight: torch.Tensor) -> torch.Tensor:
    rows = ops.pack(weight.permute(0, 2, 3, 1).float())
    return ops.pack_conv_weights(rows, weight.shape[1], 1, list(weight.shape[2:]))


def call(pixels: torch.Tensor, w: torch.Tensor, pad_value: int, multiplier: int, offset: int) -> torch.Tensor:
    n, c, *kernel = w.shape
    sizes = (n, c, kernel, [1, 1], [1] * 4, [1, 1], 1)
    return ops.conv2d_u8_int32(pixels, handle(w), *sizes, pad_value, multiplier, offset).permute(0, 3, 1, 2).long()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("pad_value", [0, 1, -1])
@pytest.mark.parametrize(("multiplier", "offset"), [(1, 0), (2, -255), (1, -128), (-1, 0)])
def test_padding_is_added_after_the_pixels_were_moved(isa, pad_value, multiplier, offset):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (2, 5, 6, 3), generator=generator, dtype=torch.uint8)
    w = torch.randint(0, 2, (65, 3, 3, 3), generator=generator) * 2 - 1
    image = F.pad(multiplier * pixels.long().permute(0, 3, 1, 2) + offset, (1, 1, 1, 1), value=pad_value)
    with native.force(isa):
        assert torch.equal(call(pixels, w, pad_value, multiplier, offset), F.conv2d(image, w))
        assert native.ran("conv2d_u8") == isa


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("pixel", [0, 255])
def test_the_largest_sums_are_exact(isa, pixel):
    c = 15_000
    pixels, w = torch.full((1, 1, 1, c), pixel, dtype=torch.uint8), torch.ones(9, c, 3, 3)
    with native.force(isa):
        assert call(pixels, w, 1, 2, -255).unique().tolist() == [(2 * pixel - 255 + 8) * c]


def test_sums_that_need_more_than_32_bits_are_refused():
    pixels, w = torch.zeros(1, 1, 1, 3, dtype=torch.uint8), torch.ones(2, 3, 3, 3)
    with pytest.raises(OptionError, match=r"27 terms up to 255000000 .* expected at most 2147483647"):
        call(pixels, w, 0, 10**6, 0)
