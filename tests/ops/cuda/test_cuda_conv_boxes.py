from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit.ops.cuda._conv_boxes import Places, boxes


@given(
    images=st.integers(1, 70), height=st.integers(1, 60), width=st.integers(1, 300), rows=st.sampled_from([128, 192]),
    stride=st.tuples(st.integers(1, 8), st.integers(1, 8)), words=st.integers(1, 40),
)  # fmt: skip
@settings(deadline=None, max_examples=60, derandomize=True)
def test_boxes_cover_every_place_once_and_obey_the_copy_engine(
    images: int, height: int, width: int, rows: int, stride: tuple[int, int], words: int
) -> None:
    out = Places(images, height, width)
    cut = boxes(out, rows, stride, words * 16)
    spans = (cut.box.images, cut.box.height * stride[0], cut.box.width * stride[1])
    assert max(spans) <= 256
    assert cut.box.total <= rows
    for size, part, number in zip(out, cut.box, (cut.deep, cut.down, cut.across), strict=True):
        assert part * (number - 1) < size <= part * number
    assert cut.slice_bytes in (32, 64, 128)
    assert 0 <= cut.tap_bytes - words * 16 < 32  # no more than the product's step would round up
    assert cut.tiles * rows >= out.total


@pytest.mark.parametrize(("out", "box"), [
    ((1024, 8, 8), (2, 8, 8)), ((128, 7, 7), (128, 1, 1)), ((18, 7, 7), (18, 1, 7)),
    ((1, 56, 56), (1, 2, 56)), ((1, 1, 1), (1, 1, 1)),
])  # fmt: skip
def test_a_box_is_as_full_as_can_be(out: tuple[int, int, int], box: tuple[int, int, int]) -> None:
    assert boxes(Places(*out), 128, (1, 1), 32).box == box
