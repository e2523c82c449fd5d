"""onebit::pack and its forms are the convention, at every position of every vector, on every instruction set."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit import bits, ops
from onebit._errors import DtypeError, NativeError, OptionError, ShapeError
from onebit.bits import Packed, words_for
from onebit.ops import _front_door, native

PACK_ISAS = native.available_isas("pack")
DOORS = [0, 1]
EDGES = [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 511, 512, 513, 1000]


def door(name: str, entry: int):
    return (getattr(torch.ops.onebit, name).default, _front_door._fallbacks[name])[entry]


@pytest.mark.parametrize("isa", PACK_ISAS)
@pytest.mark.parametrize("k", EDGES)
def test_the_sign_bit_of_a_float_is_not_its_sign(isa, k):
    """-0.0 and a NaN with its sign bit set are +1 wherever they stand: in a full vector as in a tail."""
    for value in (-0.0, 0.0, math.nan, math.copysign(math.nan, -1), math.inf, 1e-45):
        x = torch.full((k, k), -1.0)
        x.fill_diagonal_(value)
        with native.force(isa):
            got = ops.pack(x)
            assert native.ran("pack") == isa
        expected = torch.full((k, k), -1.0)
        expected.fill_diagonal_(1.0)
        assert torch.equal(got, bits.pack(expected).words), value


@pytest.mark.parametrize("isa", PACK_ISAS)
@pytest.mark.parametrize("k", EDGES)
@pytest.mark.parametrize("value", [-math.inf, -1e-45, -1.0, -3.4e38])
def test_whatever_is_below_zero_is_minus_one(isa, k, value):
    with native.force(isa):
        got = ops.pack(torch.full((3, k), value))
    assert torch.equal(got, bits.pack(torch.full((3, k), -1.0)).words)
    Packed.checked(got, k)


@pytest.mark.parametrize("isa", PACK_ISAS)
@pytest.mark.parametrize("entry", DOORS, ids=["torch", "python"])
@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.integers(0, 33), st.sampled_from(EDGES) | st.integers(1, 1100), st.integers(0, 2**31))
def test_pack_is_the_pure_torch_pack(isa, entry, rows, k, seed):
    x = torch.randn(rows, k, generator=torch.Generator().manual_seed(seed))
    with native.force(isa):
        got = door("pack", entry)(x)
        assert rows == 0 or native.ran("pack") == isa
    assert got.shape == (rows, words_for(k))
    assert torch.equal(got, bits.pack(x).words)


@pytest.mark.parametrize("entry", DOORS, ids=["torch", "python"])
@pytest.mark.parametrize("shape", [(5,), (0, 5), (2, 3, 70), (2, 0, 3, 5)])
def test_leading_dimensions_are_kept(entry, shape):
    x = torch.randn(shape)
    assert torch.equal(door("pack", entry)(x), bits.pack(x).words)


@pytest.mark.parametrize("entry", DOORS, ids=["torch", "python"])
def test_views_are_packed_as_they_read(entry):
    x = torch.randn(9, 200)
    raw = torch.frombuffer(bytearray(b"\xff" + x.numpy().tobytes()), dtype=torch.float32, offset=1)
    for view in (x.T, x[1:, 3:], x[:, ::2], x[:1].expand(4, -1), x.flip(0), raw):
        assert torch.equal(door("pack", entry)(view), bits.pack(view).words)


def test_a_lazily_negated_view_is_resolved_by_the_dispatcher():
    x = torch.randn(9, 200)
    assert torch.equal(ops.pack(torch._neg_view(x)), bits.pack(-x).words)


DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.int8, torch.uint8]
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, math.inf, -math.inf, math.nan, -math.nan)


def values(generator: torch.Generator, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Many of them zeros, halves, infinities and NaN, so that thresholds are met exactly."""
    if not dtype.is_floating_point:
        return torch.randint(0, 256, shape, generator=generator).to(torch.uint8).view(dtype)
    special = torch.tensor(SPECIAL)[torch.randint(0, len(SPECIAL), shape, generator=generator)]
    return torch.where(
        torch.rand(shape, generator=generator) < 0.5, special, torch.randn(shape, generator=generator)
    ).to(dtype)


def thresholds(generator: torch.Generator, c: int) -> dict[str, torch.Tensor]:
    whole = torch.randint(-40, 140, (c,), generator=generator).float()
    special = torch.tensor(SPECIAL)[torch.randint(0, len(SPECIAL), (c,), generator=generator)]
    direction = 1 - 2 * torch.randint(0, 2, (c,), generator=generator)
    use = torch.rand(c, generator=generator) < 0.5
    return {"threshold": torch.where(use, special, whole), "direction": direction.to(torch.int8)}


def test_every_form_is_an_operator():
    assert sorted(ops._pack._NAMES.values()) == ["pack", "pack_nchw", "pack_nchw_threshold", "pack_threshold"]


