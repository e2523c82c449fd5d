from __future__ import annotations

import ctypes
import re
import struct
from pathlib import Path

import pytest

from onebit._errors import NativeError
from onebit.ops.cuda import _driver, _sources


def test_the_arguments_of_a_dense_kernel_are_laid_out_as_the_source_says() -> None:
    body = re.search(r"struct DenseArgs \{(.*?)\n\};", _sources.headers()["epilogue.cuh"], re.DOTALL)
    assert body is not None
    fields = re.sub(r"/\*.*?\*/", "", body[1], flags=re.DOTALL)
    kinds = []
    for declaration in fields.split(";"):
        if not declaration.strip():
            continue
        names = declaration.count(",") + 1
        kinds += ["Q" if "*" in declaration else "i" if declaration.split()[0] == "int" else "I"] * names
    assert "".join(kinds) == "Q" * 9 + "I" * 9 + "i"
    packed = _driver.dense_arguments(range(9), range(20, 29), -3)
    assert bytes(packed) == struct.pack("<9Q9Ii", *range(9), *range(20, 29), -3)
    assert ctypes.sizeof(packed) == 112


def test_structures_have_the_drivers_sizes() -> None:
    assert ctypes.sizeof(_driver.TensorMap) == 128
    assert ctypes.sizeof(_driver._Attribute) == 72
    assert ctypes.sizeof(_driver._Config) == 56


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="this machine has a GPU")
def test_without_a_driver_the_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise OSError(f"{name}: cannot open")

    _driver._cuda.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", absent)
    with pytest.raises(NativeError, match="CUDA driver is not installed"):
        _driver.enter(0)
