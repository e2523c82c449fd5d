from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from onebit._errors import OptionError, UnknownName
from onebit.data import Augment, Crop, Flip, augment

PICTURES = torch.randint(0, 256, (64, 3, 7, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    padding=st.integers(0, 6),
    size=st.none() | st.integers(1, 7),
    fill=st.sampled_from(["zero", "reflect"]),
    seed=st.integers(0, 99),
)
def test_a_crop_is_a_window_of_the_padded_picture(padding: int, size: int | None, fill: str, seed: int) -> None:
    crop = Crop(padding, size, fill)
    drawn = crop.draw(64, 7, 9, seeded(seed))
    cut = crop.apply(PICTURES, drawn)
    rows, columns = size or 7, size or 9
    assert (cut.shape, cut.dtype) == ((64, 3, rows, columns), torch.uint8)
    sides = [(0, 0), (0, 0), (padding, padding), (padding, padding)]
    padded = np.pad(PICTURES.numpy(), sides, "reflect" if fill == "reflect" else "constant")
    for i in range(64):
        top, left = int(drawn["top"][i]), int(drawn["left"][i])
        assert np.array_equal(cut[i].numpy(), padded[i, :, top : top + rows, left : left + columns])


def test_every_corner_is_drawn_and_none_beyond() -> None:
    drawn = Crop(2).draw(4000, 7, 9, seeded())
    assert set(drawn["top"].tolist()) == set(drawn["left"].tolist()) == set(range(5))
    drawn = Crop(0, 6).draw(4000, 7, 9, seeded())
    assert set(drawn["top"].tolist()) == {0, 1}
    assert set(drawn["left"].tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_a_flip_mirrors_columns_of_that_share(probability: float) -> None:
    flip = Flip(probability)
    drawn = flip.draw(64, 7, 9, seeded())
    changed = flip.apply(PICTURES, drawn)
    for i, mirrored in enumerate(drawn["mirrored"].tolist()):
        assert np.array_equal(changed[i].numpy(), PICTURES[i].numpy()[:, :, ::-1] if mirrored else PICTURES[i].numpy())
    share = flip.draw(4000, 7, 9, seeded())["mirrored"].float().mean()
    assert abs(float(share) - probability) < 0.03


def test_steps_run_in_their_order_and_the_seed_decides() -> None:
    both = augment([{"crop": {"size": 5}}, "flip"])
    generator = seeded(3)
    crop, flip = both.steps
    first = crop.apply(PICTURES, crop.draw(64, 7, 9, generator))
    expected = flip.apply(first, flip.draw(64, 5, 5, generator))
    assert torch.equal(both(PICTURES, seeded(3)), expected)
    assert torch.equal(both(PICTURES, seeded(3)), both(PICTURES, seeded(3)))
    assert not torch.equal(both(PICTURES, seeded(3)), both(PICTURES, seeded(4)))


@pytest.mark.parametrize("steps", [["flip"], [{"crop": 2}, "flip"], ["colour", {"crop": 1}, "lighting"]], ids=str)
@pytest.mark.parametrize("parts", [2, 5])
def test_parts_of_a_batch_are_changed_as_in_the_whole(steps: list, parts: int) -> None:
    changes = augment(steps)
    whole = changes(PICTURES, seeded(7))
    assert whole.dtype == torch.uint8
    for place in range(parts):
        part = changes.apply(PICTURES[place::parts], 64, seeded(7), (place, parts))
        assert torch.equal(part, whole[place::parts])


def test_nothing_is_changed_without_steps_or_in_the_original() -> None:
    before = PICTURES.clone()
    assert torch.equal(Augment([])(PICTURES, seeded()), PICTURES)
    augment(["flip", {"crop": 3}, "colour", "lighting"])(PICTURES, seeded())
    assert torch.equal(PICTURES, before)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([{"flip": 1.5}], "flip: probability is 1.5"),
        ([{"crop": -1}], "crop: padding is -1"),
        ([{"crop": {"size": 0}}], "size 0"),
        ([{"crop": {"fill": "white"}}], "crop: fill is 'white'. Expected 'zero' or 'reflect'"),
    ],
)
def test_options_out_of_range_are_refused(steps: list, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        augment(steps)


def test_pictures_too_small_are_told() -> None:
    with pytest.raises(OptionError, match="crop: size is 12, padding 2; pictures of 7 x 9 are too small"):
        augment([{"crop": [2, 12]}])(PICTURES, seeded())
    with pytest.raises(OptionError, match="padding is 7; a picture of 7 x 9 can be reflected by less"):
        augment([{"crop": [7, 9, "reflect"]}])(PICTURES, seeded())
    with pytest.raises(UnknownName, match=r"No augmentation is called 'flop'\. Did you mean 'flip'"):
        augment(["flop"])
