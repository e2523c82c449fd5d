"""What the Python kernels share: operands that C can read, results, scratch, and a thread count that follows torch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from onebit._errors import NativeError
from onebit.ops._library import check, lib

MOST_BYTES = 2**63 - 1  # of a tensor
MOST_THREADS = 1024  # ob_set_threads takes no more
_ALIGNMENT = 64  # of the workspace, and what pre-packed weights are read fastest at


def operand(tensor: Tensor, alignment: int) -> Tensor:
    """The tensor, or a copy of it, dense and aligned: a view into a file or buffer may start anywhere."""
    tensor = tensor.contiguous()
    return tensor if tensor.data_ptr() % alignment == 0 else tensor.clone()


def empty(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A result; NativeError, which names the shape, where no memory can hold it."""
    if math.prod(shape) > MOST_BYTES // dtype.itemsize:
        raise NativeError(f"a tensor of shape {shape} has too many numbers. Use less padding or a larger stride.")
    try:
        return torch.empty(shape, dtype=dtype)
    except RuntimeError as error:
        raise NativeError(f"could not allocate a tensor of shape {shape} ({dtype}): {error}") from error


def scratch(size: int) -> tuple[Tensor | None, int | None]:
    """A fresh tensor and the aligned address in it from which `size` bytes are free; nothing for size 0."""
    if size == 0:
        return None, None
    memory = torch.empty(size + _ALIGNMENT - 1, dtype=torch.uint8)
    return memory, -(-memory.data_ptr() // _ALIGNMENT) * _ALIGNMENT


def follow_torch_threads() -> int:
    """Gives the library's pool the size of torch's own; asked at every call, as torch.set_num_threads may come late."""
    threads = min(torch.get_num_threads(), MOST_THREADS)
    if lib.ob_get_threads() != threads:
        check(lib.ob_set_threads(threads), f"torch.get_num_threads() is {threads}")
    return threads
