"""NVRTC, NVIDIA's run-time compiler: found among torch's own packages, loaded at first use, no toolkit needed.

Knows nothing of devices: it compiles for any architecture on any machine.
"""

from __future__ import annotations

import ctypes
import functools
import site
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from onebit._errors import NativeError
from onebit.ops.cuda._sources import Kernel, headers, source

_NEWEST_FIRST = ("13", "12")  # major versions that the sources are written for


class NvrtcAbsentError(NativeError):
    """NVRTC is not installed; the message says how to get it."""


@dataclass(frozen=True)
class Compiler:
    """A loaded NVRTC: version (major, minor) and the real architectures it knows ("75", "90", ...)."""

    library: ctypes.CDLL
    version: tuple[int, int]
    architectures: frozenset[int]

    def compile(self, kernel: Kernel, arch: str) -> bytes:
        """The cubin of a kernel for "sm_90a" and the like; raises NativeError with the compiler's log."""
        names, texts = list(headers()), list(headers().values())
        program, count = ctypes.c_void_p(), len(names)
        self._check(
            self.library.nvrtcCreateProgram(
                ctypes.byref(program), source(kernel.file).encode(), f"{kernel.file}.cu".encode(), count,
                (ctypes.c_char_p * count)(*(text.encode() for text in texts)),
                (ctypes.c_char_p * count)(*(name.encode() for name in names)),
            ),
            kernel, arch, None,
        )  # fmt: skip
        try:
            options = [f"--gpu-architecture={arch}", "--std=c++17", *kernel.options()]
            status = self.library.nvrtcCompileProgram(
                program, len(options), (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
            )
            self._check(status, kernel, arch, program)
            size = ctypes.c_size_t()
            self._check(self.library.nvrtcGetCUBINSize(program, ctypes.byref(size)), kernel, arch, program)
            cubin = ctypes.create_string_buffer(size.value)
            self._check(self.library.nvrtcGetCUBIN(program, cubin), kernel, arch, program)
            return cubin.raw
        finally:
            self.library.nvrtcDestroyProgram(ctypes.byref(program))

    def _check(self, status: int, kernel: Kernel, arch: str, program: ctypes.c_void_p | None) -> None:
        if not status:
            return
        self.library.nvrtcGetErrorString.restype = ctypes.c_char_p
        log = self._log(program) if program is not None else ""
        what = self.library.nvrtcGetErrorString(status).decode()
        raise NativeError(
            f"NVRTC {self.version[0]}.{self.version[1]}: {kernel.file}.cu for {arch}: {what}\n{log}".strip()
        )

    def _log(self, program: ctypes.c_void_p) -> str:
        size = ctypes.c_size_t()
        self.library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(max(1, size.value))
        self.library.nvrtcGetProgramLog(program, log)
        return log.value.decode(errors="replace")


@functools.cache
def compiler() -> Compiler:
    """The NVRTC of torch's CUDA version if there is one, else the newest found; raises NvrtcAbsentError."""
    wanted = (torch.version.cuda or "").split(".")[0]
    majors = sorted(_NEWEST_FIRST, key=lambda major: major != wanted)
    for major in majors:
        for candidate in _candidates(major):
            library = _load(candidate, major)
            if library is not None:
                return Compiler(library, _version(library), _architectures(library))
    raise NvrtcAbsentError(
        "The CUDA kernels of onebit are compiled by NVRTC, and libnvrtc was not found. A torch with CUDA brings it; "
        f"otherwise install it: pip install {'nvidia-cuda-nvrtc' if majors[0] == '13' else 'nvidia-cuda-nvrtc-cu12'}."
    )


def _candidates(major: str) -> Iterator[str]:
    """What torch has loaded already, its packages' folders, then the system's."""
    name = f"libnvrtc.so.{major}"
    roots = [*sys.path, *site.getsitepackages(), site.getusersitepackages()]
    for root in dict.fromkeys(roots):
        for inside in (f"nvidia/cu{major}/lib", "nvidia/cuda_nvrtc/lib"):
            path = Path(root) / inside / name
            if path.is_file():
                yield str(path)
    yield name
    yield f"/usr/local/cuda-{major}/lib64/{name}"
    yield f"/usr/local/cuda/lib64/{name}"


def _load(candidate: str, major: str) -> ctypes.CDLL | None:
    """NVRTC opens its builtins by bare name, which fails outside the loader's path: they are loaded first."""
    path = Path(candidate)
    if path.is_absolute():
        for builtins in sorted(path.parent.glob(f"libnvrtc-builtins.so.{major}*")):
            ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
    try:
        return ctypes.CDLL(candidate)
    except OSError:
        return None


def _version(library: ctypes.CDLL) -> tuple[int, int]:
    major, minor = ctypes.c_int(), ctypes.c_int()
    library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


def _architectures(library: ctypes.CDLL) -> frozenset[int]:
    count = ctypes.c_int()
    library.nvrtcGetNumSupportedArchs(ctypes.byref(count))
    known = (ctypes.c_int * count.value)()
    library.nvrtcGetSupportedArchs(known)
    return frozenset(known)


def architecture(capability: tuple[int, int], kernel_file: str, known: frozenset[int]) -> str:
    """The target for a device: "sm_90a" for the Hopper kernels, else the newest known one of its generation.

    A cubin runs on later minor versions of its own major version, so an unknown 12.3 runs code for 12.0.
    """
    major, minor = capability
    if kernel_file.endswith(("_wgmma", "_wgmma_peak")):
        return f"sm_{major}{minor}a"
    usable = [number for number in known if number // 10 == major and number % 10 <= minor]
    if not usable:
        raise NativeError(
            f"NVRTC knows no architecture for compute capability {major}.{minor}; it knows {sorted(known)}."
        )
    return f"sm_{max(usable)}"
