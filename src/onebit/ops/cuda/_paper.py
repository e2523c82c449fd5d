"""The kernels of the paper's figure (native/cuda/paper.cu; arXiv:1602.02830, section 3): only to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import c_uint32, c_void_p

import torch
from torch import Tensor

from onebit._errors import ShapeError
from onebit.ops.cuda import _driver, _launch
from onebit.ops.cuda._sources import Kernel

SIDE, BLOCK = 16, 256  # of the products' square tiles; threads of the packing


def paper_gemm(a: Tensor, b: Tensor) -> Tensor:
    """a (m, k) b (k, n) in float32, by the unoptimised tiled kernel; ShapeError for other shapes."""
    return _product("onebit_paper_gemm", a, b, torch.float32)


def paper_concatenate(x: Tensor) -> Tensor:
    """x (rows, k) float32 to (rows, ceil(k / 32)) int32 words: bit 1 for a negative number."""
    rows, k = x.shape
    words = torch.empty(rows, -(-k // 32), dtype=torch.int32, device=x.device)
    if words.numel():
        grid = -(-words.numel() // BLOCK)
        _start("onebit_paper_concatenate", (grid, 1), (BLOCK, 1), 0, (x.contiguous(), words), (rows, k))
    return words


def paper_xnor_gemm(a: Tensor, b: Tensor, k: int) -> Tensor:
    """k - 2 popcount(a xor b) in float32, a (m, words), b (words, n): of `paper_concatenate`, b's turned round."""
    return _product("onebit_paper_xnor_gemm", a, b, torch.int32, k)


def _product(name: str, a: Tensor, b: Tensor, dtype: torch.dtype, *more: int) -> Tensor:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[0] or (a.dtype, b.dtype) != (dtype, dtype):
        raise ShapeError(
            f"{name}: shapes are {tuple(a.shape)} and {tuple(b.shape)}, of {a.dtype} and {b.dtype}; expected (m, k) "
            f"and (k, n) of {dtype}."
        )
    (m, k), n = a.shape, b.shape[1]
    out = torch.empty(m, n, device=a.device)
    if out.numel():
        grid = (-(-n // SIDE), -(-m // SIDE))
        tensors = (a.contiguous(), b.contiguous(), out)
        _start(name, grid, (SIDE, SIDE), 2 * SIDE * SIDE * 4, tensors, (m, n, k, *more))
    return out


def _start(
    name: str, grid: tuple[int, int], block: tuple[int, int], shared: int, tensors: Sequence[Tensor],
    sizes: Sequence[int],
) -> None:  # fmt: skip
    with torch.cuda.device(tensors[0].device):
        index = tensors[0].device.index
        function = _launch._function(Kernel("paper", name), index, shared)
        arguments: list[_driver.Parameter] = [c_void_p(tensor.data_ptr()) for tensor in tensors]
        arguments += [c_uint32(size) for size in sizes]
        _driver.enter(index)
        _driver.launch(function, (*grid, 1), (*block, 1), shared, _launch._stream(index), arguments)
