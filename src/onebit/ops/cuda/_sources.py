"""Where the CUDA sources are, and what a kernel is: a file, its entry point and the macros that shape it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import onebit
from onebit._errors import NativeError


@dataclass(frozen=True)
class Kernel:
    """One compiled function: file `<file>.cu`, its extern "C" function, and the macros it is compiled with."""

    file: str
    function: str
    macros: tuple[tuple[str, int], ...] = ()

    def options(self) -> list[str]:
        """The macros as compiler options."""
        return [f"-D{name}={value}" for name, value in self.macros]


@functools.cache
def folder() -> Path:
    """The folder with the .cu files: native/cuda of a source tree, else installed beside the package."""
    places = [Path(__file__).parents[4] / "native" / "cuda"]  # first: an editable install has older copies, too
    places += [Path(part) / "cuda_sources" for part in onebit.__path__]
    for place in places:
        if (place / "device.cuh").is_file():
            return place
    raise NativeError(
        f"The CUDA sources of onebit are not in {' or '.join(map(str, places))}. Reinstall onebit: the wheel has them."
    )


@functools.cache
def headers() -> dict[str, str]:
    """Every header by the name it is included with."""
    return {path.name: path.read_text() for path in sorted(folder().glob("*.cuh"))}


@functools.cache
def source(file: str) -> str:
    """The text of one .cu file."""
    return (folder() / f"{file}.cu").read_text()
