"""The kernels of the figure on a GPU: the paper's own three, and what cuBLAS has for narrower numbers today."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from onebit import ops
from onebit._errors import NativeError
from onebit.bench._cuda_precision import precision
from onebit.bench._cuda_turns import cuda_turn
from onebit.bench._figure_cuda_networks import network
from onebit.bench._figure_device import DEVICES, PACKING, Device, Share, Shares, nearly
from onebit.bench._figure_numbers import BASELINE, BLAS, ONEBIT, Kernel
from onebit.bench._workload import signs
from onebit.runtime import PackedModel

BITS_OUT = "onebit-bits"
CUDA_KERNELS = {
    BASELINE: Kernel("paper's baseline", "the paper's unoptimised float32 kernel", "plain"),
    "xnor": Kernel("paper's XNOR", "the paper's xnor and popcount kernel, bits in", "plain"),
    BLAS: Kernel("cuBLAS float32", "cuBLAS, TF32 off", "peer"),
    "tf32": Kernel("cuBLAS TF32", "cuBLAS, float32 rounded to TF32", "peer"),
    "bf16": Kernel("cuBLAS bf16", "cuBLAS, bfloat16 in and out", "peer"),
    "int8": Kernel("cuBLAS int8", "torch._int_mm, int32 out", "peer"),
    "float8": Kernel("cuBLAS float8", "torch._scaled_mm, e4m3 in, bfloat16 out", "peer"),
    ONEBIT: Kernel("onebit", "1-bit arithmetic, bits in", "onebit"),
    BITS_OUT: Kernel("onebit, bits out", "the same with a threshold, bits in and out, as between layers", "onebit"),
}


def under(tf32: bool, run: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """The call, with TF32 allowed or not."""

    def call() -> Tensor:
        with precision(tf32=tf32):
            return run()

    return call


def product(size: int, _whole: bool, device: str = "cuda") -> Shares:
    """The product of two square matrices of signs; everybody does all of it."""
    x, w = (signs(size, size, seed=seed).to(device) for seed in (0, 1))
    makers = {**_paper(x, w), **_cublas(x, w), **_onebit(x, w)}
    return {name: makers[name] for name in (*CUDA_KERNELS, PACKING)}


def _all(x: Tensor, run: Callable[[], Tensor]) -> Share:
    return Share(run, len(x), len(x))


def _paper(x: Tensor, w: Tensor) -> Shares:
    from onebit.ops import cuda as engine

    def baseline() -> Share:
        columns = w.t().contiguous()
        return _all(x, lambda: engine.paper_gemm(x, columns))

    def xnor() -> Share:
        rows, columns = engine.paper_concatenate(x), engine.paper_concatenate(w).t().contiguous()
        return _all(x, lambda: engine.paper_xnor_gemm(rows, columns, x.shape[1]))

    return {BASELINE: baseline, "xnor": xnor}


def _cublas(x: Tensor, w: Tensor) -> Shares:
    def bf16() -> Share:
        a, b = x.bfloat16(), w.bfloat16().t()
        return replace(_all(x, under(False, lambda: a @ b)), right=nearly)

    def int8() -> Share:
        a, b = x.to(torch.int8), w.to(torch.int8).t()
        return _all(x, lambda: torch._int_mm(a, b))

    def float8() -> Share:
        a, b, one = x.to(torch.float8_e4m3fn), w.to(torch.float8_e4m3fn).t(), torch.ones((), device=x.device)
        share = _all(x, lambda: torch._scaled_mm(a, b, one, one, out_dtype=torch.bfloat16))
        return replace(share, right=nearly)

    return {
        BLAS: lambda: _all(x, under(False, lambda: x @ w.t())),
        "tf32": lambda: _all(x, under(True, lambda: x @ w.t())),
        "bf16": bf16,
        "int8": int8,
        "float8": float8,
    }


def _onebit(x: Tensor, w: Tensor) -> Shares:
    n, k = w.shape
    words, handle = ops.pack(x), ops.pack_weights(ops.pack(w), k)
    zero = torch.zeros(n, dtype=torch.int32, device=x.device)
    up = torch.ones(n, dtype=torch.int8, device=x.device)
    bits = _all(x, lambda: ops.dense_bits(words, handle, n, k, zero, up))
    return {
        ONEBIT: lambda: _all(x, lambda: ops.dense_int32(words, handle, n, k)),
        BITS_OUT: lambda: replace(bits, of=lambda y: ops.pack(y.float())),
        PACKING: lambda: _all(x, lambda: ops.dense_int32(ops.pack(x), handle, n, k)),
    }


def check() -> None:
    """NativeError unless torch has a GPU and NVRTC compiles for it."""
    from onebit.ops import cuda as engine
    from onebit.ops.cuda import _nvrtc

    if not torch.cuda.is_available():
        raise NativeError(
            f"The kernel figure of a GPU needs one: {engine.status()} (torch {torch.__version__}). Leave out --device "
            "cuda for the figure of this CPU."
        )
    _nvrtc.compiler()


def isa(_packed: PackedModel, _pictures: int, size: int) -> str:
    """The kernel of the product."""
    from onebit.ops import cuda as engine

    return engine.choice("dense_int32", size, size, size)


def setting(_threads: int) -> str:
    """The versions that decide."""
    major, minor = torch.cuda.get_device_capability()
    return f"sm_{major}{minor}, CUDA {torch.version.cuda}"


def machine() -> str:
    """The GPU's name."""
    return torch.cuda.get_device_name()


DEVICES.register("cuda")(
    Device(
        kernels=CUDA_KERNELS,
        check=check,
        machine=machine,
        setting=setting,
        isa=isa,
        product=product,
        network=network,
        turn=cuda_turn,
        packing="x packed from float32 at every call",
    )
)
