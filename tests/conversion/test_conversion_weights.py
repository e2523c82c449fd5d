"""Binary weights: one magnitude per output, whatever it is."""

from __future__ import annotations

import pytest
import torch

from onebit.conversion._thresholds import NotBinary
from onebit.conversion._weights import binary_weights

SIGNS = torch.tensor([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0]])


@pytest.mark.parametrize("scale", [[1.0, 1.0], [0.5, 4.0], [0.3, 7.1]])
def test_signs_times_scale_give_the_weights_back(scale: list[float]) -> None:
    w = SIGNS * torch.tensor(scale)[:, None]
    found = binary_weights(w)
    assert torch.equal(found.signs, SIGNS)
    assert torch.equal(found.scale[:, None] * found.signs, w)
    assert bool(found.note) is (scale == [0.3, 7.1])


def test_weights_that_miss_one_by_rounding_are_signs_with_a_note() -> None:
    found = binary_weights(SIGNS * (1 - 6e-8))
    assert found.scale.tolist() == [1.0, 1.0]
    assert "rounding" in found.note


@pytest.mark.parametrize("wrong", [0.0, 0.5, 1.001, float("nan"), float("inf")])
def test_one_other_magnitude_makes_them_float_and_names_the_output(wrong: float) -> None:
    w = SIGNS.clone()
    w[1, 2] = wrong
    with pytest.raises(NotBinary, match="output 1 has magnitudes"):
        binary_weights(w)
    with pytest.raises(NotBinary):
        binary_weights(torch.zeros(2, 3))
