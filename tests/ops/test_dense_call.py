"""The six dense operators give the reference's numbers: every instruction set, both front doors, awkward sizes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import onebit.ops
from onebit.bits import Packed, pack
from onebit.bits import _reference as reference
from onebit.ops import _front_door, native

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
K_EDGES = (1, 2, 63, 64, 65, 127, 128, 129, 511, 512, 513, 575, 576, 1023, 1025)
N_EDGES = (1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 130)
FAMILIES = [("dense", isa) for isa in native.available_isas("dense")]
FAMILIES += [("dense_u8", isa) for isa in native.available_isas("dense_u8")]
SIZES = st.tuples(
    st.integers(0, 33),
    st.sampled_from(N_EDGES) | st.integers(1, 140),
    st.sampled_from(K_EDGES) | st.integers(1, 700),
    st.integers(0, 2**31),
)


def door(name: str):
    """The operator as torch calls it, and its Python kernel: both must give the same numbers."""
    return getattr(torch.ops.onebit, name).default, _front_door._fallbacks[name]


def operands(family: str, shape: tuple[int, ...], n: int, k: int, seed: int):
    generator = torch.Generator().manual_seed(seed)
    w = pack(torch.randn(n, k, generator=generator))
    if family == "dense":
        return pack(torch.randn(*shape, k, generator=generator)), w
    return torch.randint(0, 256, (*shape, k), generator=generator, dtype=torch.uint8), w


def channels(y: torch.Tensor, n: int, seed: int):
    """Scales, biases, and thresholds that the sums of some row hit exactly, miss by one, or can never reach."""
    generator = torch.Generator().manual_seed(seed + 1)
    scale, bias = torch.randn(2, n, generator=generator)
    middle = y.reshape(-1, n)[0] if y.numel() else torch.zeros(n, dtype=torch.int32)
    threshold = middle + torch.randint(-1, 2, (n,), generator=generator, dtype=torch.int32)
    limits = torch.tensor([INT32_MIN, INT32_MAX], dtype=torch.int32)
    constant = limits[torch.randint(0, 2, (n,), generator=generator)]
    threshold = torch.where(torch.rand(n, generator=generator) < 0.1, constant, threshold)
    direction = (torch.randint(0, 2, (n,), generator=generator) * 2 - 1).to(torch.int8)
    return scale, bias, threshold, direction


def equal(got: torch.Tensor, expected: torch.Tensor) -> bool:
    return got.dtype == expected.dtype and got.is_contiguous() and torch.equal(got, expected)


@pytest.mark.parametrize(("family", "isa"), FAMILIES)
@settings(deadline=None, max_examples=25, derandomize=True)
@given(SIZES)
def test_every_output_is_the_references(family, isa, sizes):
    m, n, k, seed = sizes
    x, w = operands(family, (m,), n, k, seed)
    expected = getattr(reference, f"{family}_int32")(x, w)
    scale, bias, threshold, direction = channels(expected, n, seed)
    scaled = getattr(reference, f"{family}_float")(x, w, scale, bias)
    bits = getattr(reference, f"{family}_bits")(x, w, threshold, direction)
    words = x.words if isinstance(x, Packed) else x
    handle = onebit.ops.pack_weights(w.words, k)
    with native.force(isa):
        for entry in (0, 1):
            assert equal(door(f"{family}_int32")[entry](words, handle, n, k), expected)
            assert equal(door(f"{family}_float")[entry](words, handle, n, k, scale, bias), scaled)
            got = door(f"{family}_bits")[entry](words, handle, n, k, threshold, direction)
            assert equal(got, bits.words)
            Packed.checked(got, n)  # the tail bits are zero
        assert m == 0 or native.ran(family) == isa


@pytest.mark.parametrize(("family", "isa"), FAMILIES)
@pytest.mark.parametrize("k", [1, 63, 64, 65, 511, 512, 513, 1025])
def test_every_n_around_the_edges(family, isa, k):
    with native.force(isa):
        for n in N_EDGES:
            x, w = operands(family, (3,), n, k, seed=n)
            words = x.words if isinstance(x, Packed) else x
            got = getattr(onebit.ops, f"{family}_int32")(words, onebit.ops.pack_weights(w.words, k), n, k)
            assert equal(got, getattr(reference, f"{family}_int32")(x, w)), (n, k)
            assert native.ran(family) == isa


@pytest.mark.parametrize("family", ["dense", "dense_u8"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (2, 3), (1, 2, 1, 2)])
def test_leading_dimensions_are_kept(family, shape):
    n, k = 70, 130
    x, w = operands(family, shape, n, k, seed=5)
    words, handle = x.words if isinstance(x, Packed) else x, onebit.ops.pack_weights(w.words, k)
    for run in door(f"{family}_int32"):
        assert equal(run(words, handle, n, k), getattr(reference, f"{family}_int32")(x, w))


def layouts(x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The same values laid out in every way that a view can be: strided, offset, repeated, at an odd address."""
    raw = bytearray(b"\xff" + x.numpy().tobytes())  # 0xff: a kernel that ignores the offset gives other numbers
    padded = torch.cat([torch.full_like(x[:1], -1 if x.is_signed() else 255), x])
    return {
        "transposed": x.T.contiguous().T,
        "offset": padded[1:],
        "every other": x.repeat_interleave(2, 1)[:, ::2],
        "expanded": x[:1].expand(len(x), -1),
        "odd address": torch.frombuffer(raw, dtype=x.dtype, offset=1).reshape(x.shape),
    }


