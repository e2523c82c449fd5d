import time

import pytest
import torch

from onebit import models
from onebit.cli import _demo_report as report
from onebit.data import Dataset


@pytest.fixture
def digits():
    rng = torch.Generator().manual_seed(3)
    images = torch.randint(0, 256, (40, 1, 28, 28), generator=rng, dtype=torch.uint8)
    labels = torch.randint(0, 10, (40,), generator=rng)
    return Dataset(images, labels, tuple("0123456789"), "digits", "made by the test")


def test_freezing_changes_no_score_and_leaves_the_model():
    model = models.mlp(hidden=(16,)).eval()
    x = torch.randint(0, 256, (5, 1, 28, 28), dtype=torch.uint8)
    before = model(x)
    frozen = report.freeze(model)
    assert torch.equal(frozen(x), before)
    assert {float(value) for value in frozen.hidden1.linear.weight.detach().unique()} == {-1.0, 1.0}
    assert model.hidden1.linear.weight.unique().numel() > 2


def test_predictions_cover_every_picture_in_order(digits):
    one_hot = torch.eye(10)[digits.labels]
    batches = iter(one_hot.split(256))
    assert torch.equal(report.predictions(lambda _: next(batches), digits.images), digits.labels)


def test_a_race_tells_the_slow_from_the_quick():
    quick, slow = report.race((lambda x: x, lambda _: time.sleep(0.02)), torch.zeros(1), seconds=0.1)
    assert slow >= 0.02 > quick


@pytest.mark.parametrize("right", [0, 5, 40])
def test_the_picture_shows_answers_whatever_their_number(right, digits, tmp_path):
    answers = digits.labels.clone()
    answers[right:] = (answers[right:] + 1) % 10
    path = report.draw_digits(lambda _: torch.eye(10)[answers], digits, tmp_path / "digits.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_unequal_answers_are_said(capsys):
    side = report.Side("net", 0.5, 1000, 1.0, 100.0, "kernel")
    comparison = report.Comparison(side, side, pictures=40, equal_predictions=38)
    comparison.print()
    assert not comparison.equal
    assert "2 answers differ" in capsys.readouterr().out
