from __future__ import annotations

import re

import pytest

from onebit.ops.cuda import _plan, _sources
from onebit.ops.cuda._sources import Kernel

FILES = ("conv2d_mma", "conv2d_popc", "conv2d_wgmma", "dense_mma", "dense_popc", "dense_wgmma", "dense_wgmma_peak")
FILES += ("finish", "max_pool2d", "pack", "paper", "words")


@pytest.mark.parametrize("file", FILES)
def test_every_include_is_a_header_of_the_folder(file: str) -> None:
    included = re.findall(r'#include "(\S+)"', _sources.source(file) + "".join(_sources.headers().values()))
    assert included
    assert set(included) <= set(_sources.headers())


def test_no_source_needs_a_cuda_header() -> None:
    texts = [*map(_sources.source, FILES), *_sources.headers().values()]
    assert not [text for text in texts if re.search(r"#include\s*<", text)]


def test_every_source_is_listed() -> None:
    assert sorted(path.stem for path in _sources.folder().glob("*.cu")) == list(FILES)


def test_macros_become_options() -> None:
    assert Kernel("pack", "onebit_pack", (("OB_DTYPE", 2),)).options() == ["-DOB_DTYPE=2"]


def test_a_plan_names_a_function_of_its_file() -> None:
    for name in ("popc", "mma", *_plan.VARIANTS):
        kernel = _plan.dense(_plan.Device((9, 0), 132), _plan.BITS, 3, 100, 64, 1024, 16, name).kernel
        assert f"{kernel.function}(" in _sources.source(kernel.file)
        known = set(re.findall(r"\bOB_[A-Z]+\b", "".join([_sources.source(kernel.file), *_sources.headers().values()])))
        assert {macro for macro, _ in kernel.macros} <= known
