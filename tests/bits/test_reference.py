"""The reference against sums in Python integers: a second definition, written differently."""

from __future__ import annotations

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
