"""What onebit is compared with on a GPU: cuBLAS in four precisions, and the paper's own two kernels."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from ctypes import c_uint32, c_void_p

import torch
from torch import Tensor

from onebit.ops.cuda import _driver, _launch
from onebit.ops.cuda._plan import BITS
from onebit.ops.cuda._sources import Kernel

Work = Callable[[], object]
SIDE = 16  # of the paper's tiles


@contextlib.contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """cuBLAS may, or may not, round float32 operands to TF32."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


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


def _start(
    name: str, grid: tuple[int, int], block: tuple[int, int], shared: int, arguments: list[_driver.Parameter]
) -> None:
    index = torch.cuda.current_device()
    function = _launch._function(Kernel("paper", name), index, shared)
    stream = torch.cuda.current_stream().cuda_stream
    _driver.enter(index)
    _driver.launch(function, (*grid, 1), (*block, 1), shared, stream, arguments)


def _tiles(m: int, n: int) -> tuple[int, int]:
    return -(-n // SIDE), -(-m // SIDE)


def paper_gemm(a: Tensor, b: Tensor) -> Tensor:
    """The paper's baseline: a (m, k) b (k, n) in float32."""
    (m, k), n = a.shape, b.shape[1]
    out = torch.empty(m, n, device=a.device)
    arguments = [c_void_p(t.data_ptr()) for t in (a, b, out)] + [c_uint32(size) for size in (m, n, k)]
    _start("onebit_paper_gemm", _tiles(m, n), (SIDE, SIDE), 2 * SIDE * SIDE * 4, arguments)
    return out


def paper_concatenate(x: Tensor) -> Tensor:
    """The paper's packing: (rows, k) float32 -> (rows, ceil(k / 32)) int32 words."""
    rows, k = x.shape
    words = torch.empty(rows, -(-k // 32), dtype=torch.int32, device=x.device)
    arguments = [c_void_p(x.data_ptr()), c_void_p(words.data_ptr()), c_uint32(rows), c_uint32(k)]
    _start("onebit_paper_concatenate", (-(-words.numel() // 256), 1), (256, 1), 0, arguments)
    return words


def paper_xnor(a: Tensor, b: Tensor, k: int) -> Tensor:
    """The paper's XNOR product: a (m, words), b (words, n) -> (m, n) float32."""
    (m, words), n = a.shape, b.shape[1]
    out = torch.empty(m, n, device=a.device)
    arguments = [c_void_p(t.data_ptr()) for t in (a, b, out)] + [c_uint32(size) for size in (m, n, words, k)]
    _start("onebit_paper_xnor_gemm", _tiles(m, n), (SIDE, SIDE), 2 * SIDE * SIDE * 4, arguments)
    return out


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
