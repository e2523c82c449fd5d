"""From tensors to launches: compiled kernels per device, addresses into arguments, torch's current stream."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from ctypes import c_uint32, c_uint64, c_void_p

import torch
from torch import Tensor

from onebit._errors import NativeError
from onebit.ops.cuda import _cache, _driver, _nvrtc
from onebit.ops.cuda._plan import BITS, Device, Plan
from onebit.ops.cuda._sources import Kernel

_BLOCK = 256  # threads of the simple kernels


@functools.cache
def device_facts(index: int) -> Device:
    """Compute capability and multiprocessors of a CUDA device."""
    facts = torch.cuda.get_device_properties(index)
    return Device((facts.major, facts.minor), facts.multi_processor_count)


@functools.cache
def _function(kernel: Kernel, index: int, shared_bytes: int) -> c_void_p:
    """Compiled (or read from the cache) and loaded on this device, once in a process; not while a graph is captured."""
    if torch.cuda.is_current_stream_capturing():
        raise NativeError(
            f"The kernel {kernel.function} ({' '.join(kernel.options()) or 'no macros'}) is used for the first time "
            "while a CUDA graph is captured, and loading it is nothing that a graph can hold. Call the model once, "
            "with an input of the same shape, before the capture."
        )
    nvrtc = _nvrtc.compiler()
    arch = _nvrtc.architecture(device_facts(index).capability, kernel.file, nvrtc.architectures)
    cubin = _cache.cubin(kernel, arch, nvrtc.version, nvrtc.compile)
    _driver.enter(index)
    return _driver.load(cubin, kernel.function, shared_bytes)


def aligned(tensor: Tensor, alignment: int = 16) -> Tensor:
    """The tensor, or a copy of it, dense and aligned."""
    tensor = tensor.contiguous()
    return tensor if tensor.data_ptr() % alignment == 0 else tensor.clone()


def simple(
    kernel: Kernel, tensors: Sequence[Tensor], sizes: Sequence[tuple[type[c_uint32 | c_uint64], int]], threads: int
) -> None:
    """Launches one of words.cu's kernels with about `threads` threads; arguments are addresses, then sizes."""
    parameters: list[_driver.Parameter] = [c_void_p(tensor.data_ptr()) for tensor in tensors]
    spread(kernel, tensors[0].device.index, [*parameters, *(kind(value) for kind, value in sizes)], threads)


def spread(kernel: Kernel, index: int, parameters: Sequence[_driver.Parameter], threads: int) -> None:
    """Launches a kernel whose threads stride over their work, with about `threads` of them."""
    function = _function(kernel, index, 0)
    grid = max(1, min(-(-threads // _BLOCK), 32 * device_facts(index).processors))
    _driver.enter(index)
    _driver.launch(function, (grid, 1, 1), (_BLOCK, 1, 1), 0, _stream(index), parameters)


def row_sums(words: Tensor) -> Tensor:
    """Popcount of each row of (rows, W) words, int32. One warp for a row."""
    rows, row_words = words.shape
    sums = torch.empty(rows, dtype=torch.int32, device=words.device)
    index = words.device.index
    function = _function(Kernel("words", "onebit_row_sums"), index, 0)
    parameters: list[_driver.Parameter] = [
        c_void_p(words.data_ptr()),
        c_void_p(sums.data_ptr()),
        c_uint32(rows),
        c_uint32(row_words),
    ]
    _driver.enter(index)
    _driver.launch(function, (-(-rows * 32 // _BLOCK), 1, 1), (_BLOCK, 1, 1), 0, _stream(index), parameters)
    return sums


def dense(
    plan: Plan,
    operand: int,
    out: Tensor,
    x: Tensor,
    weights: Tensor,
    sizes: tuple[int, int, int],
    sums: tuple[Tensor | None, Tensor | None],
    channels: Sequence[Tensor],
    is_float: bool,
) -> None:
    """Launches a dense kernel: x (m, row), weights (n, row), sums (of x, of weights) where the plan reads them."""
    m, n, k = sizes
    x_stride = x.shape[-1] * x.element_size()
    weight_stride = weights.shape[-1] * weights.element_size()
    k_bytes = x_stride if operand == BITS else k
    first, second = [tensor.data_ptr() for tensor in channels] or [0, 0]
    pointers = [out.data_ptr(), *(0 if tensor is None else tensor.data_ptr() for tensor in sums)]
    pointers += [first, second, 0, 0] if is_float else [0, 0, first, second]
    pointers += [x.data_ptr(), weights.data_ptr()]
    rows, columns = plan.tile
    tiles = (-(-m // rows), -(-n // columns))
    band = band_of(plan, x.device.index)
    counts = (m, n, k, k_bytes, x_stride, weight_stride, *tiles, band, n)
    parameters: list[_driver.Parameter] = [_driver.dense_arguments(pointers, counts, plan.padding, plan.parts)]
    if plan.tensor_maps is not None:
        maps = [
            _driver.tensor_map(x.data_ptr(), (k_bytes, m), (x_stride,), (128, plan.tensor_maps[0])),
            _driver.tensor_map(weights.data_ptr(), (k_bytes, n), (weight_stride,), (128, plan.tensor_maps[1])),
        ]
        parameters = [*maps, *parameters]
    start(plan, x.device.index, parameters)


def band_of(plan: Plan, index: int) -> int:
    """Tile rows of a band: the tiles in flight then form a square."""
    return max(1, round(math.sqrt(device_facts(index).processors) / plan.cluster))


def start(plan: Plan, index: int, parameters: Sequence[_driver.Parameter]) -> None:
    """Launches the plan's kernel."""
    function = _function(plan.kernel, index, plan.shared_bytes)
    _driver.enter(index)
    _driver.launch(
        function, (plan.grid, 1, 1), (plan.threads, 1, 1), plan.shared_bytes, _stream(index), parameters, plan.cluster
    )


def _stream(index: int) -> int:
    stream: int = torch.cuda.current_stream(index).cuda_stream
    return stream
