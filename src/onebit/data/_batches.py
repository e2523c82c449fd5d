"""Batches and validation splits of a data set in memory, by vectorised selection. Knows nothing of files."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from onebit._errors import OptionError
from onebit.data._dataset import Dataset


class Batches:
    """The batches of one set, to be iterated once per epoch; made by `batches`."""

    def __init__(
        self, dataset: Dataset, batch_size: int, shuffle: bool, generator: torch.Generator | None, drop_last: bool
    ) -> None:
        if batch_size < 1:
            raise OptionError(f"batch_size is {batch_size}; expected 1 or more.")
        if generator is not None and not shuffle:
            raise OptionError("A generator was given but shuffle is False, so it would do nothing; pass shuffle=True.")
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.generator = generator
        self.drop_last = drop_last

    def __len__(self) -> int:
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        images, labels = self.dataset.images, self.dataset.labels
        # The order is always drawn on the CPU: the same seed gives the same order on every device.
        order = torch.randperm(len(labels), generator=self.generator).to(labels.device) if self.shuffle else None
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            chosen = slice(start, start + self.batch_size) if order is None else order[start : start + self.batch_size]
            yield images[chosen], labels[chosen]


def batches(
    dataset: Dataset,
    batch_size: int,
    *,
    shuffle: bool = False,
    generator: torch.Generator | None = None,
    drop_last: bool = False,
) -> Batches:
    """An iterable of (images uint8 (B, C, H, W), labels int64 (B,)); `len()` of it is the number of batches.

    shuffle: every iteration draws a new order from `generator`, a CPU generator (torch's default one if None), so a
        seeded generator makes the whole sequence of epochs deterministic.
    drop_last: leave out a last batch that is smaller than `batch_size`.

    Raises OptionError for batch_size < 1 and for a generator without shuffle.
    """
    return Batches(dataset, batch_size, shuffle, generator, drop_last)


def split(dataset: Dataset, validation: int, seed: int | None = None) -> tuple[Dataset, Dataset]:
    """(training, validation) parts of a set, with `validation` pictures in the second.

    seed: None takes the last pictures, as the paper does (arXiv:1602.02830); a number draws them at random. Both
        parts keep the order of the set.

    Raises OptionError unless 1 <= validation < len(dataset).
    """
    total = len(dataset)
    if not 1 <= validation < total:
        raise OptionError(f"validation is {validation}; expected 1 to {total - 1} of the {total} pictures.")
    if seed is None:
        order = torch.arange(total)
    else:
        order = torch.randperm(total, generator=torch.Generator().manual_seed(seed))
    cut = total - validation
    return dataset.select(order[:cut].sort().values), dataset.select(order[cut:].sort().values)
