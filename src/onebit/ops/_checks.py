"""What every operator asks of its arguments: the fakes, the Python kernels and the public functions' errors share it.

The C kernels (native/frontends/torch_shim.c) check the same, because torch.ops.onebit.* can be called directly and must
not read past a tensor; these messages are the better ones, and their classes are onebit's.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from onebit._errors import DtypeError, OptionError, ShapeError
from onebit.bits import words_for
from onebit.ops._library import lib


def check_dtype(op: str, name: str, tensor: Tensor, dtype: torch.dtype, hint: str = "") -> None:
    """DtypeError unless the tensor has exactly this dtype; nothing is converted silently."""
    if tensor.dtype != dtype:
        raise DtypeError(f"{op}: {name} has dtype {tensor.dtype}; expected {dtype}.{hint and ' '}{hint}")


def check_last(op: str, name: str, tensor: Tensor, size: int, meaning: str) -> None:
    """ShapeError unless the tensor is (..., size)."""
    if tensor.dim() < 1 or tensor.shape[-1] != size:
        raise ShapeError(f"{op}: {name} has shape {tuple(tensor.shape)}; expected (..., {size}): {meaning}.")


def check_vector(op: str, name: str, tensor: Tensor, size: int, dtype: torch.dtype) -> None:
    """DtypeError or ShapeError unless the tensor is (size,) of this dtype: one value for each output channel."""
    check_dtype(op, name, tensor, dtype)
    if tensor.dim() != 1 or tensor.shape[0] != size:
        raise ShapeError(f"{op}: {name} has shape {tuple(tensor.shape)}; expected ({size},): one value for each of n.")


def check_k(op: str, k: int) -> None:
    """OptionError unless k can be a number of signs."""
    if k < 1:
        raise OptionError(f"{op}: k is {k}; expected at least 1, the number of signs along the last dimension.")


def weights_bytes(op: str, n: int, k: int) -> int:
    """Size of the pre-packed handle for n x k weights; OptionError where n or k is out of range."""
    size = _weights_bytes(int(n), int(k))  # int: a symbolic size of torch.compile becomes a constant
    if size == 0:
        raise OptionError(f"{op}: n is {n} and k is {k}; expected both at least 1, with sums that fit in 32 bits.")
    return size


@functools.lru_cache(maxsize=1024)
def _weights_bytes(n: int, k: int) -> int:
    size: int = lib.ob_weights_bytes(n, k)
    return size


def check_weights(op: str, weights: Tensor, n: int, k: int) -> None:
    """The handle must be as long as pack_weights makes it for n x k; its header is checked when the kernel runs."""
    check_dtype(op, "weights", weights, torch.uint8, "Make the handle with onebit.ops.pack_weights.")
    size = weights_bytes(op, n, k)
    if weights.dim() != 1 or weights.shape[0] != size:
        raise ShapeError(
            f"{op}: weights has shape {tuple(weights.shape)}; the handle that onebit.ops.pack_weights makes for "
            f"n={n}, k={k} has shape ({size},)."
        )


def check_words(op: str, name: str, words: Tensor, k: int) -> None:
    """The words must hold k signs along the last dimension."""
    check_dtype(op, name, words, torch.int64, "Pack signs with onebit.ops.pack first.")
    check_last(op, name, words, words_for(k), f"ceil(k / 64) words for k={k}")


def refuse_devices(op: str, operator: torch._ops.OpOverload, arguments: tuple[object, ...]) -> None:
    """OptionError for a tensor on a device that has no kernels: neither the CPU nor a CUDA device of such a torch."""
    for name, tensor in tensors_of(operator, arguments):
        if not (tensor.is_cpu or tensor.is_meta or tensor.is_cuda):
            raise OptionError(f"{op}: {name} is on {tensor.device}; libonebit runs on the CPU: use {name}.cpu().")


def refuse_gradients(op: str, operator: torch._ops.OpOverload, arguments: tuple[object, ...]) -> None:
    """OptionError for a tensor whose gradient would be lost."""
    for name, tensor in tensors_of(operator, arguments):
        if tensor.requires_grad:
            raise OptionError(
                f"{op}: {name} requires a gradient, but onebit.ops are inference operators without one. Train with "
                f"onebit.nn layers, or call under torch.no_grad(), or pass {name}.detach()."
            )


def tensors_of(operator: torch._ops.OpOverload, arguments: Sequence[object]) -> Iterator[tuple[str, Tensor]]:
    """Every tensor among the arguments and in their lists, with the argument's name."""
    for position, argument in enumerate(arguments):
        for tensor in argument if isinstance(argument, list) else (argument,):
            if isinstance(tensor, Tensor):
                yield operator._schema.arguments[position].name, tensor
