"""libonebit is found where it should be, and its absence is one clear error."""

from __future__ import annotations

from pathlib import Path

import pytest

import onebit
from onebit._errors import NativeError
from onebit.ops import _library


def test_without_the_variable_every_package_folder_is_searched(monkeypatch, tmp_path):
    monkeypatch.delenv("ONEBIT_LIBRARY", raising=False)
    monkeypatch.setattr(onebit, "__path__", [str(tmp_path / "one"), str(tmp_path / "two")])
    assert _library.candidates() == [tmp_path / folder / "lib" / "libonebit.so" for folder in ("one", "two")]
    with pytest.raises(NativeError, match=r"not found; searched: .*one.lib.libonebit.so, .*two.*make setup"):
        _library.load()


def test_a_wrong_onebit_library_is_not_replaced_by_another(monkeypatch, tmp_path):
    wrong = tmp_path / "absent.so"
    monkeypatch.setenv("ONEBIT_LIBRARY", str(wrong))
    with pytest.raises(NativeError, match=rf"ONEBIT_LIBRARY names: {wrong}\. Build it with `make setup`"):
        _library.load()


@pytest.mark.parametrize("content", [b"", b"not a library"])
def test_a_file_that_is_no_library_is_named(monkeypatch, tmp_path, content):
    damaged = tmp_path / "libonebit.so"
    damaged.write_bytes(content)
    monkeypatch.setenv("ONEBIT_LIBRARY", str(damaged))
    with pytest.raises(NativeError, match=f"{damaged} cannot be used as libonebit: "):
        _library.load()


def test_a_library_without_our_functions_is_refused(monkeypatch):
    other = next(Path(path) for path in loaded_files() if "libm" in Path(path).name)
    monkeypatch.setenv("ONEBIT_LIBRARY", str(other))
    with pytest.raises(NativeError, match=r"cannot be used as libonebit: .*ob_status_text"):
        _library.load()


def test_a_library_of_another_version_is_refused(monkeypatch):
    monkeypatch.setattr(onebit, "__version__", "9.9")
    with pytest.raises(NativeError, match=r"is libonebit .*, but this is onebit 9\.9\. Rebuild it with `make setup`"):
        _library.load()


def loaded_files() -> list[str]:
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [fields[-1] for fields in map(str.split, lines) if fields[-1].startswith("/") and ".so" in fields[-1]]


def test_a_status_becomes_the_librarys_own_sentence():
    _library.check(0, "fine")
    with pytest.raises(NativeError, match=r"here: a pointer that must point somewhere is NULL \(libonebit status 1\)"):
        _library.check(1, "here")


def test_every_function_of_the_headers_is_declared():
    """Without its argument types, ctypes would pass a 64-bit number as 32 bits."""
    folder = Path(__file__).parents[2] / "native" / "include"
    lines = [line for name in ("onebit.h", "onebit_network.h") for line in (folder / name).read_text().splitlines()]
    exported = {line.split("(")[0].split()[-1].lstrip("*") for line in lines if line.startswith("OB_API ")}
    undeclared = {name for name in exported if getattr(_library.lib, name).argtypes is None}
    assert undeclared == {"ob_register_torch"}
    assert set(_library._FUNCTIONS) == exported - undeclared
