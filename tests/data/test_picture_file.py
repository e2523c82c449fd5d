import numpy as np
import pytest
import torch

from onebit._errors import DataError, FormatError, OptionError
from onebit.data import read_picture

Image = pytest.importorskip("PIL.Image")


def save(path, pixels, mode):
    Image.fromarray(np.asarray(pixels, dtype=np.uint8), mode if mode == "LA" else None).save(path)
    return path


def test_a_picture_of_the_right_form_is_taken_as_it_is(tmp_path):
    rng = np.random.default_rng(0)
    grey, colour = rng.integers(0, 256, (5, 5)), rng.integers(0, 256, (5, 5, 3))
    pixels, changes = read_picture(save(tmp_path / "a.png", grey, "L"), (1, 5, 5))
    assert changes == ""
    assert torch.equal(pixels, torch.from_numpy(grey).to(torch.uint8)[None])
    pixels, changes = read_picture(save(tmp_path / "b.png", colour, "RGB"), (3, 5, 5))
    assert changes == ""
    assert torch.equal(pixels, torch.from_numpy(colour).to(torch.uint8).permute(2, 0, 1))


def test_what_is_changed_is_said(tmp_path):
    path = save(tmp_path / "a.png", np.full((20, 40, 3), 77), "RGB")
    pixels, changes = read_picture(path, (1, 8, 8))
    assert changes == "made grey, cut to the centre, scaled from 40x20 to 8x8"
    assert pixels.tolist() == [[[77] * 8] * 8]
    assert read_picture(save(tmp_path / "b.png", np.zeros((8, 8)), "L"), (3, 8, 8))[1] == "made RGB"


def test_transparency_becomes_white(tmp_path):
    pixels = np.zeros((4, 4, 4))
    pixels[:2, :, 3] = 255  # the upper half is black, the lower one cannot be seen
    found, changes = read_picture(save(tmp_path / "a.png", pixels, "RGBA"), (1, 4, 4))
    assert changes == "transparency made white, made grey"
    assert found.tolist() == [[[0] * 4] * 2 + [[255] * 4] * 2]


def test_broken_and_absent_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.png: cannot be read \(No such file"):
        read_picture(tmp_path / "gone.png", (1, 8, 8))
    with pytest.raises(DataError, match="cannot be read"):
        read_picture(tmp_path, (1, 8, 8))
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(FormatError, match=r"text\.png: is not a picture or damaged"):
        read_picture(tmp_path / "text.png", (1, 8, 8))
    whole = save(tmp_path / "whole.png", np.random.default_rng(0).integers(0, 256, (64, 64)), "L").read_bytes()
    for keep in (0, 20, len(whole) // 2):
        (tmp_path / "half.png").write_bytes(whole[:keep])
        with pytest.raises(FormatError, match=r"half\.png: is not a picture or damaged"):
            read_picture(tmp_path / "half.png", (1, 8, 8))


def test_a_shape_that_is_no_square_is_refused(tmp_path):
    with pytest.raises(OptionError, match="a square"):
        read_picture(tmp_path / "a.png", (1, 8, 9))
