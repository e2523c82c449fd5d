"""Mistakes known from other engines, each as a test that an engine with the mistake fails; its name says it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from onebit import ops
from onebit._errors import OptionError
from onebit.bits import Packed, unpack
from onebit.conversion import convert, verify
from onebit.nn import BinaryConv2d, BinaryLinear, Pixels
from onebit.ops import native

ISAS = native.available_isas("conv2d")


def signs(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 2, shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def packed(image: torch.Tensor) -> torch.Tensor:
    return ops.pack(image.permute(0, 2, 3, 1).float())


def convolve(x, w, stride=1, padding=(0, 0, 0, 0), dilation=1, groups=1, pad_value=0, output="int32", channels=()):
    """onebit's conv2d of NCHW signs; NCHW int64 sums, or NCHW signs for output="bits"."""
    n, per_group, *kernel = w.shape
    handle = ops.pack_conv_weights(packed(w), per_group * groups, groups, kernel)
    sizes = (n, per_group * groups, kernel, [stride] * 2, list(padding), [dilation] * 2, groups, pad_value)
    y = getattr(ops, f"conv2d_{output}")(packed(x), handle, *sizes, *channels)
    y = unpack(Packed(y, n), torch.int64) if output == "bits" else y.long()
    return y.permute(0, 3, 1, 2)


@pytest.fixture(params=ISAS)
def isa(request):
    with native.force(request.param):
        yield request.param
        assert native.ran("conv2d") in ("", request.param)


@pytest.mark.parametrize(
    ("size", "kernel", "dilation"), [(1, 3, 1), (2, 3, 1), (4, 5, 1), (4, 3, 2), (2, 7, 1), (3, 3, 3)]
)
def test_zero_padding_is_corrected_when_the_kernel_exceeds_the_image(isa, size, kernel, dilation):
    """Larq Compute Engine leaves border outputs as if padded with +1 there: 2 x 2 with 3 x 3 is wrong everywhere."""
    x, w, pad = signs(1, 66, size, size), signs(9, 66, kernel, kernel, seed=1), dilation * (kernel - 1) // 2
    assert torch.equal(convolve(x, w, padding=[pad] * 4, dilation=dilation), F.conv2d(x, w, None, 1, pad, dilation))