@pytest.mark.parametrize("isa", PACK_ISAS)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: str(dtype).removeprefix("torch."))
@pytest.mark.parametrize("axis", [-1, 1])
@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    c=st.integers(1, 130),
    image=st.tuples(st.integers(0, 3), st.integers(0, 17), st.integers(1, 17)),
    compared=st.booleans(),
    memory=st.sampled_from(["as given", "other layout", "strided"]),
    seed=st.integers(0, 2**31),
)
def test_every_form_is_the_reference(isa, dtype, axis, c, image, compared, memory, seed):
    generator = torch.Generator().manual_seed(seed)
    n, height, width = image
    x = values(generator, (n, c, height, width) if axis == 1 else (n, height, width, c), dtype)
    if memory == "other layout":
        x = x.movedim(axis, -axis).contiguous().movedim(-axis, axis)
    elif memory == "strided":
        x = torch.stack([x, x], -1)[..., 0]
    channels = thresholds(generator, c) if compared or dtype == torch.uint8 else {}
    expected = bits.pack(x, axis=axis, **channels).words
    with native.force(isa):
        got = ops.pack(x, axis=axis, **channels)
        assert got.numel() == 0 or native.ran("pack") == isa
        name = ops._pack._NAMES[axis == 1, bool(channels)]
        assert torch.equal(_front_door._fallbacks[name](x, *channels.values()), expected)
    assert (got.dtype, got.shape) == (torch.int64, (n, height, width, words_for(c)))
    assert torch.equal(got, expected)


@pytest.mark.parametrize("isa", PACK_ISAS)
@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("dtype", DTYPES[:3], ids=lambda dtype: str(dtype).removeprefix("torch."))
@pytest.mark.parametrize("c", [1, 63, 64, 65, 130])
def test_ties_zeros_and_nan_are_plus_one_in_both_directions_at_every_place(isa, axis, dtype, c):
    """0 and -0.0 are one number; what equals its threshold is +1; a comparison with NaN decides nothing: +1."""
    for value, threshold in ((-0.0, 0.0), (0.0, -0.0), (1.5, 1.5), (math.nan, 0.0), (-math.nan, 0.0), (0.0, math.nan)):
        for way in (1, -1):
            x = torch.full((1, c, 7, 5) if axis == 1 else (1, 7, 5, c), value, dtype=dtype)
            channels = torch.full((c,), threshold), torch.full((c,), way, dtype=torch.int8)
            with native.force(isa):
                assert not ops.pack(x, axis=axis, threshold=channels[0], direction=channels[1]).any()


@pytest.mark.parametrize("shape", [(2, 70), (2, 70, 9), (2, 70, 9, 4), (2, 70, 3, 5, 2), (0, 70, 9), (2, 70, 0)])
def test_channels_of_dimension_1_are_taken_from_any_number_of_dimensions(shape):
    x = torch.randn(shape)
    assert torch.equal(ops.pack(x, axis=1), bits.pack(x.movedim(1, -1)).words)


def test_several_tasks_that_end_inside_a_picture_give_the_same_words():
    generator = torch.Generator().manual_seed(5)
    x, channels = torch.randn(3, 70, 41, 43, generator=generator), thresholds(generator, 70)
    for given_axis, view in ((1, x), (-1, x.permute(0, 2, 3, 1).contiguous())):
        assert torch.equal(ops.pack(view, axis=given_axis), bits.pack(x, axis=1).words)
        assert torch.equal(ops.pack(view, axis=given_axis, **channels), bits.pack(x, axis=1, **channels).words)


def test_what_cannot_be_packed_is_named():
    x, t, d = torch.randn(2, 3, 4), torch.zeros(4), torch.ones(4, dtype=torch.int8)
    wrong = {
        "uint8, never below 0, so each sign would be \\+1; give a threshold": (DtypeError, x.byte(), {}),
        "dtype torch.int32; expected a floating dtype, int8, or uint8": (DtypeError, x.int(), {}),
        "dtype torch.float64; expected one of torch.float32, torch.float16": (DtypeError, x.double(), {}),
        "axis is 0; expected -1": (OptionError, x, {"axis": 0}),
        "one of threshold and direction is missing": (OptionError, x, {"threshold": t}),
        r"threshold has shape \(4,\); expected \(3,\)": (ShapeError, x, {"axis": 1, "threshold": t, "direction": d}),
        "direction has dtype torch.int64; expected torch.int8": (
            DtypeError,
            x,
            {"threshold": t, "direction": d.long()},
        ),
        r"shape \(5,\); expected \(N, K, ...\)": (ShapeError, torch.randn(5), {"axis": 1}),
        r"shape \(2, 0, 3\); expected \(N, K, ...\)": (ShapeError, torch.randn(2, 0, 3), {"axis": 1}),
        "neither \\+1 nor -1": (NativeError, x, {"threshold": t, "direction": 0 * d}),
    }
    for message, (kind, given_x, options) in wrong.items():
        with pytest.raises(kind, match=message):
            ops.pack(given_x, **options)


@pytest.mark.parametrize("name", sorted(ops._pack._NAMES.values()))
def test_no_reference_is_kept_by_any_form(name, keep_no_reference):
    channels = {"threshold": torch.zeros(5), "direction": torch.ones(5, dtype=torch.int8)}
    given = {"x": torch.randn(2, 5, 3, 5), **(channels if "threshold" in name else {})}
    keep_no_reference(getattr(torch.ops.onebit, name), given)
