from __future__ import annotations

import ctypes
import re
import struct
from collections.abc import Callable
from ctypes import c_uint32, c_uint64, c_void_p
from pathlib import Path

import pytest
import torch

from onebit._errors import NativeError
from onebit.ops.cuda import _cache, _driver, _launch, _nvrtc, _sources
from onebit.ops.cuda._sources import Kernel


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
    assert "".join(kinds) == "Q" * 9 + "I" * 10 + "iI"
    packed = _driver.dense_arguments(range(9), range(20, 30), -3, 7)
    assert bytes(packed) == struct.pack("<9Q10IiI", *range(9), *range(20, 30), -3, 7)
    assert ctypes.sizeof(packed) == 120


def test_structures_have_the_drivers_sizes() -> None:
    assert ctypes.sizeof(_driver.TensorMap) == 128
    assert ctypes.sizeof(_driver._Attribute) == 72
    assert ctypes.sizeof(_driver._Config) == 56


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="this machine has a GPU")
def test_without_a_driver_the_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise OSError(f"{name}: cannot open")

    _driver._cuda.cache_clear()
    _driver._primary.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", absent)
    with pytest.raises(NativeError, match="CUDA driver is not installed"):
        _driver.enter(0)


def test_a_kernel_starts_in_the_context_of_its_device_whichever_is_current(source_gpu: Callable) -> None:
    device, words, out = source_gpu((8, 0)), torch.tensor([5]), torch.empty(3)
    parameters = [c_void_p(words.data_ptr()), c_void_p(out.data_ptr()), c_uint64(1), c_uint32(3)]
    for index, before in ((1, None), (0, 101), (1, 7), (1, 101)):  # none, the other device's, a stranger's, its own
        device.current = before
        _launch.spread(Kernel("words", "onebit_unpack"), index, parameters, 3)
    assert device.contexts == [101, 100, 101, 101]
    assert out.tolist() == [-1.0, 1.0, -1.0]


def test_every_device_loads_a_kernel_into_its_own_context(
    source_gpu: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel("words", "onebit_unpack")
    function = _launch._function.__wrapped__  # what the software device replaces
    device, loaded = source_gpu((8, 0)), []
    monkeypatch.setattr(_nvrtc, "compiler", lambda: _nvrtc.Compiler(None, (13, 0), frozenset({80})))  # type: ignore[arg-type]
    monkeypatch.setattr(_cache, "cubin", lambda *_: b"")
    monkeypatch.setattr(_driver, "load", lambda *_: loaded.append(device.current))
    for index in (1, 0):
        function(kernel, index, 0)
    assert loaded == [101, 100]


def test_a_kernel_is_not_loaded_while_a_graph_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    with pytest.raises(NativeError, match=r"onebit_row_sums .*first time while a CUDA graph .*Call the model once"):
        _launch._function.__wrapped__(Kernel("words", "onebit_row_sums"), 0, 0)


def start(function: str, grid: tuple[int, int], block: tuple[int, int], *values: torch.Tensor | int) -> None:
    """Launches one of the paper's kernels: addresses and unsigned sizes in order."""
    parameters = [c_uint32(v) if isinstance(v, int) else c_void_p(v.data_ptr()) for v in values]
    compiled = _launch._function(Kernel("paper", function), 0, 2048)
    _driver.enter(0)
    _driver.launch(compiled, (*grid, 1), (*block, 1), 2048, 0, parameters)


@pytest.mark.parametrize(("m", "n", "k"), [(1, 1, 1), (17, 33, 70), (16, 16, 64), (5, 40, 100)])
def test_the_papers_kernels_are_right_at_any_shape(software_gpu: Callable, m: int, n: int, k: int) -> None:
    software_gpu((8, 0))
    generator = torch.Generator().manual_seed(m)
    a, b = (torch.randint(0, 2, size, generator=generator) * 2.0 - 1.0 for size in ((m, k), (n, k)))
    tiles, columns, words = (-(-n // 16), -(-m // 16)), b.t().contiguous(), -(-k // 32)
    out, packed = torch.full((m, n), 77.0), [torch.empty(rows, words, dtype=torch.int32) for rows in (m, n)]
    start("onebit_paper_gemm", tiles, (16, 16), a, columns, out, m, n, k)
    assert torch.equal(out, a @ columns)
    for real, to in zip((a, b), packed, strict=True):
        start("onebit_paper_concatenate", (-(-to.numel() // 256), 1), (256, 1), real, to, real.shape[0], k)
    out.fill_(77.0)
    start("onebit_paper_xnor_gemm", tiles, (16, 16), packed[0], packed[1].t().contiguous(), out, m, n, words, k)
    assert torch.equal(out, a @ columns)
