"""What the dense families share: inputs (words or bytes), outputs (int32, float, bits), fakes and Python kernels."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from onebit.bits import words_for
from onebit.ops._checks import check_dtype, check_last, check_vector, check_weights
from onebit.ops._fallback import follow_torch_threads, operand, scratch
from onebit.ops._front_door import run
from onebit.ops._library import DenseCall, Epilogue, check, lib


@dataclass(frozen=True)
class Input:
    """What x holds, and the C functions for it."""

    dtype: torch.dtype
    columns: Callable[[int], int]  # size of x's last dimension for k
    meaning: str
    hint: str
    run: Callable[..., int]
    workspace: Callable[..., int]


@dataclass(frozen=True)
class Output:
    """What is stored for each sum: ob_epilogue's code, and the arrays of one value per channel that it takes."""

    code: int
    dtype: torch.dtype
    columns: Callable[[int], int]  # size of the result's last dimension for n
    channels: tuple[tuple[str, torch.dtype], ...] = ()


WORDS = Input(
    dtype=torch.int64,
    columns=words_for,
    meaning="ceil(k / 64) words for k",
    hint="Pack signs with onebit.ops.pack, or give uint8 pixels to dense_u8_*.",
    run=lib.ob_dense,
    workspace=lib.ob_dense_workspace,
)
PIXELS = Input(
    dtype=torch.uint8,
    columns=lambda k: k,
    meaning="k values",
    hint="Pass the raw 0..255 values, without normalisation.",
    run=lib.ob_dense_u8,
    workspace=lib.ob_dense_u8_workspace,
)
INT32 = Output(1, torch.int32, lambda n: n)
FLOAT = Output(2, torch.float32, lambda n: n, (("scale", torch.float32), ("bias", torch.float32)))
BITS = Output(3, torch.int64, words_for, (("threshold", torch.int32), ("direction", torch.int8)))


@dataclass(frozen=True)
class Dense:
    """One dense operator: its check, its fake, its Python kernel and its checked call."""

    op: str
    input: Input
    output: Output

    def checked(self, x: Tensor, weights: Tensor, n: int, k: int, *channels: Tensor) -> Tensor:
        """The public call: torch's operator, with good messages when it refuses."""
        return run(self.op, self.check, x, weights, n, k, *channels)

    def check(self, x: Tensor, weights: Tensor, n: int, k: int, *channels: Tensor) -> None:
        """Everything that shapes and dtypes can tell."""
        check_weights(self.op, weights, n, k)
        check_dtype(self.op, "x", x, self.input.dtype, self.input.hint)
        check_last(self.op, "x", x, self.input.columns(k), f"{self.input.meaning}={k}")
        for (name, dtype), channel in zip(self.output.channels, channels, strict=True):
            check_vector(self.op, name, channel, n, dtype)

    def fake(self, x: Tensor, weights: Tensor, n: int, k: int, *channels: Tensor) -> Tensor:
        """An empty result of the right shape and dtype."""
        self.check(x, weights, n, k, *channels)
        return x.new_empty((*x.shape[:-1], self.output.columns(n)), dtype=self.output.dtype)

    def python(self, x: Tensor, weights: Tensor, n: int, k: int, *channels: Tensor) -> Tensor:
        """The operator through ctypes."""
        out = self.fake(x, weights, n, k, *channels)
        if not out.numel():
            return out
        x, weights = operand(x, x.element_size()), operand(weights, 64)
        channels = tuple(operand(channel, channel.element_size()) for channel in channels)
        named = {name: channel.data_ptr() for (name, _), channel in zip(self.output.channels, channels, strict=True)}
        epilogue = Epilogue(output=self.output.code, **named)
        m = out.numel() // self.output.columns(n)
        size = self.input.workspace(m, n, k, follow_torch_threads())
        memory, address = scratch(size)
        arguments = DenseCall(
            m=m, n=n, k=k, x=x.data_ptr(), weights=weights.data_ptr(), weights_bytes=weights.numel(),
            epilogue=ctypes.pointer(epilogue), out=out.data_ptr(), workspace=address, workspace_bytes=size,
        )  # fmt: skip
        check(self.input.run(ctypes.byref(arguments)), f"onebit::{self.op}")
        del memory  # the scratch must outlive the call
        return out
