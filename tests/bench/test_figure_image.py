import itertools
import sys

import pytest

from onebit._errors import MissingExtra, OutputError
from onebit.bench import Answers, Bar, draw
from onebit.bench._figure_image import compose

pytest.importorskip("matplotlib")
LONG = "RuntimeError: an operator that this machine does not have, told in as many words as such errors take, up to"


def pixels(path):
    from matplotlib.image import imread

    return imread(path)


def test_the_picture_shows_the_numbers(example_figure, tmp_path):
    figure = example_figure()
    draw(figure, tmp_path / "a.png")
    draw(figure, tmp_path / "same.png")
    draw(example_figure(answers={**figure.answers, "blas": Answers(0.5, 10000, False)}), tmp_path / "other.png")
    first, same, other = (pixels(tmp_path / f"{name}.png") for name in ("a", "same", "other"))
    assert first.shape[1] == 1375
    assert (first == same).all()
    assert (first != other).any()


def worst_labels(figure):
    """The longest text that each bar may have."""
    slow = {name: Bar(3_599_000.0 / (1 + 3 * i), 1.0, 3, "a part") for i, name in enumerate(figure.kernels)}
    return slow | {"onebit": Bar(0.0234, 0.0234, 7, None)}


@pytest.mark.parametrize("case", ["cpu", "gpu", "slow", "absent"])
def test_no_text_touches_another_or_leaves_the_picture(case, example_figure, gpu_figure):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas
    from matplotlib.text import Text

    figure = example_figure() if case == "cpu" else gpu_figure()
    if case == "slow":
        figure = gpu_figure(product=worst_labels(figure), network=worst_labels(figure))
    if case == "absent":
        left = {name: bar for name, bar in figure.product.items() if name not in ("int8", "float8")}
        figure = gpu_figure(product=left, absent={"product": {"int8": LONG, "float8": LONG * 2}, "network": {}})
    canvas = Canvas()
    renderer = FigureCanvasAgg(canvas).get_renderer()
    compose(canvas, figure)
    canvas.draw(renderer)
    width, height = canvas.bbox.width, canvas.bbox.height
    texts = [text for text in canvas.findobj(Text) if text.get_visible() and text.get_text()]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts]
    assert len(boxes) > 20
    for text, box in boxes:
        assert 0 <= box.x0 < box.x1 <= width, text
        assert 0 <= box.y0 < box.y1 <= height, text
    for (text, box), (other, beside) in itertools.combinations(boxes, 2):
        apart = box.x1 <= beside.x0 or beside.x1 <= box.x0 or box.y1 <= beside.y0 or beside.y1 <= box.y0
        assert apart, (text, other)


def test_the_file_is_small(gpu_figure, tmp_path):
    draw(gpu_figure(), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size < 150_000


def test_a_folder_that_is_not_there_is_named(example_figure, tmp_path):
    with pytest.raises(OutputError, match="nowhere"):
        draw(example_figure(), tmp_path / "nowhere" / "a.png")


def test_without_matplotlib_its_extra_is_named(example_figure, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match="onebit\\[train\\]"):
        draw(example_figure(), tmp_path / "a.png")
