"""A CUDA device made of software: the Python front runs as it is, on CPU tensors, and its launches run the kernels' own
source on the emulator of native/tests/cuda_emulator. What it cannot show: speed, and what only the hardware does."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from onebit.ops.cuda import _driver, _launch, _nvrtc, _weights
from onebit.ops.cuda._plan import Device
from onebit.ops.cuda._sources import Kernel, folder, headers, source

EMULATOR = Path(__file__).parents[3] / "native" / "tests" / "cuda_emulator"
FLAGS = ["-std=c++17", "-O1", "-shared", "-fPIC", "-ffp-contract=off", "-w", "-Wno-psabi"]


class SoftwareDriver:
    """libcuda's functions as _driver calls them; kernels are compiled by the C++ compiler on first use."""

    def __init__(self, compiler: str, place: Path) -> None:
        self.compiler, self.place = compiler, place
        self.libraries: dict[Kernel, ctypes.CDLL] = {}
        self.launched: list[tuple[str, tuple[int, ...]]] = []
        self.chances = 0

    def library(self, kernel: Kernel) -> ctypes.CDLL:
        if kernel not in self.libraries:
            texts = [path.read_text() for path in sorted(EMULATOR.iterdir())]
            texts += [source(kernel.file), *headers().values(), repr((kernel, FLAGS))]
            path = self.place / f"{hashlib.sha256(''.join(texts).encode()).hexdigest()[:24]}.so"
            if not path.exists():
                made = path.with_suffix(f".{os.getpid()}")
                macros = [f'-DKERNEL_FILE="{kernel.file}.cu"', f"-DKERNEL={kernel.function}", *kernel.options()]
                include = [f"-I{folder()}", f"-I{EMULATOR}", str(EMULATOR / "library.cpp"), "-o", str(made)]
                subprocess.run([self.compiler, *FLAGS, *macros, *include], check=True)
                made.replace(path)
            self.libraries[kernel] = ctypes.CDLL(str(path))
            self.libraries[kernel].emulate.restype = ctypes.c_char_p
        return self.libraries[kernel]

    def cuCtxGetCurrent(self, context: Any) -> int:  # noqa: N802
        context._obj.value = 1
        return 0

    def cuTensorMapEncodeTiled(  # noqa: N802
        self,
        described: Any,
        kind: int,
        rank: int,
        address: Any,
        sizes: Any,
        strides: Any,
        box: Any,
        steps: Any,
        *rest: int,
    ) -> int:
        assert (kind, rank, tuple(steps), box[0], rest) == (0, 2, (1, 1), 128, (0, 3, 3, 0))
        assert ctypes.addressof(described._obj) % 64 == 0
        described._obj.opaque[:5] = [address.value, sizes[0], sizes[1], strides[0], box[1]]
        return 0

    def cuLaunchKernelEx(self, config: Any, kernel: Kernel, pointers: Any, extra: None) -> int:  # noqa: N802
        assert extra is None
        setup, cluster = config._obj, 1
        for i in range(setup.count):
            assert setup.attributes[i].id == 4, "only the cluster's size is asked for"
            cluster = setup.attributes[i].value[0]
        self.chances += 1
        sizes = (*setup.grid[:2], *setup.block[:2], setup.shared_bytes, cluster)
        wrong = self.library(kernel).emulate((ctypes.c_uint * 6)(*sizes), pointers, ctypes.c_ulonglong(self.chances))
        assert not wrong, f"{kernel}: {wrong.decode()}"
        self.launched.append((kernel.function, sizes))
        return 0


@pytest.fixture(scope="session")
def software_driver() -> SoftwareDriver:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("needs a C++ compiler (g++ or clang++) for the emulator")
    place = EMULATOR.parents[2] / "build" / "cuda_emulated"  # kept: a kernel that did not change is not built again
    place.mkdir(parents=True, exist_ok=True)
    return SoftwareDriver(compiler, place)


@pytest.fixture
def software_gpu(software_driver: SoftwareDriver, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SoftwareDriver]:
    """software_gpu((9, 0)): from here on, CPU tensors live on a device of this compute capability."""

    def become(capability: tuple[int, int], processors: int = 3) -> SoftwareDriver:
        software_driver.launched.clear()
        _driver.tensor_map.cache_clear()
        monkeypatch.setattr(_weights, "_prepared", {})
        monkeypatch.setattr(_launch, "_function", lambda kernel, *_: kernel)
        monkeypatch.setattr(_launch, "device_facts", lambda _: Device(capability, processors))
        monkeypatch.setattr(_launch, "_stream", lambda _: 0)
        monkeypatch.setattr(_driver, "_cuda", lambda: software_driver)
        monkeypatch.setattr(torch.cuda, "device", lambda _: contextlib.nullcontext())
        monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda _: SimpleNamespace(synchronize=lambda: None))
        return software_driver

    return become


@pytest.fixture(scope="session")
def nvrtc() -> _nvrtc.Compiler:
    try:
        return _nvrtc.compiler()
    except _nvrtc.NvrtcAbsentError:
        pytest.skip("needs libnvrtc (pip install nvidia-cuda-nvrtc); `make test-cuda-compile` installs it")
