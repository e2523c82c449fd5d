"""The kernels of the figure on a CPU: an unoptimised float product, the float product of a BLAS, 1-bit arithmetic.

A slow kernel does a part of the work, and its time is scaled: each part is as much work as any other.
"""

from __future__ import annotations

import torch
from torch import Tensor

from onebit import ops
from onebit.bench._figure_device import DEVICES, PACKING, Device, Share, Shares
from onebit.bench._figure_numbers import BASELINE, BLAS, ONEBIT, Kernel
from onebit.bench._float_chain import float_chain
from onebit.bench._plain import plain_matmul, with_plain_products
from onebit.bench._results import cpu_name
from onebit.bench._turns import timed
from onebit.bench._workload import signs
from onebit.runtime import PackedModel

ROWS, PICTURES = 64, 512  # that the baseline does of a product and of a network, at least
CPU_KERNELS = {
    BASELINE: Kernel("unoptimised float32", "a plain tiled C loop, -O3", "plain"),
    BLAS: Kernel("BLAS float32", "torch's BLAS", "peer"),
    ONEBIT: Kernel("onebit", "1-bit arithmetic, bits in", "onebit"),
}


def product(size: int, whole: bool) -> Shares:
    """The product of two square matrices of signs."""
    x, w = signs(size, size, seed=0), signs(size, size, seed=1)
    words, handle = ops.pack(x), ops.pack_weights(ops.pack(w), size)
    columns = w.t().contiguous()
    rows = size if whole else min(size, _slab(ROWS))
    part = x[:rows].contiguous()

    def packing() -> Tensor:
        return ops.dense_int32(ops.pack(x), ops.pack_weights(ops.pack(w), size), size, size)

    return {
        BASELINE: lambda: Share(lambda: plain_matmul(part, columns), rows, size),
        BLAS: lambda: Share(lambda: x @ columns, size, size),
        ONEBIT: lambda: Share(lambda: ops.dense_int32(words, handle, size, size), size, size),
        PACKING: lambda: Share(packing, size, size),
    }


def network(packed: PackedModel, pictures: Tensor, whole: bool) -> Shares:
    """A network's scores of all pictures, from bytes."""
    chain = float_chain(packed)
    plain = with_plain_products(chain)
    count = len(pictures)
    rows = count if whole else min(count, _slab(PICTURES))
    part = pictures[:rows]
    return {
        BASELINE: lambda: Share(lambda: plain(part), rows, count),
        BLAS: lambda: Share(lambda: chain(pictures), count, count),
        ONEBIT: lambda: Share(lambda: packed(pictures), count, count),
    }


def setting(threads: int) -> str:
    """How many threads."""
    return f"{threads} thread{'s' * (threads > 1)}"


def isa(packed: PackedModel, _pictures: int, _size: int) -> str:
    """The instruction sets of the network's kernels."""
    return " and ".join(dict.fromkeys(packed.kernels().values()))


def _slab(least: int) -> int:
    """Rows that give every thread equally many of the baseline's rows of tiles."""
    step = 16 * torch.get_num_threads()
    return -(-least // step) * step


DEVICES.register("cpu")(
    Device(
        kernels=CPU_KERNELS,
        check=lambda: None,
        machine=cpu_name,
        setting=setting,
        isa=isa,
        product=product,
        network=network,
        turn=timed,
        packing="both operands packed from float32 at every call",
    )
)
