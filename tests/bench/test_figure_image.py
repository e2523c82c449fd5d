import sys

import pytest

from onebit._errors import MissingExtra, OutputError
from onebit.bench import Answers, draw

pytest.importorskip("matplotlib")


def pixels(path):
    from matplotlib.image import imread

    return imread(path)


def test_the_picture_shows_the_numbers(example_figure, tmp_path):
    figure = example_figure()
    draw(figure, tmp_path / "a.png")
    draw(figure, tmp_path / "same.png")
    draw(example_figure(answers={**figure.answers, "blas": Answers(0.5, 10000, False)}), tmp_path / "other.png")
    first, same, other = (pixels(tmp_path / f"{name}.png") for name in ("a", "same", "other"))
    assert first.shape[:2] == (572, 1155)
    assert (first == same).all()
    assert (first != other).any()


def test_the_file_is_small(example_figure, tmp_path):
    draw(example_figure(), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size < 150_000


def test_a_folder_that_is_not_there_is_named(example_figure, tmp_path):
    with pytest.raises(OutputError, match="nowhere"):
        draw(example_figure(), tmp_path / "nowhere" / "a.png")


def test_without_matplotlib_its_extra_is_named(example_figure, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match="onebit\\[train\\]"):
        draw(example_figure(), tmp_path / "a.png")
