"""The reference against sums in Python integers: a second definition, written differently."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit._errors import DtypeError, ShapeError
from onebit.bits import _reference as reference
from onebit.bits import pack, unpack

SIZES = st.tuples(st.integers(0, 4), st.integers(1, 70), st.integers(1, 140), st.integers(0, 2**31))


def operands(m: int, n: int, k: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, (m + n, k), generator=generator) * 2 - 1
    return signs[:m], signs[m:], torch.randint(0, 256, (m, k), generator=generator, dtype=torch.uint8)


def sums(x: torch.Tensor, w: torch.Tensor) -> list[list[int]]:
    return [[sum(a * b for a, b in zip(row, other, strict=True)) for other in w.tolist()] for row in x.tolist()]


@settings(deadline=None, max_examples=25, derandomize=True)
@given(SIZES)
def test_int32_sums_are_the_integer_dot_products(sizes):
    x, w, u = operands(*sizes)
    y, y_u8 = reference.dense_int32(pack(x.float()), pack(w.float())), reference.dense_u8_int32(u, pack(w.float()))
    assert (y.dtype, y.tolist()) == (torch.int32, sums(x, w))
    assert (y_u8.dtype, y_u8.tolist()) == (torch.int32, sums(u, w))


@settings(deadline=None, max_examples=25, derandomize=True)
@given(SIZES, st.integers(-5, 5))
def test_bits_compare_the_sum_with_the_threshold(sizes, shift):
    x, w, u = operands(*sizes)
    n = len(w)
    threshold = torch.arange(n, dtype=torch.int32) % 7 + shift
    direction = torch.where(torch.arange(n) % 3 == 0, -1, 1).to(torch.int8)
    for y, bits in (
        (sums(x, w), reference.dense_bits(pack(x.float()), pack(w.float()), threshold, direction)),
        (sums(u, w), reference.dense_u8_bits(u, pack(w.float()), threshold, direction)),
    ):
        limits = list(zip(threshold.tolist(), direction.tolist(), strict=True))
        expected = [
            [1 if (s >= t if d > 0 else s <= t) else -1 for s, (t, d) in zip(row, limits, strict=True)] for row in y
        ]
        assert unpack(bits, torch.int8).tolist() == expected


def test_the_float_epilogue_rounds_after_the_product_and_after_the_sum():
    x, w = torch.ones(1, 3), torch.ones(1, 3)  # y = 3
    scale, bias = torch.tensor([1 / 3]), torch.tensor([-1.0])
    assert reference.dense_float(pack(x), pack(w), scale, bias).item() == 0.0  # fused it would be 3 * float(1/3) - 1
    assert 3 * scale.double().item() - 1 != 0.0


def test_sums_above_2_to_the_24_stay_exact():
    k = 100_001
    u, w = torch.full((1, k), 255, dtype=torch.uint8), pack(torch.ones(1, k))
    assert reference.dense_u8_int32(u, w).item() == 255 * k


def test_mismatched_operands_are_refused():
    with pytest.raises(ShapeError, match=r"x has shape \(2, 5\) and w \(3, 6\)"):
        reference.dense_int32(pack(torch.ones(2, 5)), pack(torch.ones(3, 6)))
    with pytest.raises(DtypeError, match=r"torch.float32; expected torch.uint8"):
        reference.dense_u8_int32(torch.ones(2, 5), pack(torch.ones(3, 5)))


def steps_of_one(f: np.float32, activation: list[np.float32], added: np.float32 | None, last: bool) -> np.float32:
    """The steps on one number, in numpy's float32: a second definition."""
    if added is not None and not last:
        f = f + added
    if len(activation) == 1 and not f > 0:
        f = activation[0] * f
    if len(activation) == 2:
        f = activation[0] if f < activation[0] else f
        f = activation[1] if f > activation[1] else f
    return f + added if added is not None and last else f


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_steps_and_signs_are_those_of_one_number_after_the_other(count, residual, last):
    generator = torch.Generator().manual_seed(count)
    x, w, _ = operands(4, 5, 30, 7)
    scale, bias, threshold, low = (torch.randn(5, generator=generator) for _ in range(4))
    activation = [[], [low], [low, low + 0.5]][count]
    other = torch.randn(4, 5, generator=generator) if residual else None
    direction = torch.tensor([1, -1, 1, -1, 1], dtype=torch.int8)
    steps = reference.Steps(activation, other, last)
    packed = pack(x.float()), pack(w.float())
    f, bits = reference.dense_both(*packed, scale, bias, steps, threshold, direction)
    plain = reference.dense_float(*packed, scale, bias)
    assert torch.equal(f, reference.dense_fused(*packed, scale, bias, steps))
    for i in range(4):
        for j in range(5):
            arrays = [a.numpy()[j] for a in activation]
            one = steps_of_one(plain.numpy()[i, j], arrays, other.numpy()[i, j] if residual else None, last)
            t = threshold.numpy()[j]
            assert f.numpy()[i, j] == one
            assert unpack(bits)[i, j] == (-1 if (one < t if direction[j] > 0 else one > t) else 1)


def test_the_sign_of_nan_is_plus_one_and_zeros_are_equal():
    ones = pack(torch.ones(1, 3))
    for value, threshold, sign in ((float("nan"), 0.0, 1), (-0.0, 0.0, 1), (0.0, -0.0, 1), (-1e-45, 0.0, -1)):
        steps = reference.Steps((), torch.tensor([[value]]), True)
        zero, direction = torch.tensor([-0.0]), torch.ones(1, dtype=torch.int8)
        _, bits = reference.dense_both(ones, ones, zero, zero, steps, torch.tensor([threshold]), direction)
        assert unpack(bits).item() == sign
