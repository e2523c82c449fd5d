"""conv2d_* is torch's conv2d of -1 and +1, computed here by torch in int64, another path than the reference's."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from onebit import ops
from onebit.ops import native

ISAS = native.available_isas("conv2d")


def signs(*shape: int, seed: int) -> torch.Tensor:
    return torch.randint(0, 2, shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def packed(image: torch.Tensor) -> torch.Tensor:
    """NCHW -> packed NHWC."""
    return ops.pack(image.permute(0, 2, 3, 1).float())


def handle(weight: torch.Tensor, groups: int = 1) -> torch.Tensor:
    return ops.pack_conv_weights(packed(weight), weight.shape[1] * groups, groups, list(weight.shape[2:]))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(
    ("c", "n", "size", "kernel", "stride", "pad", "dilation", "groups"),
    [
        (128, 128, 8, 3, 1, 1, 1, 1),
        (64, 64, 9, 3, 2, 1, 1, 1),
        (3, 64, 11, 7, 2, 3, 1, 1),
        (130, 70, 6, 1, 1, 0, 1, 1),
        (96, 96, 7, 3, 1, 1, 1, 96),
        (128, 64, 7, 3, 1, 2, 2, 2),
    ],
)
def test_conv2d_is_torchs_conv2d_with_zero_padding(isa, c, n, size, kernel, stride, pad, dilation, groups):
    x, w = signs(2, c, size, size + 1, seed=c), signs(n, c // groups, kernel, kernel, seed=n)
    expected = F.conv2d(x, w, None, stride, pad, dilation, groups)
    given = (packed(x), handle(w, groups), n, c, [kernel] * 2, [stride] * 2, [pad] * 4, [dilation] * 2, groups, 0)
    with native.force(isa):
        got, ran = ops.conv2d_int32(*given), native.ran("conv2d")
    assert ran == isa or (isa == "amx" and groups > 1)
    assert torch.equal(got.permute(0, 3, 1, 2).long(), expected)


@pytest.mark.parametrize("isa", ISAS)
def test_a_kernel_of_one_tap_is_dense(isa):
    x, w = signs(3, 70, 2, 2, seed=1), signs(9, 70, 1, 1, seed=2)
    with native.force(isa):
        got = ops.conv2d_int32(packed(x), handle(w), 9, 70, [1, 1], [1, 1], [0] * 4, [1, 1], 1, 0)
        rows = ops.pack_weights(packed(w).reshape(9, 2), 70)
        assert torch.equal(got, ops.dense_int32(packed(x), rows, 9, 70))


@pytest.mark.parametrize("isa", ISAS)
def test_no_lane_overflows_at_half_a_million_signs(isa):
    """Byte and 16-bit lane sums must be emptied in time: all signs equal, and all different."""
    c, taps = 20_001, 25
    w = torch.ones(9, c, 5, 5)
    with native.force(isa):
        for sign in (1, -1):
            x = packed(torch.full((1, c, 5, 5), sign))
            got = ops.conv2d_int32(x, handle(w), 9, c, [5, 5], [1, 1], [0] * 4, [1, 1], 1, 0)
            assert got.tolist() == [[[[sign * c * taps] * 9]]]


@pytest.mark.parametrize("isa", ISAS)
def test_the_float_output_rounds_twice(isa):
    """3 * float32(1/3) rounds to 1, and 1 - 1 is 0; a fused multiply-add would give about 3e-8."""
    n = 65
    with native.force(isa):
        given = (
            packed(torch.ones(2, 3, 3, 3)),
            handle(torch.ones(n, 3, 1, 1)),
            n,
            3,
            [1, 1],
            [1, 1],
            [0] * 4,
            [1, 1],
            1,
        )
        got = ops.conv2d_float(*given, 0, torch.full((n,), 1 / 3), torch.full((n,), -1.0))
    assert torch.equal(got, torch.zeros(2, 3, 3, n))
