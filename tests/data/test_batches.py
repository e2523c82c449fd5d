from __future__ import annotations

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from onebit._errors import OptionError
from onebit.data import Dataset, batches, split


def dataset(count: int) -> Dataset:
    """Picture i is filled with i, so that a picture tells where it came from."""
    numbers = torch.arange(count)
    images = numbers.to(torch.uint8)[:, None, None, None].expand(count, 1, 2, 2).contiguous()
    return Dataset(images, numbers % 7, tuple("abcdefg"), "toy", "made by a test")


def seen(loader) -> list[list[int]]:
    for images, labels in loader:
        assert torch.equal(images[:, 0, 0, 0] % 7, labels)
    return [images[:, 0, 1, 1].tolist() for images, _ in loader]


@settings(deadline=None, max_examples=60, derandomize=True)
@given(count=st.integers(0, 40), size=st.integers(1, 45), drop_last=st.booleans())
def test_batches_cut_the_set_in_order(count: int, size: int, drop_last: bool) -> None:
    loader = batches(dataset(count), size, drop_last=drop_last)
    every = [list(range(count))[start : start + size] for start in range(0, count, size)]
    expected = [part for part in every if len(part) == size or not drop_last]
    assert seen(loader) == expected
    assert len(loader) == len(expected)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(count=st.integers(1, 40), size=st.integers(1, 45), seed=st.integers(0, 9))
def test_a_shuffled_epoch_has_every_picture_once(count: int, size: int, seed: int) -> None:
    loader = batches(dataset(count), size, shuffle=True, generator=torch.Generator().manual_seed(seed))
    for _ in range(2):
        epoch = [images[:, 0, 0, 0] for images, _ in loader]
        assert sorted(torch.cat(epoch).tolist()) == list(range(count))
        assert all(len(part) == size for part in epoch[:-1])


def test_the_seed_decides_every_epoch_and_epochs_differ() -> None:
    def epochs(seed: int) -> list[list[int]]:
        loader = batches(dataset(40), 16, shuffle=True, generator=torch.Generator().manual_seed(seed))
        return [torch.cat([images[:, 0, 0, 0] for images, _ in loader]).tolist() for _ in range(3)]

    assert epochs(3) == epochs(3)
    assert epochs(3) != epochs(4)
    first, second, third = epochs(3)
    assert len({tuple(first), tuple(second), tuple(third), tuple(range(40))}) == 4


def test_without_a_generator_the_default_seed_decides() -> None:
    def epoch() -> list[list[int]]:
        torch.manual_seed(5)
        return [images[:, 0, 0, 0].tolist() for images, _ in batches(dataset(20), 6, shuffle=True)]

    assert epoch() == epoch()


def test_pictures_keep_their_labels_when_shuffled() -> None:
    for images, labels in batches(dataset(40), 16, shuffle=True):
        assert torch.equal(images[:, 0, 0, 0] % 7, labels)


def test_useless_options_are_refused() -> None:
    with pytest.raises(OptionError, match="batch_size is 0; expected 1 or more"):
        batches(dataset(5), 0)
    with pytest.raises(OptionError, match="shuffle is False"):
        batches(dataset(5), 2, generator=torch.Generator())


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
