"""conv1d_* and max_pool1d are torch's own on sequences of signs, depthwise ones included, on every instruction set."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from onebit import ops
from onebit._errors import OptionError, ShapeError
from onebit.bits import Packed, unpack
from onebit.ops import native

ISAS = native.available_isas("conv2d")


def signs(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randint(0, 2, shape, generator=generator) * 2 - 1


def expected_sums(x, w, stride, padding, dilation, groups, pad_value):
    return F.conv1d(F.pad(x.double(), padding, value=pad_value), w.double(), None, stride, 0, dilation, groups)


@pytest.mark.parametrize("isa", ISAS)
@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    groups=st.integers(1, 70),
    widths=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    length=st.integers(1, 40),
    window=st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 4), st.integers(0, 4), st.integers(1, 3)),
    pad_value=st.sampled_from([0, 1, -1]),
    seed=st.integers(0, 2**31),
)
def test_every_output_is_torchs_convolution_of_sequences(isa, groups, widths, length, window, pad_value, seed):
    kernel, stride, left, right, dilation = window
    if length + left + right < dilation * (kernel - 1) + 1:
        return
    generator = torch.Generator().manual_seed(seed)
    c, n = groups * widths[0], groups * widths[1]
    x, w = signs(generator, 2, c, length), signs(generator, n, widths[0], kernel)
    y = expected_sums(x, w, stride, [left, right], dilation, groups, pad_value).long()
    rows = ops.pack(w.float(), axis=1)
    handle = ops.pack_conv1d_weights(rows, c, groups, kernel)
    call = (ops.pack(x.float(), axis=1), handle, n, c, kernel, stride, [left, right], dilation, groups, pad_value)
    threshold = torch.randint(-3, 4, (n,), generator=generator, dtype=torch.int32)
    direction = signs(generator, n).to(torch.int8)
    scale, bias, slope = torch.full((n,), 0.5), torch.ones(n), torch.full((n,), 0.25)
    residual = torch.randn(2, y.shape[2], n, generator=generator)
    with native.force(isa):
        assert torch.equal(ops.conv1d_int32(*call).mT.long(), y)
        floats = ops.conv1d_float(*call, scale, bias)
        words = ops.conv1d_bits(*call, threshold, direction)
        fused = ops.conv1d_fused(*call, scale, bias, (slope,), residual, True)
        both, positive = ops.conv1d_both(*call, scale, bias, bias, direction, (slope,), residual, True)
    assert torch.equal(floats.mT, y.float() * 0.5 + 1)
    assert torch.equal(fused, torch.where(floats > 0, floats, slope * floats) + residual)
    assert torch.equal(both, fused)
    minus = torch.where(direction > 0, fused < bias, fused > bias)
    assert torch.equal(unpack(Packed(positive, n), torch.int64), torch.where(minus, -1, 1))
    limit, way = threshold.long()[:, None], direction.long()[:, None]
    assert torch.equal(unpack(Packed(words, n), torch.int64).mT, torch.where(y * way >= limit * way, 1, -1))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("channels", [1, 63, 64, 65, 130])
@pytest.mark.parametrize("multiplier", [1, 2])
def test_depthwise_convolution_of_sequences_and_of_pictures_is_groups_equal_to_channels(isa, channels, multiplier):
    generator = torch.Generator().manual_seed(channels)
    n = channels * multiplier
    x, w = signs(generator, 2, channels, 19), signs(generator, n, 1, 3)
    handle = ops.pack_conv1d_weights(ops.pack(w.float(), axis=1), channels, channels, 3)
    image, kernels = signs(generator, 2, channels, 6, 5), signs(generator, n, 1, 3, 3)
    picture_handle = ops.pack_conv_weights(ops.pack(kernels.float(), axis=1), channels, channels, [3, 3])
    with native.force(isa):
        y = ops.conv1d_int32(ops.pack(x.float(), axis=1), handle, n, channels, 3, 1, [1, 1], 1, channels, 0)
        window = ([3, 3], [1, 1], [1, 1, 1, 1], [1, 1], channels, 0)
        z = ops.conv2d_int32(ops.pack(image.float(), axis=1), picture_handle, n, channels, *window)
    assert torch.equal(y.mT.long(), F.conv1d(x, w, None, 1, 1, 1, channels))
    assert torch.equal(z.permute(0, 3, 1, 2).long(), F.conv2d(image, kernels, None, 1, 1, 1, channels))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("c", [1, 64, 70])
def test_max_pool1d_is_torchs_pool_and_a_minimum_where_asked(isa, c):
    generator = torch.Generator().manual_seed(c)
    x, minimum = signs(generator, 3, c, 11), signs(generator, c)
    with native.force(isa):
        words = ops.max_pool1d(ops.pack(x.float(), axis=1), c, 3, 2, [1, 1], ops.pack(minimum[None].float())[0])
    turned = F.max_pool1d((x * minimum[:, None]).float(), 3, 2, 1) * minimum[:, None]
    assert torch.equal(unpack(Packed(words, c)).mT, turned)


def test_what_is_no_sequence_is_named():
    rows = ops.pack(torch.ones(2, 3, 5))
    handle = ops.pack_conv1d_weights(ops.pack(torch.ones(4, 3, 5)), 5, 1, 3)
    with pytest.raises(ShapeError, match=r"conv1d_int32: x has shape \(2, 1, 3, 1\); expected three dimensions"):
        ops.conv1d_int32(rows.unsqueeze(1), handle, 4, 5, 3, 1, [1, 1], 1, 1, 0)
    sizes = (4, 5, 3, 1, [1, 1], 1, 1, 0)
    with pytest.raises(ShapeError, match=r"conv1d_fused: residual has shape \(2, 1, 3, 4\); expected three dimensions"):
        ops.conv1d_fused(rows, handle, *sizes, torch.ones(4), torch.ones(4), (), torch.ones(2, 1, 3, 4))
    with pytest.raises(OptionError, match=r"padding is \[1\]; expected \[left, right\]"):
        ops.conv1d_int32(rows, handle, 4, 5, 3, 1, [1], 1, 1, 0)
