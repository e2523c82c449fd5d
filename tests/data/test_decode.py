from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from onebit._errors import FormatError, OptionError
from onebit.data import RandomResizedCrop, augment, batches
from onebit.data._dataset import Dataset
from onebit.data._decode import centre_box, channels_of, open_file, to_pixels

NOISE = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)


def pixels(picture: object, channels: int = 3, size: int | None = None, keep: float = 1.0) -> torch.Tensor:
    return to_pixels(picture, channels, size, keep, None, None)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "picture",
    [
        Image.fromarray(NOISE),
        NOISE,
        torch.from_numpy(NOISE).permute(2, 0, 1),
        torch.from_numpy(NOISE).permute(2, 0, 1) / 255,
        NOISE.astype(np.float64) / 255,
        Image.fromarray(NOISE).convert("RGBA"),
    ],
    ids=["Pillow", "array", "tensor", "tensor 0..1", "array 0..1", "with alpha"],
)
def test_every_kind_of_picture_gives_its_pixels(picture) -> None:
    found = pixels(picture)
    assert found.is_contiguous()
    assert (found.dtype, found.shape) == (torch.uint8, (3, 12, 20))
    assert np.array_equal(found.permute(1, 2, 0).numpy(), NOISE)


@pytest.mark.parametrize("file", ["deep.png", "deep.tif"])
def test_grey_pictures_of_16_bits_are_read_by_their_upper_8(tmp_path, file) -> None:
    grey = NOISE[:, :, 0]
    Image.fromarray(grey.astype(np.uint16) * 256 + 7).save(tmp_path / file)
    found = pixels(open_file(str(tmp_path / file)))
    assert all(np.array_equal(channel.numpy(), grey) for channel in found)


def test_a_grey_picture_of_more_than_16_bits_is_refused() -> None:
    with pytest.raises(FormatError, match="a picture of numbers from -5 to 70000; expected 8 or 16 bits"):
        pixels(Image.fromarray(np.array([[-5, 70_000]], np.int32)))


@pytest.mark.parametrize("picture", [NOISE[:, :, 0], Image.fromarray(NOISE[:, :, 0]), torch.from_numpy(NOISE[:, :, 0])])
def test_grey_pictures_have_one_channel_or_three_equal_ones(picture) -> None:
    assert channels_of(picture) == 1
    assert np.array_equal(pixels(picture, 1)[0].numpy(), NOISE[:, :, 0])
    assert pixels(picture, 3).shape == (3, 12, 20)
    assert all(np.array_equal(channel.numpy(), NOISE[:, :, 0]) for channel in pixels(picture, 3))


def test_a_size_scales_the_centred_square() -> None:
    assert centre_box(20, 12, 1.0) == (4, 0, 16, 12)
    assert centre_box(20, 12, 0.5) == (7, 3, 13, 9)
    same = pixels(Image.fromarray(NOISE), size=12)
    assert np.array_equal(same.permute(1, 2, 0).numpy(), NOISE[:, 4:16])
    half = pixels(NOISE, size=6, keep=0.5)
    assert np.array_equal(half.permute(1, 2, 0).numpy(), NOISE[3:9, 7:13])
    assert pixels(NOISE, size=7).shape == (3, 7, 7)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((3, 4, 5), np.uint8), r"an array of shape \(3, 4, 5\); expected 1 or 3 channels"),
        (np.zeros((3, 4), np.int64), r"an array of torch.int64; expected uint8, or numbers from 0 to 1"),
        (torch.randn(3, 4, 5), r"so it was normalised; leave that to `preprocess`"),
        (torch.full((3, 4, 5), -1.0), r"so it was normalised"),
    ],
)
def test_what_is_no_picture_is_refused(picture, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        pixels(picture)
    with pytest.raises(FormatError, match="a picture in colour among grey ones"):
        pixels(NOISE, channels=1)


@pytest.mark.parametrize(("width", "height"), [(200, 100), (37, 400), (1, 1), (3000, 2)])
def test_a_random_box_lies_inside_and_is_decided_by_its_generator(width: int, height: int) -> None:
    crop = RandomResizedCrop()
    for seed in range(50):
        left, top, right, bottom = crop.box(width, height, seeded(seed))
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        assert crop.box(width, height, seeded(seed)) == (left, top, right, bottom)


def test_random_boxes_keep_their_bounds_and_reach_them() -> None:
    crop = RandomResizedCrop((0.2, 0.5), (0.5, 2.0))
    boxes = np.array([crop.box(1000, 1000, seeded(seed)) for seed in range(2000)])
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    share, ratio = width * height / 1e6, width / height
    assert 0.199 < share.min() < 0.21
    assert 0.48 < share.max() < 0.501
    assert 0.499 < ratio.min() < 0.52
    assert 1.9 < ratio.max() < 2.01
    assert abs(np.log(ratio).mean()) < 0.04
    assert boxes[:, 0].min() == 0
    wide = [RandomResizedCrop((0.2, 0.3), (1.5, 2.0)).box(1000, 1000, seeded(seed)) for seed in range(50)]
    assert all(right - left > bottom - top for left, top, right, bottom in wide)


def test_a_box_becomes_the_square_and_in_memory_it_is_refused() -> None:
    crop = RandomResizedCrop((1, 1), (20 / 12, 20 / 12))
    found = to_pixels(Image.fromarray(NOISE), 3, 8, 1.0, crop, seeded(0))
    expected = np.array(Image.fromarray(NOISE).resize((8, 8), Image.Resampling.BILINEAR))
    assert np.array_equal(found.permute(1, 2, 0).numpy(), expected)
    dataset = Dataset(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64), ("a",), "t", "t")
    with pytest.raises(OptionError, match="random-resized-crop is for pictures that are read; these are in memory"):
        next(iter(batches(dataset, 2, augment=augment(["random-resized-crop"]))))
    with pytest.raises(OptionError, match="Expected two ascending pairs"):
        RandomResizedCrop((0.5, 0.2))


def test_a_file_is_decoded_whole_and_a_cut_one_is_not(tmp_path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(NOISE).save(path)
    assert np.array_equal(np.array(open_file(str(path))), NOISE)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises((OSError, SyntaxError)):
        open_file(str(path))
