"""A window counts the places where the whole kernel stands on the padded image."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit._errors import OptionError, ShapeError
from onebit.bits._window import Padding, Window


def of(kernel=(3, 3), stride=(1, 1), padding=(0, 0, 0, 0), dilation=(1, 1)) -> Window:
    return Window.of("conv2d_int32", kernel, stride, padding, dilation)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(
    st.integers(1, 12), st.integers(1, 5), st.integers(1, 4), st.integers(0, 3), st.integers(0, 3), st.integers(1, 3)
)
def test_the_output_is_the_number_of_places_where_the_kernel_fits(size, kernel, stride, before, after, dilation):
    last = dilation * (kernel - 1)
    places = [start for start in range(0, size + before + after, stride) if start + last < size + before + after]
    window = of((kernel, 1), (stride, 1), (before, after, 0, 0), (dilation, 1))
    if places:
        assert window.output("conv2d", size, 7) == (len(places), 7)
    else:
        with pytest.raises(ShapeError, match="no output is left"):
            window.output("conv2d", size, 7)


def test_the_sides_of_the_padding_have_names():
    assert of(padding=[1, 2, 3, 4]).padding == Padding(top=1, bottom=2, left=3, right=4)
    assert of(padding=(1, 2, 3, 4)).output("conv2d", 1, 1) == (2, 6)


def test_taps_are_the_places_under_the_kernel():
    assert of((3, 5)).taps == 15


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"kernel": (0, 3)}, r"conv2d_int32: kernel is \[0, 3\]; expected \[rows, columns\]"),
        ({"kernel": (3,)}, r"kernel is \[3\]"),
        ({"stride": (1, 0)}, r"stride is \[1, 0\]"),
        ({"dilation": (-1, 1)}, r"dilation is \[-1, 1\]"),
        ({"padding": (1, 1)}, r"padding is \[1, 1\]; expected \[top, bottom, left, right\]"),
        ({"padding": (0, 0, -1, 0)}, r"none below 0"),
    ],
)
def test_wrong_values_are_named(wrong, match):
    with pytest.raises(OptionError, match=match):
        of(**wrong)


def test_an_empty_image_is_refused():
    with pytest.raises(ShapeError, match="the image has 0 x 5 places"):
        of(padding=(2, 2, 2, 2)).output("conv2d", 0, 5)
