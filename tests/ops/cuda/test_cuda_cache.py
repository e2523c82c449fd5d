from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from onebit.ops.cuda import _cache
from onebit.ops.cuda._sources import Kernel

KERNEL = Kernel("pack", "onebit_pack", (("OB_DTYPE", 1),))
ELF = b"\x7fELF"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONEBIT_CUDA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Compiler:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, kernel: Kernel, arch: str) -> bytes:
        assert kernel.file in {"pack", "paper"}
        self.calls += 1
        return ELF + arch.encode()


def test_a_kernel_is_compiled_once() -> None:
    make = Compiler()
    assert [_cache.cubin(KERNEL, "sm_80", (13, 0), make) for _ in range(3)] == [ELF + b"sm_80"] * 3
    assert make.calls == 1


def test_the_name_changes_with_all_that_decides_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {
        _cache.digest(KERNEL, "sm_80", (13, 0)),
        _cache.digest(KERNEL, "sm_86", (13, 0)),
        _cache.digest(KERNEL, "sm_80", (13, 1)),
        _cache.digest(Kernel("pack", "onebit_pack", (("OB_DTYPE", 2),)), "sm_80", (13, 0)),
        _cache.digest(Kernel("paper", "onebit_pack", (("OB_DTYPE", 1),)), "sm_80", (13, 0)),
    }
    monkeypatch.setattr(_cache, "headers", lambda: {"device.cuh": "another text"})
    names.add(_cache.digest(KERNEL, "sm_80", (13, 0)))
    assert len(names) == 6


def test_many_writers_leave_one_whole_file(place: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: _cache.cubin(KERNEL, "sm_80", (13, 0), Compiler()), range(32)))
    assert set(got) == {ELF + b"sm_80"}
    assert [path.suffix for path in place.iterdir()] == [".cubin"]


def test_a_damaged_file_is_made_again(place: Path) -> None:
    make = Compiler()
    _cache.cubin(KERNEL, "sm_80", (13, 0), make)
    next(place.iterdir()).write_bytes(b"")
    assert _cache.cubin(KERNEL, "sm_80", (13, 0), make) == ELF + b"sm_80"
    assert make.calls == 2


def test_a_folder_that_cannot_be_written_costs_only_time(place: Path) -> None:
    place.write_text("a file where the folder should be")
    make = Compiler()
    assert _cache.cubin(KERNEL, "sm_80", (13, 0), make) == ELF + b"sm_80"


def test_the_folder_is_bounded_and_forgets_the_oldest(place: Path) -> None:
    place.mkdir()
    now = time.time()
    for age in range(10):
        path = place / f"{age}.cubin"
        path.write_bytes(bytes(100))
        os.utime(path, (now - age, now - age))
    _cache.prune(place, 450)
    assert sorted(path.stem for path in place.iterdir()) == ["0", "1", "2", "3"]


def test_the_users_cache_folder_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONEBIT_CUDA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert _cache.folder() == Path("/somewhere/onebit/cuda")
