from __future__ import annotations

import pytest
import torch

from onebit._errors import FormatError, OptionError
from onebit.data import Dataset, Pictures, preprocess, split


class Numbered:
    """Picture i is filled with i; the ninth cannot be read."""

    def open(self, index: int):
        if index == 9:
            raise ValueError("torn")
        return torch.full((1, 4, 6), index, dtype=torch.uint8)

    def where(self, index: int) -> str:
        return f"number {index}"


def pictures(count: int = 8, **options) -> Pictures:
    numbers = torch.arange(count)
    return Pictures(Numbered(), numbers % 3, tuple("abc"), "toy", "made by a test", (1, 4, 6), scaled=False, **options)


def numbers(images: torch.Tensor) -> list[int]:
    return images[:, 0, 0, 0].tolist()


def test_they_are_selected_and_split_like_a_set_in_memory() -> None:
    chosen = pictures().select(torch.tensor([5, 2])).select(torch.tensor([1, 0, 1]))
    assert numbers(chosen.in_memory().images) == [2, 5, 2]
    assert chosen.labels.tolist() == [2, 2, 2]
    training, validation = split(pictures(), 3)
    assert (numbers(training.in_memory().images), numbers(validation.in_memory().images)) == (
        [0, 1, 2, 3, 4],
        [5, 6, 7],
    )


def test_first_and_chunks_are_those_of_the_set_in_memory() -> None:
    for one in (pictures(), pictures().in_memory()):
        assert isinstance(one, Dataset | Pictures)
        assert [numbers(chunk) for chunk in one.chunks(3)] == [[0, 1, 2], [3, 4, 5], [6, 7]]
        assert numbers(one.first(3)) == [0, 1, 2]
        assert numbers(one.first(99)) == list(range(8))
        assert one.shape == (1, 4, 6)


def test_preprocessing_learns_from_them_as_from_a_set_in_memory() -> None:
    read, held = (preprocess([{"gcn": 55}, "normalise"]).fit(one) for one in (pictures(), pictures().in_memory()))
    assert all(torch.equal(value, held.state_dict()[name]) for name, value in read.state_dict().items())


def test_a_picture_that_cannot_be_read_is_named() -> None:
    with pytest.raises(FormatError, match=r"number 9: cannot be read as a picture \(torn\)"):
        pictures(12).read(9, None, None)
    other = pictures()
    other.shape = (1, 4, 5)
    with pytest.raises(FormatError, match=r"number 0: has shape \(1, 4, 6\); expected \(1, 4, 5\)"):
        other.read(0, None, None)


@pytest.mark.parametrize("options", [{"keep": 0}, {"keep": 1.5}, {"workers": -1}, {"on_error": "ignore"}])
def test_options_out_of_range_are_refused(options: dict) -> None:
    with pytest.raises(OptionError, match="toy: keep is"):
        pictures(**options)
