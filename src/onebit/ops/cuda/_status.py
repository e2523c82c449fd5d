"""What this machine's GPU can run, in words: for `onebit doctor` and for people who wonder."""

from __future__ import annotations

import torch

from onebit._errors import NativeError
from onebit._registry import unknown_name
from onebit.ops._conv_checks import Conv
from onebit.ops.cuda import _conv_plan, _nvrtc
from onebit.ops.cuda._launch import device_facts
from onebit.ops.cuda._operators import DENSE, dense_plan
from onebit.ops.cuda._plan import VARIANTS

BY_NAME = {op.op: op for op in DENSE}


def status() -> str:
    """One sentence: the device and compiler that would run, or what is missing."""
    if not torch.cuda.is_available():
        return "no CUDA device that torch can use; the CUDA kernels are registered and idle"
    try:
        nvrtc = _nvrtc.compiler()
    except NativeError as error:
        return f"{torch.cuda.get_device_name()}, but: {error}"
    major, minor = torch.cuda.get_device_capability()
    return f"{torch.cuda.get_device_name()} (sm_{major}{minor}), kernels by NVRTC {nvrtc.version[0]}.{nvrtc.version[1]}"


def kernels(device: int = 0) -> list[str]:
    """The dense kernels that this device can run, by the names that force one."""
    names = ["popc", "mma"]
    return names + list(VARIANTS) if device_facts(device).capability == (9, 0) else names


def conv_kernels(device: int = 0, conv: Conv | None = None) -> list[str]:
    """The same for conv2d on bits; given a convolution, only what can run it."""
    return _conv_plan.kernels(device_facts(device), conv)


def choice(op: str, m: int, n: int, k: int, device: int = 0) -> str:
    """The kernel that the dense operator `op` ("dense_bits", "dense_u8_int32", ...) takes for m x n x k: "mma 128x128".

    Raises UnknownName for another operator.
    """
    if op not in BY_NAME:
        raise unknown_name("dense operator", op, BY_NAME)
    return dense_plan(device_facts(device), BY_NAME[op], m, n, k).name
