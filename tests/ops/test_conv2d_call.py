"""The six conv2d operators give the reference's numbers: every instruction set, both front doors, awkward sizes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import onebit.ops
from onebit._errors import NativeError
from onebit.bits import Packed, pack
from onebit.bits import _reference_conv as reference
from onebit.bits._window import Padding, Window
from onebit.ops import _front_door, native

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
CHANNELS = (1, 2, 3, 31, 63, 64, 65, 127, 128, 129, 130)
OUTPUTS = (1, 7, 8, 9, 16, 17, 63, 64, 65, 130)
FAMILIES = [(family, isa) for family in ("conv2d", "conv2d_u8") for isa in native.available_isas(family)]


@st.composite
def cases(draw, most: int = 4):
    """Sizes around every word edge, any window (larger than the image too), any groups, any padding and its value."""
    kernel = draw(st.sampled_from([(1, 1), (3, 3), (2, 3), (5, 1), (4, 4)]))
    stride, dilation = (tuple(draw(st.integers(1, 3)) for _ in range(2)) for _ in range(2))
    padding = draw(st.sampled_from([(0, 0, 0, 0), (1, 1, 1, 1)]) | st.tuples(*[st.integers(0, 3)] * 4))
    window = Window(kernel, stride, Padding(*padding), dilation)
    covered = [dilation[axis] * (kernel[axis] - 1) + 1 - sum(padding[2 * axis : 2 * axis + 2]) for axis in (0, 1)]
    size = [draw(st.integers(max(1, least), max(1, least) + 4)) for least in covered]
    groups = draw(st.sampled_from([1, 1, 1, 2, 3, 5, 64]))
    c = groups * draw(st.sampled_from(CHANNELS[: 6 if groups > 1 else None]) if groups < 64 else st.integers(1, 2))
    n = groups * draw(st.sampled_from(OUTPUTS) if groups == 1 else st.integers(1, 3))
    return (
        (draw(st.integers(0, 3)), *size, c),
        n,
        groups,
        window,
        draw(st.sampled_from([0, 1, -1])),
        draw(st.integers(0, 2**31)),
    )


def door(name: str):
    """The operator as torch calls it, and its Python kernel: both must give the same numbers."""
    return getattr(torch.ops.onebit, name).default, _front_door._fallbacks[name]


def operands(family: str, shape: tuple[int, ...], n: int, groups: int, window: Window, seed: int):
    generator = torch.Generator().manual_seed(seed)
    w = pack(torch.randn(n, *window.kernel, shape[-1] // groups, generator=generator))
    if family == "conv2d":
        return pack(torch.randn(*shape, generator=generator)), w
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8), w


def channels(y: torch.Tensor, n: int, seed: int):
    """Scales, biases, and thresholds that the sums of some place hit exactly, miss by one, or can never reach."""
    generator = torch.Generator().manual_seed(seed + 1)
    scale, bias = torch.randn(2, n, generator=generator)
    middle = y.reshape(-1, n)[0] if y.numel() else torch.zeros(n, dtype=torch.int32)
    threshold = middle + torch.randint(-1, 2, (n,), generator=generator, dtype=torch.int32)
    limits = torch.tensor([INT32_MIN, INT32_MAX], dtype=torch.int32)
    constant = limits[torch.randint(0, 2, (n,), generator=generator)]
    threshold = torch.where(torch.rand(n, generator=generator) < 0.1, constant, threshold)
    direction = (torch.randint(0, 2, (n,), generator=generator) * 2 - 1).to(torch.int8)
    return scale, bias, threshold, direction


def arguments(w: Packed, n: int, c: int, groups: int, window: Window, pad: int) -> tuple:
    handle = onebit.ops.pack_conv_weights(w.words, c, groups, list(window.kernel))
    lists = [list(part) for part in (window.kernel, window.stride, window.padding, window.dilation)]
    return (handle, n, c, *lists, groups, pad)


def equal(got: torch.Tensor, expected: torch.Tensor) -> bool:
    return got.dtype == expected.dtype and got.is_contiguous() and torch.equal(got, expected)


def check_every_output(family: str, isa: str, case: tuple, extra: tuple[int, ...]) -> None:
    shape, n, groups, window, pad, seed = case
    x, w = operands(family, shape, n, groups, window, seed)
    expected = getattr(reference, f"{family}_int32")(x, w, window, groups, pad, *extra)
    scale, bias, threshold, direction = channels(expected, n, seed)
    scaled = getattr(reference, f"{family}_float")(x, w, window, groups, pad, *extra, scale, bias)
    bits = getattr(reference, f"{family}_bits")(x, w, window, groups, pad, *extra, threshold, direction)
    given = (x.words if isinstance(x, Packed) else x, *arguments(w, n, shape[-1], groups, window, pad), *extra)
    with native.force(isa):
        for entry in (0, 1):
            assert equal(door(f"{family}_int32")[entry](*given), expected)
            assert equal(door(f"{family}_float")[entry](*given, scale, bias), scaled)
            got = door(f"{family}_bits")[entry](*given, threshold, direction)
            assert equal(got, bits.words)
            Packed.checked(got, n)  # the tail bits are zero
        assert shape[0] == 0 or native.ran(family) == isa or (isa == "amx" and groups > 1)  # some leave it to another


@pytest.mark.parametrize(("family", "isa"), FAMILIES)
@settings(deadline=None, max_examples=60, derandomize=True)
@given(cases(), st.sampled_from([(1, 0), (2, -255), (-3, 17), (0, 5)]))
def test_every_output_is_the_references(family, isa, case, scaling):
    check_every_output(family, isa, case, scaling if family == "conv2d_u8" else ())


@pytest.mark.parametrize(("family", "isa"), FAMILIES)
@pytest.mark.parametrize("c", range(1, 131, 3))
def test_every_channel_count_with_zero_padding(family, isa, c):
    window = Window((3, 3), padding=Padding(1, 1, 1, 1))
    extra = (2, -255) if family == "conv2d_u8" else ()
    check_every_output(family, isa, ((1, 3, 4, c), 9, 1, window, 0, c), extra)


@pytest.mark.parametrize(("family", "isa"), FAMILIES)
@pytest.mark.parametrize("groups", [1, 2, 7, 65, 130])
@pytest.mark.parametrize("per_group", [1, 2, 64, 65])
def test_every_group_boundary_inside_a_word(family, isa, groups, per_group):
    """Depthwise is groups = c; a group of 64 channels is a word of its own, all others lie across words."""
    if groups * per_group > 1000:
        return
    window = Window((2, 2), padding=Padding(1, 0, 0, 1))
    for pad in (0, 1, -1):
        case = ((1, 3, 3, groups * per_group), groups * 2, groups, window, pad, groups + per_group)
        check_every_output(family, isa, case, (2, -255) if family == "conv2d_u8" else ())


def layouts(x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The same values laid out in every way that a view can be: strided, offset, repeated, at an odd address."""
    raw = bytearray(b"\xff" + x.numpy().tobytes())  # 0xff: a kernel that ignores the offset gives other numbers
    return {
        "channels first": x.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1),
        "cropped": torch.nn.functional.pad(x, (0, 0, 1, 1, 1, 1), value=-1 if x.is_signed() else 255)[:, 1:-1, 1:-1],
        "every other": x.repeat_interleave(2, 2)[:, :, ::2],
        "odd address": torch.frombuffer(raw, dtype=x.dtype, offset=1).reshape(x.shape),
    }