@pytest.mark.parametrize(("size", "kernel", "pad"), [(56, 3, 1), (28, 3, 1), (32, 7, 3), (8, 5, 2)])
@pytest.mark.parametrize("pad_value", [0, 1])
def test_symmetric_padding_with_stride_2_is_not_shifted_to_same(isa, size, kernel, pad, pad_value):
    """LCE fuses a padding of (1, 1) as SAME, which is (0, 1) here: the same output size, moved by one place."""
    x, w = signs(1, 3, size, size), signs(5, 3, kernel, kernel, seed=1)
    expected = F.conv2d(F.pad(x, [pad] * 4, value=pad_value), w, None, 2)
    assert torch.equal(convolve(x, w, stride=2, padding=[pad] * 4, pad_value=pad_value), expected)
    same = [(kernel - 2) // 2, kernel - 2 - (kernel - 2) // 2] * 2
    shifted = convolve(x, w, stride=2, padding=same, pad_value=pad_value)
    assert shifted.shape == expected.shape
    assert not torch.equal(shifted, expected)


@pytest.mark.parametrize("pack_isa", native.available_isas("pack"))
@pytest.mark.parametrize("c", [1, 63, 64, 65, 127, 128, 129, 300])
def test_the_sign_of_minus_zero_is_the_same_at_every_position(c, pack_isa):
    """LCE's vector packer reads the sign bit of -0.0, its scalar tail compares; daBNN's paths differ on 0 as well."""
    for value in (-0.0, 0.0, float("nan"), -float("nan")):
        for dtype in (torch.float32, torch.float16, torch.bfloat16):
            with native.force(pack_isa):
                assert not ops.pack(torch.full((1, c), value, dtype=dtype)).any()
                assert not ops.pack(torch.full((1, c, 9, 9), value, dtype=dtype), axis=1).any()


def test_zero_padding_and_bits_out_go_together(isa):
    """LCE refuses zero padding with packed output, so the bits cannot stay bits from layer to layer."""
    x, w = signs(2, 70, 6, 5), signs(67, 70, 3, 3, seed=1)
    threshold = torch.arange(67, dtype=torch.int32) - 33
    direction = signs(67, seed=2).to(torch.int8)
    y = F.conv2d(x, w, None, 1, 1)
    limit, way = threshold.long().view(1, -1, 1, 1), direction.long().view(1, -1, 1, 1)
    expected = torch.where(y * way >= limit * way, 1, -1)
    got = convolve(x, w, padding=[1] * 4, output="bits", channels=(threshold, direction))
    assert torch.equal(got, expected)


def test_dilation_and_bias_are_not_ignored(isa):
    """daBNN drops the dilation and the bias of a binary convolution."""
    x, w = signs(1, 64, 9, 9), signs(8, 64, 3, 3, seed=1)
    scale, bias = torch.ones(8), torch.arange(8.0)
    expected = F.conv2d(x, w, None, 1, 2, 2)
    handle = ops.pack_conv_weights(packed(w), 64, 1, [3, 3])
    y = ops.conv2d_float(packed(x), handle, 8, 64, [3, 3], [1, 1], [2] * 4, [2, 2], 1, 0, scale, bias)
    assert torch.equal(y.permute(0, 3, 1, 2), expected + bias.view(1, -1, 1, 1))


def test_concurrent_calls_share_no_scratch():
    """daBNN's scratch memory is static, so two threads overwrite each other."""
    inputs = [(signs(2, 66, size, 6, seed=size), signs(33, 66, 3, 3, seed=size)) for size in (5, 9, 14, 20)]
    expected = [F.conv2d(x, w, None, 1, 1) for x, w in inputs]

    def serve(index: int) -> bool:
        x, w = inputs[index % 4]
        return torch.equal(convolve(x, w, padding=[1] * 4), expected[index % 4])

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(serve, range(80)))


def test_the_filter_is_not_flipped_nor_the_layout_reinterpreted_nor_the_image_square(isa):
    """bitorch-engine views NCHW memory as NHWC, flips the filter, gives the raw popcount, takes images as square and
    leaves the dilation out of the output's size."""
    x, w = signs(2, 6, 5, 8), signs(4, 6, 3, 2, seed=1)
    expected = F.conv2d(x, w, None, 1, 0, 2)
    assert expected.shape == (2, 4, 1, 6)
    assert torch.equal(convolve(x, w, dilation=2), expected)
    assert not torch.equal(convolve(x, w.flip(2, 3), dilation=2), expected)
    assert expected.unique().tolist() != expected.abs().unique().tolist()  # sums, not counts


@pytest.mark.parametrize("pad_value", [0, 1, -1])
def test_the_pad_value_asked_for_is_the_pad_value_used(isa, pad_value):
    """bitorch pads with -1, also when 0 was asked for: its default is chosen by a truth test."""
    x, w = signs(1, 65, 3, 3), signs(9, 65, 3, 3, seed=1)
    expected = F.conv2d(F.pad(x, [1] * 4, value=pad_value), w)
    assert torch.equal(convolve(x, w, padding=[1] * 4, pad_value=pad_value), expected)
    others = [F.conv2d(F.pad(x, [1] * 4, value=other), w) for other in (0, 1, -1) if other != pad_value]
    assert not any(torch.equal(expected, other) for other in others)


