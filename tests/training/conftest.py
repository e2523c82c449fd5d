"""A tiny learnable set and a recipe that trains on it in well under a second."""

from __future__ import annotations

import pytest
import torch

from onebit.data import Dataset
from onebit.training import Recipe

RECIPE = """
description: four bright corners
data: {name: corners, validation: 0.25}
model: {name: mlp, options: {hidden: [24, 16], inputs: 64, classes: 4, dropout: [0.1, 0.2]}}
optimizer: {lr: 0.01, lr_end: 1e-3, decay: step}
evaluation: {recalibrate: 100}
epochs: 3
batch_size: 20
seed: 5
"""


def corners(n, seed):
    """Noise of 8 x 8, with one corner brighter: the label says which."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (n,), generator=rng)
    images = torch.randint(0, 120, (n, 1, 8, 8), generator=rng)
    for picture, label in zip(images, labels.tolist(), strict=True):
        row, column = divmod(label, 2)
        picture[0, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 120
    return Dataset(images.to(torch.uint8), labels, ("nw", "ne", "sw", "se"), "corners", "made by the test")


@pytest.fixture(scope="session")
def data():
    """(training, test), 280 and 100 pictures."""
    return corners(280, 1), corners(100, 2)


@pytest.fixture
def recipe():
    """Three epochs of ten steps, with dropout and recalibration."""
    return Recipe.parse(RECIPE, name="corners", origin="the test")