@pytest.mark.parametrize("family", ["conv2d", "conv2d_u8"])
@pytest.mark.parametrize("entry", [0, 1], ids=["torch", "python"])
def test_the_layout_of_an_operand_does_not_matter(family, entry):
    shape, n, window = (2, 5, 4, 70), 70, Window((3, 3), padding=Padding(1, 1, 1, 1))
    x, w = operands(family, shape, n, 1, window, 9)
    extra = (2, -255) if family == "conv2d_u8" else ()
    given = (*arguments(w, n, 70, 1, window, 0), *extra)
    expected = getattr(reference, f"{family}_int32")(x, w, window, 1, 0, *extra)
    for name, view in layouts(x.words if isinstance(x, Packed) else x).items():
        assert equal(door(f"{family}_int32")[entry](view, *given), expected), name


@pytest.mark.parametrize(("family", "isa"), FAMILIES)
def test_constant_channels_and_their_tail(family, isa):
    """direction +1 with the least threshold is always +1, with the greatest never; the tail stays 0 all the same."""
    n, window = 67, Window((3, 3), padding=Padding(1, 1, 1, 1))
    x, w = operands(family, (1, 2, 2, 65), n, 1, window, 3)
    extra = (2, -255) if family == "conv2d_u8" else ()
    given = (x.words if isinstance(x, Packed) else x, *arguments(w, n, 65, 1, window, 0), *extra)
    up = torch.ones(n, dtype=torch.int8)
    with native.force(isa):
        for threshold, direction, expected in (
            (INT32_MIN, up, [0, 0]),
            (INT32_MAX, up, [-1, 7]),
            (INT32_MAX, -up, [0, 0]),
            (INT32_MIN, -up, [-1, 7]),
        ):
            limits = torch.full((n,), threshold, dtype=torch.int32)
            got = getattr(onebit.ops, f"{family}_bits")(*given, limits, direction)
            assert got.tolist() == [[[expected] * 2] * 2]
        assert native.ran(family) == isa


