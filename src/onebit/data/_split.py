"""Validation splits of a data set. Knows nothing of files."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from onebit._errors import OptionError
from onebit.data._dataset import Dataset
from onebit.data._pictures import Pictures, PictureSet

T = TypeVar("T", Dataset, Pictures, PictureSet)


def split(dataset: T, validation: int, seed: int | None = None, *, balanced: bool = False) -> tuple[T, T]:
    """(training, validation) parts of a set, with `validation` pictures in the second.

    seed: None takes the last pictures, as the paper does (arXiv:1602.02830); a number draws them at random. Both
        parts keep the order of the set.
    balanced: as many of every class, the last or drawn ones; `validation` must be a multiple of their number.

    Raises OptionError unless 1 <= validation < len(dataset), or if the classes cannot be balanced.
    """
    total = len(dataset)
    if not 1 <= validation < total:
        raise OptionError(f"validation is {validation}; expected 1 to {total - 1} of the {total} pictures.")
    if seed is None:
        order = torch.arange(total)
    else:
        order = torch.randperm(total, generator=torch.Generator().manual_seed(seed))
    held_out = order[total - validation :] if not balanced else _last_of_each_class(dataset, order, validation)
    chosen = torch.zeros(total, dtype=torch.bool)
    chosen[held_out] = True
    return dataset.select((~chosen).nonzero()[:, 0]), dataset.select(chosen.nonzero()[:, 0])


def _last_of_each_class(dataset: PictureSet, order: Tensor, validation: int) -> Tensor:
    labels, classes = dataset.labels.cpu()[order], len(dataset.classes)
    each, rest = divmod(validation, classes)
    smallest = int(labels.bincount(minlength=classes).min())
    if rest or each > smallest:
        raise OptionError(
            f"validation is {validation}, balanced over {classes} classes; expected a multiple of {classes}, at most "
            f"{smallest * classes}, for the smallest class has {smallest} pictures."
        )
    return torch.cat([order[labels == label][-each:] for label in range(classes)])
