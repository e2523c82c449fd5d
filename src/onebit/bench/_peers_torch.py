"""torch's own products, on the threads that torch is set to."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from onebit.bench._workload import Workload


def float32(workload: Workload, threads: int) -> Callable[[], Tensor]:
    """The network as it is."""
    del threads  # set for torch as a whole
    return _inference(workload.network, workload.x)


def bf16(workload: Workload, threads: int) -> Callable[[], Tensor]:
    """The network in bfloat16, its sums rounded to 8 bits: quick, not equal."""
    del threads
    x = workload.x if workload.x.dtype == torch.uint8 else workload.x.to(torch.bfloat16)
    return _inference(copy.deepcopy(workload.network).to(torch.bfloat16), x)


def int8(workload: Workload, threads: int) -> Callable[[], Tensor] | None:
    """A single Linear as a product of int8 matrices with exact int32 sums; None for anything else."""
    del threads
    first = workload.network[0]
    if len(workload.network) != 1 or not isinstance(first, nn.Linear):
        return None
    x, w = workload.x.to(torch.int8), first.weight.to(torch.int8).t()
    return lambda: torch._int_mm(x, w)


def _inference(network: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    def run() -> Tensor:
        with torch.inference_mode():
            y: Tensor = network(x)
            return y

    return run