@pytest.mark.parametrize("entry", [0, 1], ids=["torch", "python"])
@pytest.mark.parametrize("family", ["conv2d", "conv2d_u8", "conv2d_s8"])
def test_sizes_that_no_plan_can_have_are_refused_before_anything_is_allocated(family, entry):
    x = torch.zeros(1, 1, 1, 1, dtype={"conv2d": torch.int64, "conv2d_u8": torch.uint8}.get(family, torch.int8))
    w = onebit.ops.pack_conv_weights(torch.zeros(9, 1, 1, 1, dtype=torch.int64), 1, 1, [1, 1])
    extra = () if family == "conv2d" else (1, 0)

    def call(padding: int) -> None:
        door(f"{family}_int32")[entry](x, w, 9, 1, [1, 1], [1, 1], [padding] * 4, [1, 1], 1, 0, *extra)

    with pytest.raises(RuntimeError, match=r"so large that the result would overflow \(libonebit status"):
        call(2**31 - 1)
    with pytest.raises(RuntimeError, match=r"allocate a tensor of shape \((\d+, )*\d+"):
        call(2**22)


def test_a_refusal_is_explained_without_allocating_the_result():
    x, w = torch.zeros(1, 1, 1, 1, dtype=torch.int64), torch.zeros(1, 1, 1, 1, dtype=torch.int64)
    handle = onebit.ops.pack_conv_weights(w, 1, 1, [1, 1])
    with pytest.raises(NativeError, match=r"so large that the result would overflow \(libonebit status"):
        onebit.ops.conv2d_int32(x, handle, 1, 1, [1, 1], [1, 1], [2**31 - 1] * 4, [1, 1], 1, 0)


@pytest.mark.parametrize("entry", [0, 1], ids=["torch", "python"])
def test_a_pooled_map_of_too_many_numbers_is_refused(entry):
    words, side = torch.zeros(1, 1, 1, 1, dtype=torch.int64), 2**30
    with pytest.raises(RuntimeError, match=r"a tensor of shape \(1, \d+, \d+, 1\) has too many numbers"):
        door("max_pool2d")[entry](words, 1, [side] * 2, [1, 1], [side - 1] * 4, words[0, 0, 0])
