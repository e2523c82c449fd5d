"""Sums: the integers that a channel can see, and when a float bias leaves them exact."""

from __future__ import annotations

import pytest
import torch

from onebit.conversion._sums import Sums, bias_is_exact, is_power_of_two, of_pixels, of_signs


def test_signs_make_every_second_integer() -> None:
    lowest, count, step = of_signs(torch.ones(2, 3))
    sums = Sums(3, lowest, count, step, torch.ones(2), torch.zeros(2), "linear")
    assert sums.integers(0, count).tolist() == [[-3, -3], [-1, -1], [1, 1], [3, 3]]
    assert sums.exact
    assert sums.n == 2


def test_pixels_make_every_integer_between_their_extremes() -> None:
    signs = torch.tensor([[1.0, 1.0, -1.0], [-1.0, -1.0, -1.0]])
    lowest, count, step = of_pixels(signs, 0, 255)
    assert lowest.tolist() == [-255, -765]
    assert (lowest + step * (count - 1)).tolist() == [510, 0]
    lowest, count, step = of_pixels(signs, -128, 127)
    assert lowest.tolist() == [-128 - 128 - 127, -3 * 127]
    assert (lowest + step * (count - 1)).tolist() == [127 + 127 + 128, 3 * 128]


@pytest.mark.parametrize(
    ("bias", "largest", "exact"),
    [
        (3.0, 1000, True),
        (0.125, 1000, True),
        (0.1, 1000, False),
        (2.0**-13, 1000, True),
        (2.0**-14, 1000, True),
        (2.0**-15, 1000, False),
        (1.0, 2**24, False),
        (0.0, 2**24, False),
        (float("inf"), 10, False),
    ],
)
def test_a_bias_is_exact_if_float32_holds_every_partial_sum(bias: float, largest: float, exact: bool) -> None:
    assert bias_is_exact(torch.tensor([bias]), largest) is exact


def test_powers_of_two_are_those_that_never_round() -> None:
    x = torch.tensor([1.0, -2.0, 0.25, 3.0, 0.1, 0.0])
    assert is_power_of_two(x).tolist() == [True, True, True, False, False, False]
