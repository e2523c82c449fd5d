"""The kernels' address functions (native/cuda/layout.cuh), executed by a C compiler's code on the CPU."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from ctypes import c_uint, c_ulonglong
from pathlib import Path

import pytest

from onebit.ops.cuda._sources import folder

EXPORTS = """
#include "layout.cuh"
unsigned long long descriptor(unsigned address, unsigned row_bytes) { return ob_wgmma_descriptor(address, row_bytes); }
unsigned slice_offset(unsigned rows, unsigned slice, unsigned row, unsigned byte) {
    return ob_slice_offset(rows, slice, row, byte);
}
unsigned box_place(ObBox box, ObBox out, unsigned tile, unsigned across, unsigned down, unsigned row) {
    ObBox corner, place;
    ob_box_corner(box, tile, across, down, &corner);
    return ob_box_place(box, corner, out, row, &place);
}
"""


class Box(ctypes.Structure):
    _fields_ = [("images", c_uint), ("height", c_uint), ("width", c_uint)]


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("needs a C compiler")
    place: Path = tmp_path_factory.mktemp("layout")
    (place / "exports.c").write_text(EXPORTS)
    command = [compiler, "-shared", "-fPIC", "-O1", f"-I{folder()}", "exports.c", "-o", "exports.so"]
    subprocess.run(command, cwd=place, check=True)
    library = ctypes.CDLL(str(place / "exports.so"))
    library.descriptor.restype = c_ulonglong
    library.box_place.argtypes = [Box, Box, c_uint, c_uint, c_uint, c_uint]
    library.box_place.restype = c_uint
    return library


@pytest.mark.parametrize(("row_bytes", "mode"), [(128, 1), (64, 2), (32, 3)])
def test_a_descriptor_names_the_swizzle_of_its_rows(layout: ctypes.CDLL, row_bytes: int, mode: int) -> None:
    found = layout.descriptor(0x2F800, row_bytes)
    assert found & 0x3FFF == 0x2F800 >> 4
    assert found >> 32 & 0x3FFF == 8 * row_bytes >> 4  # from eight rows to the next eight
    assert found >> 62 == mode
    assert not found >> 46 & 0xFFFF


@pytest.mark.parametrize("slice_bytes", [32, 64, 128])
def test_slices_put_every_operand_of_a_stage_at_a_place_of_its_own(layout: ctypes.CDLL, slice_bytes: int) -> None:
    rows, places = 128, set[int]()
    for row in range(rows):
        for byte in range(0, 128, 32):
            # the first row of a product, and as many rows of this width on
            at = layout.slice_offset(rows, slice_bytes, row - row % 64, byte) + row % 64 * slice_bytes
            assert at // (rows * slice_bytes) == byte // slice_bytes
            places.update(range(at, at + 32))
    assert places == set(range(rows * 128))


@pytest.mark.parametrize(("box", "out"), [
    ((2, 3, 5), (5, 7, 11)), ((1, 1, 1), (2, 1, 3)), ((18, 1, 7), (20, 7, 7)), ((1, 8, 16), (1, 5, 3)),
])  # fmt: skip
def test_the_rows_of_all_tiles_are_the_places_of_the_result(
    layout: ctypes.CDLL, box: tuple[int, int, int], out: tuple[int, int, int]
) -> None:
    deep, down, across = (-(-size // part) for size, part in zip(out, box, strict=True))
    places = [
        layout.box_place(Box(*box), Box(*out), tile, across, down, row)
        for tile in range(deep * down * across)
        for row in range(128)
    ]
    assert sorted(place for place in places if place != 0xFFFFFFFF) == list(range(out[0] * out[1] * out[2]))
