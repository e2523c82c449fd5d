import dataclasses

import pytest

from onebit._errors import OutputError
from onebit.training import Epoch
from onebit.training._curves import curves, draw_curves

HISTORY = [Epoch(n, 1 / n, 0.5, 0.5, n, 0.01, 1.0, 1.0, {"a": 0.1 / n, "b": 0.0}, {"a": 0, "b": 1}) for n in (1, 2, 3)]


def test_the_picture_is_a_png_of_any_number_of_epochs(tmp_path, recipe):
    for count in (1, 3):
        draw_curves(HISTORY[:count], recipe, tmp_path / "curves.png")
        assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_epochs_are_whole_numbers_also_where_there_is_one(recipe):
    figure = curves(HISTORY[:1], recipe)
    for axes in figure.axes:
        assert all(tick == round(tick) for tick in axes.get_xticks())


def test_a_network_without_binary_layers_has_curves_too(tmp_path, recipe):
    plain = [dataclasses.replace(epoch, flip_ratio={}, weight_saturation={}) for epoch in HISTORY]
    draw_curves(plain, recipe, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 0


def test_a_folder_that_is_gone_is_an_output_error(tmp_path, recipe):
    with pytest.raises(OutputError):
        draw_curves(HISTORY, recipe, tmp_path / "gone" / "curves.png")
