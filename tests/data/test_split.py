from __future__ import annotations

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from onebit._errors import OptionError
from onebit.data import Dataset, split


def dataset(count: int) -> Dataset:
    """Picture i is filled with i, and of class i mod 7."""
    numbers = torch.arange(count)
    images = numbers.to(torch.uint8)[:, None, None, None].expand(count, 1, 2, 2).contiguous()
    return Dataset(images, numbers % 7, tuple("abcdefg"), "toy", "made by a test")


@settings(deadline=None, max_examples=40, derandomize=True)
@given(count=st.integers(2, 40), data=st.data(), seed=st.none() | st.integers(0, 9))
def test_a_split_parts_the_set_in_order(count: int, data, seed: int | None) -> None:
    validation = data.draw(st.integers(1, count - 1))
    train, held_out = (part.images[:, 0, 0, 0].tolist() for part in split(dataset(count), validation, seed))
    assert len(held_out) == validation
    assert sorted(train + held_out) == list(range(count))
    assert (train, held_out) == (sorted(train), sorted(held_out))


def test_the_seed_decides_the_split_and_none_takes_the_last() -> None:
    def held_out(seed: int | None) -> list[int]:
        return split(dataset(40), 10, seed)[1].images[:, 0, 0, 0].tolist()

    assert held_out(None) == list(range(30, 40))
    assert held_out(1) == held_out(1)
    assert len({tuple(held_out(seed)) for seed in (None, 1, 2)}) == 3


@pytest.mark.parametrize("validation", [-1, 0, 5, 6])
def test_a_split_without_two_parts_is_refused(validation: int) -> None:
    with pytest.raises(OptionError, match=f"validation is {validation}; expected 1 to 4 of the 5 pictures"):
        split(dataset(5), validation)


@pytest.mark.parametrize("seed", [None, 3])
def test_a_balanced_split_holds_out_as_many_of_each_class(seed: int | None) -> None:
    train, held_out = split(dataset(40), 14, seed, balanced=True)
    assert held_out.labels.bincount().tolist() == [2] * 7
    numbers = held_out.images[:, 0, 0, 0].tolist()
    assert sorted(numbers + train.images[:, 0, 0, 0].tolist()) == list(range(40))
    assert (sorted(numbers) == list(range(26, 40))) == (seed is None)


def test_classes_that_cannot_be_balanced_are_told() -> None:
    with pytest.raises(OptionError, match="15, balanced over 7 classes; expected a multiple of 7, at most 42"):
        split(dataset(47), 15, balanced=True)
    without_the_last = torch.arange(47)[torch.arange(47) % 7 != 6]
    with pytest.raises(OptionError, match="at most 0, for the smallest class has 0 pictures"):
        split(dataset(47).select(without_the_last), 14, balanced=True)