def test_a_pad_value_must_be_given_and_known():
    x, w = packed(signs(1, 65, 3, 3)), ops.pack_conv_weights(packed(signs(9, 65, 3, 3)), 65, 1, [3, 3])
    with pytest.raises(TypeError, match="pad_value"):
        ops.conv2d_int32(x, w, 9, 65, [3, 3], [1, 1], [1] * 4, [1, 1], 1)
    with pytest.raises(OptionError, match="pad_value is 3"):
        ops.conv2d_int32(x, w, 9, 65, [3, 3], [1, 1], [1] * 4, [1, 1], 1, 3)


def test_a_relu_before_the_pool_is_not_dropped():
    """LCE turns Quantize(MaxPool(ReLU(x))) into a pool of bits without the ReLU: then -1 comes out where +1 must."""
    torch.manual_seed(0)
    net = nn.Sequential(
        Pixels(),
        BinaryConv2d(3, 9, 3),
        nn.BatchNorm2d(9),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        BinaryLinear(81, 4, input_quantizer="sign"),
        nn.BatchNorm1d(4),
    ).eval()
    x = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8)
    with torch.no_grad():
        before, y = net[:4](x), net(x)
        assert (net[1:3](net[0](x)) < 0).any()
        assert (before >= 0).all()
        packed_net = convert(net, x[:1])
        assert verify(net, packed_net, x).ok
        assert torch.allclose(packed_net(x), y, atol=1e-5)


@pytest.mark.parametrize("c", [7281, 7282, 3641, 3640])  # 9 c just below and above 2**16 and 2**15
def test_sums_of_many_channels_on_a_tiny_image_do_not_overflow_16_bits(isa, c):
    """LCE takes the kernel with 16-bit sums by the size of the image, not of the window; extreme sums show it."""
    x, w = -signs(1, c, 3, 3).abs(), signs(2, c, 3, 3, seed=1).abs()
    w[1] = -1
    assert convolve(x, w).flatten().tolist() == [-9 * c, 9 * c]


def test_the_memory_of_packed_weights_stays_torchs():
    """bitorch-engine frees the storage of the tensor that holds the packed weights; here it may be any part of one."""
    x, w = signs(1, 66, 4, 4), signs(9, 66, 3, 3, seed=1)
    expected, handle = convolve(x, w), ops.pack_conv_weights(packed(w), 66, 1, [3, 3])
    home = torch.zeros(handle.numel() + 200, dtype=torch.uint8)
    part = home[100:-100].copy_(handle)
    for _ in range(3):
        y = ops.conv2d_int32(packed(x), part, 9, 66, [3, 3], [1, 1], [0] * 4, [1, 1], 1, 0)
        assert torch.equal(y.permute(0, 3, 1, 2), expected)
    assert torch.equal(part, handle)
    assert not home[:100].any()
    assert not home[-100:].any()
    del y, part, handle
    assert home.numel() > 0


@pytest.fixture(params=native.available_isas("dense"))
def dense_isa(request):
    with native.force(request.param):
        yield request.param
        assert native.ran("dense") == request.param


@pytest.mark.parametrize("k", [257, 511, 1025])
def test_float_sums_above_256_are_not_rounded(dense_isa, k):
    """bitorch-engine's bfloat16 epilogue holds 8 bits of a sum; k odd makes every sum odd."""
    x, w = signs(3, k), signs(5, k, seed=1)
    x[0] = w[0]
    handle = ops.pack_weights(ops.pack(w.float()), k)
    y = ops.dense_float(ops.pack(x.float()), handle, 5, k, torch.ones(5), torch.zeros(5))
    assert y[0, 0] == k
    assert torch.equal(y.long(), x @ w.t())


@pytest.mark.parametrize("k", [524_287, 524_289, 600_001])
def test_counts_of_very_long_rows_do_not_overflow_narrow_lanes(dense_isa, k):
    """bnn-lab's ARM kernel counts in 16-bit lanes, which overflow from about 524,000 bits on."""
    rows = torch.ones(9, k)
    handle = ops.pack_weights(ops.pack(-rows), k)
    assert (ops.dense_int32(ops.pack(rows[:2]), handle, 9, k) == -k).all()
