"""CUDA devices made of software: the Python front runs as it is, on CPU tensors. What they cannot show: speed, and what
only the hardware does.

source   the kernels' own source, compiled by the C++ compiler over native/tests/cuda_emulator: in every test run.
ptx      what NVRTC makes of it, inline assembly and all, on the machine of native/tests/ptx_machine, through a libcuda
         of its own: `make test-cuda-emulated`, and the tests that ask for ptx_gpu.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch

from onebit.ops.cuda import _cache, _driver, _launch, _nvrtc, _status, _weights
from onebit.ops.cuda._plan import Device
from onebit.ops.cuda._sources import Kernel, folder, headers, source

EMULATOR = Path(__file__).parents[3] / "native" / "tests" / "cuda_emulator"
MACHINE = EMULATOR.with_name("ptx_machine")
BUILT = EMULATOR.parents[2] / "build" / "cuda_emulated"  # kept: what did not change is not built again
FLAGS = ["-std=c++17", "-O1", "-shared", "-fPIC", "-ffp-contract=off", "-w", "-Wno-psabi"]


class SoftwareDriver:
    """libcuda's functions as _driver calls them; kernels are compiled by the C++ compiler on first use."""

    def __init__(self, compiler: str) -> None:
        self.compiler = compiler
        self.libraries: dict[Kernel, ctypes.CDLL] = {}
        self.launched: list[tuple[str, tuple[int, ...]]] = []
        self.contexts: list[int | None] = []  # what was current at each launch
        self.current: int | None = None
        self.chances = 0

    def library(self, kernel: Kernel) -> ctypes.CDLL:
        if kernel not in self.libraries:
            texts = [path.read_text() for path in sorted(EMULATOR.iterdir())]
            texts += [source(kernel.file), *headers().values(), repr((kernel, FLAGS))]
            macros = [f'-DKERNEL_FILE="{kernel.file}.cu"', f"-DKERNEL={kernel.function}", *kernel.options()]
            options = [*FLAGS, *macros, f"-I{folder()}", f"-I{EMULATOR}"]
            name = hashlib.sha256("".join(texts).encode()).hexdigest()[:24]
            self.libraries[kernel] = build(self.compiler, [EMULATOR / "library.cpp"], options, name)
            self.libraries[kernel].emulate.restype = ctypes.c_char_p
        return self.libraries[kernel]

    def cuDeviceGet(self, handle: Any, ordinal: int | None) -> int:  # noqa: N802
        handle._obj.value = ordinal or 0  # a tensor on the CPU is of no device
        return 0

    def cuDevicePrimaryCtxRetain(self, context: Any, device: Any) -> int:  # noqa: N802
        context._obj.value = 100 + device.value
        return 0

    def cuCtxGetCurrent(self, context: Any) -> int:  # noqa: N802
        context._obj.value = self.current
        return 0

    def cuCtxSetCurrent(self, context: Any) -> int:  # noqa: N802
        self.current = context.value
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
        assert (kind, rest) == (0, (0, {32: 1, 64: 2, 128: 3}[box[0]], 3, 0))
        assert ctypes.addressof(described._obj) % 64 == 0
        assert all(span % step == 0 for span, step in zip(box, steps, strict=True))
        counts, more = [span // step for span, step in zip(box, steps, strict=True)], 4 - rank
        axes = ((sizes, 1), (strides, 0), (counts, 1), (steps, 1))
        described._obj.opaque[:] = [address.value, *(each for axis, none in axes for each in [*axis, *[none] * more])]
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
        self.contexts.append(self.current)
        return 0


class PtxLibrary:
    """NVRTC's library that hands out PTX when it is asked for machine code."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library

    def __getattr__(self, name: str) -> Any:
        return getattr(self.library, name.replace("nvrtcGetCUBIN", "nvrtcGetPTX"))


class PtxCompiler(_nvrtc.Compiler):
    """The real compiler; its texts are kept between runs. A test may change them: edits maps old text to new."""

    edits: ClassVar[dict[str, str]] = {}

    def compile(self, kernel: Kernel, arch: str) -> bytes:
        text = self.text(kernel, arch).decode()
        for old, new in self.edits.items():
            text = re.sub(old, new, text)
        return text.encode()

    def text(self, kernel: Kernel, arch: str) -> bytes:
        path = BUILT / f"{_cache.digest(kernel, arch, self.version)}.ptx"
        if not path.exists():
            made = path.with_suffix(f".{os.getpid()}")
            made.write_bytes(super().compile(kernel, arch))
            made.replace(path)
        return path.read_bytes()


class Machine:
    """The machine's libcuda as _driver calls it, which knows the tensors whose addresses the front has asked for."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library, self.names = library, dict[int, str]()
        self.launched: list[tuple[str, tuple[int, ...]]] = []
        library.machine_error.restype = ctypes.c_char_p
        library.machine_memory.argtypes = [ctypes.c_void_p, ctypes.c_uint64]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.library, name)

    def know(self, tensor: torch.Tensor, address: int) -> int:
        """A kernel may touch what lies between the tensor's first and last element."""
        last = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))
        if tensor.numel():
            self.library.machine_memory(address, (last + 1) * tensor.element_size())
        return address

    def cuModuleGetFunction(self, handle: Any, module: Any, name: bytes) -> int:  # noqa: N802
        status: int = self.library.cuModuleGetFunction(handle, module, name)
        self.names[handle._obj.value] = name.decode()
        return status

    def cuLaunchKernelEx(self, config: Any, function: Any, pointers: Any, extra: None) -> int:  # noqa: N802
        wrong = self.library.cuLaunchKernelEx(config, function, pointers, extra)
        self.library.machine_forget_memory()
        assert not wrong, self.library.machine_error().decode()
        self.launched.append((self.names[function.value], tuple(config._obj.grid)))
        return 0


