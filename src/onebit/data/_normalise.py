"""Steps that shift and scale all pictures alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onebit._errors import OptionError, ShapeError
from onebit.data._preprocess import PREPROCESSING, Chunks, Step, first_of

Array = np.ndarray[Any, np.dtype[np.float64]]


@PREPROCESSING.register("unit")
class Unit(Step):
    """y = x / 255: pixels to 0..1, the range in which other programs state their constants."""

    def forward(self, x: Tensor) -> Tensor:
        """The formula."""
        return x / 255


@PREPROCESSING.register("normalise")
class Normalise(Step):
    """y = (x - mean) / std, with mean and std of the training pictures, of each channel or of all values.

    per_channel: whether each channel has its own.
    mean, std: given instead of learned, one number for each channel, in the range in which the pictures arrive.
    A channel of one value has a std of 0, which is replaced by 1.
    """

    learned = ("mean", "std")

    def __init__(
        self, per_channel: bool = True, mean: Sequence[float] | None = None, std: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        self.per_channel = per_channel
        self.given = mean is not None
        if mean is None and std is None:
            return
        if mean is None or std is None or len(mean) != len(std) or not all(one > 0 for one in std):
            raise OptionError(f"normalise: mean is {mean!r}, std {std!r}. Expected as many numbers in both, std > 0.")
        self.mean, self.std = (torch.tensor(values, dtype=torch.float32) for values in (mean, std))

    def fit(self, chunks: Chunks) -> None:
        """Two passes, summed in float64 and by one thread, so that the result is the same on every run."""
        if self.given:
            return
        first, _ = first_of(chunks)
        sums, count = _totals(chunks, lambda x: x)
        mean = sums / count if self.per_channel else np.full_like(sums, sums.mean() / count)
        squares, _ = _totals(chunks, lambda x: np.square(x - mean[:, None, None]))
        std = np.sqrt(squares / count if self.per_channel else np.full_like(sums, squares.mean() / count))
        self.mean = torch.tensor(mean, dtype=torch.float32, device=first.device)
        self.std = torch.tensor(np.where(std == 0, 1, std), dtype=torch.float32, device=first.device)

    def forward(self, x: Tensor) -> Tensor:
        """The formula."""
        mean, std = self.require("mean"), self.require("std")
        if len(mean) not in (1, x.shape[1]):
            raise ShapeError(f"normalise: pictures have {x.shape[1]} channels, mean and std {len(mean)} numbers.")
        return (x - mean[:, None, None]) / std[:, None, None]


def _totals(chunks: Chunks, of: Callable[[Array], Array]) -> tuple[Array, int]:
    """The sum of a function of the pictures over each channel, and how many values a channel has."""
    sums, count = np.zeros(()), 0
    for x in chunks():
        values = of(x.cpu().numpy().astype(np.float64))
        sums = sums + values.sum((0, 2, 3))
        count += values[:, 0].size
    return sums, count
