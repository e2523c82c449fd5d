"""The authors' validation pictures of SVHN: how many, of which parts, and which."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onebit._errors import OptionError
from onebit.data import Dataset, split_as_authors
from onebit.data._svhn_authors import EACH, PARTS

SMALL = (700, 400)


def numbered(parts: tuple[int, int]) -> Dataset:
    """Picture i holds the number i in its first bytes; digits in no order."""
    count = sum(parts)
    numbers = torch.arange(count, dtype=torch.int32)
    labels = torch.randint(10, (count,), generator=torch.Generator().manual_seed(0))
    images = numbers.view(torch.uint8).view(count, 1, 1, 4)
    return Dataset(images, labels, tuple("0123456789"), "svhn", "made by a test")


def numbers(pictures: Dataset) -> list[int]:
    return pictures.images.contiguous().view(torch.int32).flatten().tolist()


def test_of_every_digit_400_of_train_and_200_of_extra_are_held_out() -> None:
    training, validation = split_as_authors(numbered(PARTS))
    assert (len(training), len(validation)) == (598_388, 6_000)
    held_out = torch.tensor(numbers(validation))
    for part, each in ((held_out < PARTS[0], EACH[0]), (held_out >= PARTS[0], EACH[1])):
        assert validation.labels[part].bincount().tolist() == [each] * 10


def test_one_generator_shuffles_the_places_of_1_to_9_and_0_in_the_one_part_and_then_in_the_other() -> None:
    whole = numbered(SMALL)
    training, validation = split_as_authors(whole, SMALL, (4, 2))
    generator, expected = np.random.RandomState(322), []
    for offset, part, each in ((0, whole.labels[:700], 4), (700, whole.labels[700:], 2)):
        for digit in (1, 2, 3, 4, 5, 6, 7, 8, 9, 0):
            expected += (offset + generator.permutation(np.flatnonzero(part.numpy() == digit))[:each]).tolist()
    assert numbers(validation) == sorted(expected)
    assert numbers(training) == sorted(set(range(1100)) - set(expected))


def test_the_draw_is_the_one_of_every_machine() -> None:
    _, validation = split_as_authors(numbered(SMALL), SMALL, (1, 1))
    assert numbers(validation)[:10] == [53, 86, 283, 294, 372, 389, 480, 564, 615, 636]


def test_another_set_and_one_with_too_few_are_refused() -> None:
    with pytest.raises(
        OptionError, match=r"svhn has 1,100 pictures here.*among the 604,388 of svhn's split train\+extra"
    ):
        split_as_authors(numbered(SMALL))
    with pytest.raises(OptionError, match="pictures of 1; expected more than 300"):
        split_as_authors(numbered(SMALL), SMALL, (300, 2))
