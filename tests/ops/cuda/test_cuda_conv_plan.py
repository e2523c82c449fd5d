from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from onebit._errors import NativeError, OptionError, UnknownName
from onebit.bits._window import Padding, Window
from onebit.ops._conv_checks import Conv
from onebit.ops.cuda import _conv_plan
from onebit.ops.cuda._conv_boxes import Places
from onebit.ops.cuda._plan import AND, BITS, BYTES, DOT, XOR, Device

AMPERE = Device((8, 0), 108)
HOPPER = Device((9, 0), 132)
SAME = Conv(128, 128, Window((3, 3), padding=Padding(1, 1, 1, 1)), 1, 0)


def places(count: int) -> Places:
    return Places(1, 1, count)


@pytest.mark.parametrize(("size", "stride", "before", "after", "dilation", "taps"), [
    (5, 1, 1, 1, 1, 3), (4, 2, 0, 3, 2, 2), (3, 1, 7, 6, 1, 3), (1, 3, 2, 2, 1, 5), (6, 1, 0, 0, 1, 1),
])  # fmt: skip
def test_classes_say_which_taps_are_outside(
    size: int, stride: int, before: int, after: int, dilation: int, taps: int
) -> None:
    inside = F.pad(torch.ones(size), (before, after)).unfold(0, dilation * (taps - 1) + 1, stride)[:, ::dilation]
    patterns, classes = _conv_plan.outside(size, len(inside), stride, before, dilation, taps)
    assert torch.equal(patterns[classes], inside == 0)
    assert not patterns[0].any()  # class 0 has no tap outside, whether it occurs or not
    assert len(patterns) == len(patterns.unique(dim=0))


@pytest.mark.parametrize("pad_value", [0, 1, -1])
def test_terms_put_every_form_of_the_sum_right(pad_value: int) -> None:
    g = torch.Generator().manual_seed(pad_value + 1)
    x, w = (torch.randint(0, 2, (9, 7), generator=g) * 2 - 1 for _ in range(2))  # (taps, channels)
    conv, lost = SAME._replace(n=1, c=7, pad_value=pad_value), torch.arange(9) < 4
    real = torch.where(lost[:, None], pad_value, x)
    read, a, b = torch.where(lost[:, None], 1, x), 0, 0
    a, b = (read < 0).long(), (w < 0).long()
    sums = {AND: 4 * (a & b).sum() - 2 * a.sum(), XOR: -2 * (a ^ b).sum(), DOT: (read * w).sum() + 5}
    for form, found in sums.items():
        term = _conv_plan.terms(conv, BITS, form, 5, w.sum(1)[None], lost[None])
        assert int(term) + int(found) == int((real * w).sum())
    pixels, scaled = torch.randint(0, 256, (9, 7), generator=g), conv._replace(multiplier=2, offset=-255)
    term = _conv_plan.terms(scaled, BYTES, DOT, 0, w.sum(1)[None], lost[None])
    y = (torch.where(lost[:, None], pad_value, 2 * pixels - 255) * w).sum()
    assert int(term) + 2 * int((torch.where(lost[:, None], 0, pixels) * w).sum()) == int(y)


def test_the_tiles_of_a_plan_cover_every_group() -> None:
    conv = SAME._replace(n=300, c=6, groups=3)
    assert _conv_plan.plan(AMPERE, conv, BITS, 3, places(1000), 8, "mma").grid == 8 * 1 * 3
    assert _conv_plan.plan(AMPERE, conv, BITS, 3, places(1000), 8, "popc").grid == 250 * 2 * 3


def test_sizes_decide_the_kernel() -> None:
    names = [_conv_plan.plan(AMPERE, SAME, BITS, 3, places(m), 16).kernel.file for m in (1, 64, 2**20)]
    assert names == ["conv2d_popc", "conv2d_popc", "conv2d_mma"]
    assert _conv_plan.plan(AMPERE, SAME, BYTES, 3, places(1), 16).kernel.file == "conv2d_mma"


def test_hopper_takes_warpgroup_products_where_the_copy_engine_can_feed_them() -> None:
    def name(conv: Conv, out: Places, align: int = 16, device: Device = HOPPER) -> str:
        return _conv_plan.plan(device, conv, BITS, 3, out, align).name

    many, wide = Places(1024, 8, 8), SAME._replace(n=512, c=512)
    assert name(wide, many) == "wgmma 128x256"
    assert name(wide, many, 8) == "mma 128x128"  # rows of x at multiples of 8 bytes: no copy engine
    assert name(wide._replace(window=Window((3, 3), (9, 9))), many) == "mma 128x128"
    assert name(wide, many, 16, AMPERE) == "mma 128x128"
    assert name(SAME, Places(1024, 32, 32)) == "mma 128x128"  # 128 channels fill half of a product's step
    assert name(wide._replace(c=2048), Places(2, 8, 8)).startswith("wgmma 128x64/")  # few tiles, a long k
    with pytest.raises(OptionError, match=r"needs compute capability 9\.0.*here \(8, 0\)"):
        _conv_plan.plan(AMPERE, wide, BITS, 3, many, 16, "128x64")
    with pytest.raises(OptionError, match="1 to 5 parts"):
        _conv_plan.plan(HOPPER, wide, BITS, 3, many, 16, "128x64/6")
    for wrong in ("mma/2", "192x256", "popc/2"):
        with pytest.raises(UnknownName, match=wrong):
            _conv_plan.plan(HOPPER, wide, BITS, 3, many, 16, wrong)


@pytest.mark.parametrize("name", _conv_plan.SHAPES)
def test_a_hopper_shape_fits_its_multiprocessor(name: str) -> None:
    plan = _conv_plan.plan(HOPPER, SAME, BITS, 3, places(1000), 16, name)
    assert plan.shared_bytes <= 232_448
    assert 1 <= plan.grid <= HOPPER.processors


def test_what_cannot_be_exact_or_run_is_refused() -> None:
    with pytest.raises(OptionError, match=r"below 2\*\*30"):
        _conv_plan.plan(AMPERE, SAME._replace(c=2**22, multiplier=2, offset=-255), BYTES, 3, places(1), 1)
    with pytest.raises(NativeError, match=r"needs 7\.5"):
        _conv_plan.plan(Device((7, 0), 80), SAME, BITS, 3, places(100), 16)
    with pytest.raises(UnknownName, match="mma"):
        _conv_plan.plan(AMPERE, SAME, BYTES, 3, places(100), 16, "popc")