@pytest.mark.parametrize("family", ["dense", "dense_u8"])
@pytest.mark.parametrize("entry", [0, 1], ids=["torch", "python"])
def test_the_layout_of_an_operand_does_not_matter(family, entry):
    m, n, k = 6, 70, 200
    x, w = operands(family, (m,), n, k, seed=9)
    words, handle = x.words if isinstance(x, Packed) else x, onebit.ops.pack_weights(w.words, k)
    run = door(f"{family}_int32")[entry]
    for name, view in layouts(words).items():
        assert equal(run(view, handle, n, k), run(view.clone(memory_format=torch.contiguous_format), handle, n, k)), (
            name
        )
    y = getattr(reference, f"{family}_int32")(x, w)
    scale, bias, threshold, direction = channels(y, n, 1)
    spread = [torch.stack([c, c + 1], 1)[:, 0] for c in (scale, bias, threshold, direction)]  # strides of 2
    assert equal(
        door(f"{family}_float")[entry](words, handle, n, k, *spread[:2]),
        getattr(reference, f"{family}_float")(x, w, scale, bias),
    )
    assert equal(
        door(f"{family}_bits")[entry](words, handle.repeat(2)[len(handle) :], n, k, *spread[2:]),
        getattr(reference, f"{family}_bits")(x, w, threshold, direction).words,
    )


@pytest.mark.parametrize(("family", "isa"), FAMILIES)
def test_constant_channels_and_their_tail(family, isa):
    """direction +1 with the least threshold is always +1, with the greatest never; the tail stays 0 all the same."""
    k, n = 65, 67
    x, w = operands(family, (2,), n, k, seed=3)
    words, handle = x.words if isinstance(x, Packed) else x, onebit.ops.pack_weights(w.words, k)
    up = torch.ones(n, dtype=torch.int8)
    with native.force(isa):
        for threshold, direction, expected in (
            (INT32_MIN, up, [0, 0]),
            (INT32_MAX, up, [-1, 7]),
            (INT32_MAX, -up, [0, 0]),
            (INT32_MIN, -up, [-1, 7]),
        ):
            limits = torch.full((n,), threshold, dtype=torch.int32)
            got = getattr(onebit.ops, f"{family}_bits")(words, handle, n, k, limits, direction)
            assert got.tolist() == [expected] * 2
        assert native.ran(family) == isa
