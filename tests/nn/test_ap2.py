import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit._errors import DtypeError, OptionError
from onebit.nn import functional as F
from onebit.nn._ap2 import leading_power, leading_power_

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def exponent(x: float, rounding: str) -> int:
    """The exponent of AP2 by the definition, in rational numbers: 2**(k - 1/2) < |x| < 2**(k + 1/2)."""
    square = Fraction(x) ** 2
    k = math.frexp(x)[1]
    if rounding == "floor":
        return k - 1
    return k if square > Fraction(2) ** (2 * k - 1) else k - 1


@pytest.mark.parametrize("rounding", ["nearest", "floor"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@settings(deadline=None, max_examples=40, derandomize=True)
@given(mantissa=st.integers(1, 2**53 - 1), scale=st.integers(-60, 60), negative=st.booleans())
def test_ap2_rounds_the_logarithm(dtype, rounding, mantissa, scale, negative):
    x = torch.tensor(math.ldexp(-mantissa if negative else mantissa, scale - 53), dtype=torch.float64).to(dtype)
    if x == 0 or x.isinf():
        return
    expected = math.copysign(2.0 ** exponent(float(x), rounding), float(x))
    assert torch.equal(F.ap2(x, rounding), torch.tensor(expected, dtype=torch.float64).to(dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_switch_is_between_the_two_floats_around_the_root_of_two(dtype):
    fraction = round(-math.log2(torch.finfo(dtype).eps))
    below = math.isqrt(2 << 2 * fraction)
    pair = torch.tensor([math.ldexp(below, -fraction), math.ldexp(below + 1, -fraction)], dtype=torch.float64).to(dtype)
    assert [Fraction(float(x)) ** 2 < 2 for x in pair] == [True, False]
    for shift in (-3.0, 0.0, 5.0):
        assert F.ap2(pair * 2**shift).tolist() == [2**shift, 2 ** (shift + 1)]
        assert F.ap2(-pair * 2**shift, "floor").tolist() == [-(2**shift)] * 2


def test_known_values():
    x = torch.tensor([1.4, 1.42, 3, 5, 6, -3, 0.0, 0.7, 0.71])
    assert F.ap2(x).tolist() == [1, 2, 4, 4, 8, -4, 0, 0.5, 1]
    assert F.ap2(x, "floor").tolist() == [1, 1, 2, 4, 4, -2, 0, 0.5, 0.5]


@pytest.mark.parametrize("rounding", ["nearest", "floor"])
def test_extremes_are_exact(rounding):
    least = 2.0**-149
    x = torch.tensor([least, 3 * least, 5 * least, 2.0**-127, -least, math.inf, -math.inf, 3e38])
    nearest = [least, 4 * least, 4 * least, 2.0**-127, -least, math.inf, -math.inf, math.inf]
    floor = [least, 2 * least, 4 * least, 2.0**-127, -least, math.inf, -math.inf, 2.0**127]
    assert F.ap2(x, rounding).tolist() == (nearest if rounding == "nearest" else floor)
    assert bool(F.ap2(torch.tensor([math.nan, -math.nan]), rounding).isnan().all())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("rounding", ["nearest", "floor"])
def test_the_fast_form_agrees_on_normal_numbers(dtype, rounding):
    x = torch.randn(5000, generator=torch.Generator().manual_seed(0), dtype=torch.float64).exp().to(dtype)
    x = torch.cat([x, -x, torch.zeros(1, dtype=dtype)])
    assert torch.equal(leading_power(x, rounding), F.ap2(x, rounding))
    assert torch.equal(leading_power_(x.clone()), F.ap2(x))


def test_the_derivative_is_one():
    x = torch.tensor([0.3, -5.0, 0.0], requires_grad=True)
    (F.ap2(x) * torch.tensor([2.0, 3.0, 4.0])).sum().backward()
    assert x.grad.tolist() == [2, 3, 4]


def test_what_ap2_does_not_take_is_refused():
    with pytest.raises(OptionError, match="rounding is 'up'"):
        F.ap2(torch.ones(1), "up")
    with pytest.raises(DtypeError, match=r"torch\.int64"):
        F.ap2(torch.ones(1, dtype=torch.int64))
