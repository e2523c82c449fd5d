"""What onebit is compared with on a GPU: cuBLAS in four precisions; and the ceiling of Hopper's tensor core."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_uint32, c_void_p

import torch
from torch import Tensor

from onebit.ops.cuda import _driver, _launch
from onebit.ops.cuda._plan import BITS
from onebit.ops.cuda._sources import Kernel

Work = Callable[[], object]


def signs(rows: int, columns: int, dtype: torch.dtype) -> Tensor:
    """Random -1 and +1."""
    return (torch.randint(0, 2, (rows, columns), device="cuda", dtype=torch.int8) * 2 - 1).to(dtype)


def cublas(size: int, dtype: torch.dtype) -> Work:
    """size^3 in one precision, operands of -1 and +1, the second one transposed as a layer's weights are."""
    a, b = signs(size, size, dtype), signs(size, size, dtype).t()
    if dtype == torch.int8:
        return lambda: torch._int_mm(a, b)
    out = torch.empty(size, size, dtype=dtype, device="cuda")
    return lambda: torch.mm(a, b, out=out)


def float8(size: int) -> Work:
    """size^3 in float8 with bfloat16 results."""
    a, b = (signs(size, size, torch.float32).to(torch.float8_e4m3fn) for _ in range(2))
    one = torch.ones((), device="cuda")
    return lambda: torch._scaled_mm(a, b.t(), one, one, out_dtype=torch.bfloat16)


def peak_tops(operand: int) -> float:
    """Tera-operations per second of the tensor core alone, bits or bytes, from shared memory (Hopper only)."""
    index, blocks = torch.cuda.current_device(), 20_000
    processors = _launch.device_facts(index).processors
    macros = (("OB_OPERAND", operand), ("OB_FORM", 1 if operand == BITS else 3))
    shared = 384 * 128
    function = _launch._function(Kernel("dense_wgmma_peak", "onebit_peak", macros), index, shared)
    sink = torch.empty(processors * 256, dtype=torch.int32, device="cuda")
    arguments: list[_driver.Parameter] = [c_void_p(sink.data_ptr()), c_uint32(blocks)]

    def work() -> None:
        stream = torch.cuda.current_stream().cuda_stream
        _driver.launch(function, (processors, 1, 1), (256, 1, 1), shared, stream, arguments)

    from gpu_timing import median_ms

    k = 1024 if operand == BITS else 128
    return 2 * processors * 2 * 64 * 256 * k * blocks / median_ms(work) / 1e9
