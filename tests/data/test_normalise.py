from __future__ import annotations

import pytest
import torch

from onebit._errors import OptionError, ShapeError
from onebit.data import Normalise, Unit, preprocess

TRAIN = torch.randint(0, 256, (700, 3, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
TRAIN[:, 1] //= 3


def test_the_training_pictures_get_mean_0_and_deviation_1() -> None:
    y = preprocess(["normalise"]).fit(TRAIN)(TRAIN).double()
    assert float(y.mean((0, 2, 3)).abs().max()) < 1e-6
    assert float((y.square().mean((0, 2, 3)) - 1).abs().max()) < 1e-6
    y = preprocess([{"normalise": {"per_channel": False}}]).fit(TRAIN)(TRAIN).double()
    assert abs(float(y.mean())) < 1e-6
    assert abs(float(y.square().mean()) - 1) < 1e-6
    assert float(y.mean((0, 2, 3)).abs().max()) > 0.1


def test_the_numbers_are_those_of_exact_sums() -> None:
    fitted = preprocess(["normalise"]).fit(TRAIN).steps[0]
    exact = TRAIN.double()
    assert torch.equal(fitted.mean, exact.mean((0, 2, 3)).float())
    assert torch.allclose(fitted.std, exact.std((0, 2, 3), unbiased=False).float(), rtol=1e-7)


def test_given_numbers_are_used_and_nothing_is_learned() -> None:
    given = preprocess(["unit", {"normalise": {"mean": [0.1, 0.2, 0.3], "std": [0.5, 1, 2]}}]).fit(TRAIN)
    mean, std = (torch.tensor(values)[:, None, None] for values in ([0.1, 0.2, 0.3], [0.5, 1.0, 2.0]))
    assert torch.equal(given(TRAIN), (TRAIN / 255 - mean) / std)


def test_a_channel_of_one_value_becomes_nought() -> None:
    black = torch.zeros(5, 3, 2, 2, dtype=torch.uint8)
    assert torch.equal(preprocess(["normalise"]).fit(black)(black), torch.zeros(5, 3, 2, 2))
    assert torch.equal(Unit()(torch.tensor([0.0, 255.0])), torch.tensor([0.0, 1.0]))


@pytest.mark.parametrize(
    "options", [{"mean": [1.0]}, {"std": [1.0]}, {"mean": [1, 2], "std": [1]}, {"mean": [1], "std": [0]}]
)
def test_numbers_that_do_not_fit_are_refused(options: dict) -> None:
    with pytest.raises(OptionError, match="Expected as many numbers in both, std > 0"):
        Normalise(**options)
    with pytest.raises(ShapeError, match="pictures have 3 channels, mean and std 2 numbers"):
        Normalise(mean=[0, 0], std=[1, 1])(TRAIN.float())
