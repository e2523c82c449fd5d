"""How the Hopper convolution cuts its work: output places into boxes, k into slices. Pure functions of sizes.

The copy engine fetches a tap of a whole tile at once, where the tile's places are a box: so many images, rows, columns
(native/cuda/conv2d_wgmma.cu). A slice is what one copy brings of each place: 32, 64 or 128 bytes of one tap.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from onebit.ops._conv_checks import Conv

MOST_STRIDE, MOST_BOX = 8, 256  # of the copy engine: steps between elements, elements of a box along an axis
STAGE = 128  # bytes of k


class Places(NamedTuple):
    """Sizes of an output, of a tile of it, or of what a tile's copy spans."""

    images: int
    height: int
    width: int

    @property
    def total(self) -> int:
        """All places."""
        return self.images * self.height * self.width


class Boxes(NamedTuple):
    """box: places of a tile. across, down, deep: their numbers. A tap is `pieces` slices of slice_bytes."""

    box: Places
    across: int
    down: int
    deep: int
    slice_bytes: int
    pieces: int

    @property
    def tiles(self) -> int:
        """Boxes that cover the output."""
        return self.across * self.down * self.deep

    @property
    def tap_bytes(self) -> int:
        """Bytes of a tap in the weights: whole slices."""
        return self.pieces * self.slice_bytes


@functools.lru_cache(maxsize=4096)
def boxes(out: Places, rows: int, stride: tuple[int, int], tap_bytes: int) -> Boxes:
    """The fewest boxes of at most `rows` places that cover the output; of equal ones the widest, then the highest."""
    shapes = [
        Places(min(out.images, rows // (height * width)), height, width)
        for width in _even(out.width, min(rows, MOST_BOX // stride[1]))
        for height in _even(out.height, min(rows // width, MOST_BOX // stride[0]))
    ]
    best = min(shapes, key=lambda box: (_number(out, box), -box.width, -box.height))
    deep, down, across = (-(-size // part) for size, part in zip(out, best, strict=True))
    slice_bytes = next(size for size in (128, 64, 32) if -(-tap_bytes // 32) * 32 % size == 0)
    return Boxes(best, across, down, deep, slice_bytes, -(-tap_bytes // slice_bytes))


def fits(conv: Conv, align: int) -> bool:
    """Whether the copy engine can fetch the taps: each on a multiple of 16 bytes, places at most 8 apart."""
    return align == 16 and max(conv.window.stride) <= MOST_STRIDE


def _even(size: int, most: int) -> list[int]:
    """Lengths up to `most` that cut `size` into equal parts, the last of which may be shorter."""
    return sorted({-(-size // parts) for parts in range(-(-size // most), size + 1)})


def _number(out: Places, box: Places) -> int:
    images, height, width = (-(-size // part) for size, part in zip(out, box, strict=True))
    return images * height * width
