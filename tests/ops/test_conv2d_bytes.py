"""conv2d_u8_*, conv2d_s8_*: bytes, moved and scaled by integers, with padding in the domain after the move."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from onebit import bits, ops
from onebit._errors import OptionError
from onebit.bits import _reference_s8
from onebit.bits._window import Padding, Window
from onebit.ops import native

ISAS = native.available_isas("conv2d_u8")
WINDOWS = {
    "same": (Window((3, 3), padding=Padding(1, 1, 1, 1)), 3, 70, 1),
    "awkward": (Window((2, 3), (2, 1), Padding(0, 2, 1, 3), (1, 2)), 6, 4, 2),
    "depthwise": (Window((3, 3), (2, 2), Padding(1, 0, 1, 0)), 5, 10, 5),
    "no padding": (Window((1, 1)), 130, 65, 1),
}


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
def test_the_largest_sums_of_pixels_are_exact(isa, pixel):
    c = 15_000
    pixels, w = torch.full((1, 1, 1, c), pixel, dtype=torch.uint8), torch.ones(9, c, 3, 3)
    with native.force(isa):
        assert call(pixels, w, 1, 2, -255).unique().tolist() == [(2 * pixel - 255 + 8) * c]


def test_sums_of_pixels_that_need_more_than_32_bits_are_refused():
    pixels, w = torch.zeros(1, 1, 1, 3, dtype=torch.uint8), torch.ones(2, 3, 3, 3)
    with pytest.raises(OptionError, match=r"27 terms up to 255000000 .* expected at most 2147483647"):
        call(pixels, w, 0, 10**6, 0)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("case", WINDOWS)
@pytest.mark.parametrize("pad_value", [0, 1, -1])
@pytest.mark.parametrize(("multiplier", "offset"), [(1, 0), (2, 1), (-3, 7), (100, -5)])
def test_every_window_and_move_is_the_reference(isa, case, pad_value, multiplier, offset):
    window, c, n, groups = WINDOWS[case]
    generator = torch.Generator().manual_seed(n)
    x = torch.randint(-128, 128, (2, 5, 6, c), generator=generator).to(torch.int8)
    w = bits.pack(torch.randn(n, *window.kernel, c // groups, generator=generator))
    moved = (pad_value, multiplier, offset)
    lists = (list(window.kernel), list(window.stride), list(window.padding), list(window.dilation), groups)
    handle = ops.pack_conv_weights(w.words, c, groups, list(window.kernel))
    with native.force(isa):
        got = ops.conv2d_s8_int32(x, handle, n, c, *lists, *moved)
        assert torch.equal(got, _reference_s8.conv2d_s8_int32(x, w, window, groups, *moved))
        assert native.ran("conv2d_u8") == isa
        threshold = torch.randint(-99, 99, (n,), generator=generator, dtype=torch.int32)
        direction = (1 - 2 * torch.randint(0, 2, (n,), generator=generator)).to(torch.int8)
        words = ops.conv2d_s8_bits(x, handle, n, c, *lists, *moved, threshold, direction)
    expected = _reference_s8.conv2d_s8_bits(x, w, window, groups, *moved, threshold, direction)
    assert torch.equal(words, expected.words)


def test_the_reference_is_the_convolution_of_the_values():
    x = torch.randint(-128, 128, (2, 3, 5, 6), generator=torch.Generator().manual_seed(1))
    w = torch.randint(0, 2, (7, 3, 3, 3), generator=torch.Generator().manual_seed(2)) * 2 - 1
    window = Window((3, 3), padding=Padding(1, 1, 1, 1))
    packed = bits.pack(w.permute(0, 2, 3, 1).float())
    got = _reference_s8.conv2d_s8_int32(x.permute(0, 2, 3, 1).to(torch.int8), packed, window, 1, -1, 2, 1)
    expected = F.conv2d(F.pad(2 * x + 1, (1, 1, 1, 1), value=-1), w)
    assert torch.equal(got.permute(0, 3, 1, 2).long(), expected)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("value", [-128, 127])
def test_the_largest_sums_of_signed_bytes_are_exact(isa, value):
    c = 15_000
    x = torch.full((1, 1, 1, c), value, dtype=torch.int8)
    handle = ops.pack_conv_weights(ops.pack(torch.ones(9, 3, 3, c)), c, 1, [3, 3])
    with native.force(isa):
        got = ops.conv2d_s8_int32(x, handle, 9, c, [3, 3], [1, 1], [1] * 4, [1, 1], 1, 1, 2, 1)
    assert got.unique().tolist() == [(2 * value + 1 + 8) * c]


def test_sums_of_signed_bytes_that_need_more_than_32_bits_are_refused():
    x, rows = torch.zeros(1, 1, 1, 3, dtype=torch.int8), ops.pack(torch.ones(2, 3, 3, 3))
    handle = ops.pack_conv_weights(rows, 3, 1, [3, 3])
    with pytest.raises(OptionError, match=r"27 terms up to 128000000 .* expected at most 2147483647"):
        ops.conv2d_s8_int32(x, handle, 2, 3, [3, 3], [1, 1], [1] * 4, [1, 1], 1, 0, 10**6, 0)