def compiler_or_skip() -> str:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("needs a C++ compiler (g++ or clang++) for the emulator")
    BUILT.mkdir(parents=True, exist_ok=True)
    return compiler


def build(compiler: str, sources: list[Path], options: list[str], name: str) -> ctypes.CDLL:
    """The shared library of these sources, built once; processes that build it at once write the same bytes."""
    path = BUILT / f"{name}.so"
    if not path.exists():
        made = path.with_suffix(f".{os.getpid()}")
        subprocess.run([compiler, *options, *map(str, sources), "-o", str(made)], check=True)
        made.replace(path)
    return ctypes.CDLL(str(path))


@pytest.fixture(scope="session")
def software_driver() -> SoftwareDriver:
    return SoftwareDriver(compiler_or_skip())


@pytest.fixture(scope="session")
def machine() -> Machine:
    compiler = compiler_or_skip()
    texts = [path.read_bytes() for path in sorted(MACHINE.iterdir())]
    options = ["-std=c++17", "-O2", "-shared", "-fPIC", "-ffp-contract=off"]
    name = hashlib.sha256(b"".join(texts)).hexdigest()[:24]
    return Machine(build(compiler, sorted(MACHINE.glob("*.cpp")), options, name))


def no_device(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], processors: int) -> None:
    """What torch says of devices, without one."""
    _driver.tensor_map.cache_clear()
    _driver._primary.cache_clear()
    monkeypatch.setattr(_weights, "_prepared", {})
    monkeypatch.setattr(_launch, "device_facts", lambda _: Device(capability, processors))
    monkeypatch.setattr(_status, "device_facts", lambda _: Device(capability, processors))
    monkeypatch.setattr(torch.cuda, "device", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    stream = SimpleNamespace(synchronize=lambda: None, cuda_stream=0)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: stream)


@pytest.fixture
def source_gpu(software_driver: SoftwareDriver, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SoftwareDriver]:
    def become(capability: tuple[int, int], processors: int = 3) -> SoftwareDriver:
        software_driver.launched.clear()
        software_driver.contexts.clear()
        no_device(monkeypatch, capability, processors)
        monkeypatch.setattr(_launch, "_function", lambda kernel, *_: kernel)
        monkeypatch.setattr(_driver, "_cuda", lambda: software_driver)
        return software_driver

    return become


@pytest.fixture
def ptx_gpu(
    machine: Machine, nvrtc: _nvrtc.Compiler, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., Machine]]:
    address = torch.Tensor.data_ptr
    compiler = PtxCompiler(PtxLibrary(nvrtc.library), nvrtc.version, nvrtc.architectures)  # type: ignore[arg-type]
    monkeypatch.setenv("ONEBIT_CUDA_CACHE", str(tmp_path))
    torch.use_deterministic_algorithms(True)  # fills new tensors: a result that was not written shows

    def become(capability: tuple[int, int], processors: int = 3, edits: dict[str, str] | None = None) -> Machine:
        monkeypatch.setattr(PtxCompiler, "edits", edits or {})
        machine.launched.clear()
        machine.machine_forget_memory()
        no_device(monkeypatch, capability, processors)
        _launch._function.cache_clear()
        monkeypatch.setattr(_nvrtc, "compiler", lambda: compiler)
        monkeypatch.setattr(_driver, "_cuda", lambda: machine)
        monkeypatch.setattr(torch.Tensor, "data_ptr", lambda tensor: machine.know(tensor, address(tensor)))
        return machine

    yield become
    torch.use_deterministic_algorithms(False)
    _launch._function.cache_clear()


@pytest.fixture
def software_gpu(request: pytest.FixtureRequest) -> Callable[..., SoftwareDriver | Machine]:
    """software_gpu((9, 0)): from here on, CPU tensors live on a device of this compute capability."""
    become: Callable[..., SoftwareDriver | Machine]
    become = request.getfixturevalue(f"{os.environ.get('ONEBIT_EMULATED_CUDA', 'source')}_gpu")
    return become


@pytest.fixture(scope="session")
def nvrtc() -> _nvrtc.Compiler:
    try:
        return _nvrtc.compiler()
    except _nvrtc.NvrtcAbsentError:
        pytest.skip("needs libnvrtc (pip install nvidia-cuda-nvrtc); `make test-cuda-compile` installs it")
