"""What the dense families share: inputs (words or bytes), schemas, fakes and Python kernels."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from onebit.bits import words_for
from onebit.ops._checks import check_dtype, check_last, check_weights
from onebit.ops._epilogue import Output, Result
from onebit.ops._fallback import follow_torch_threads, operand, scratch
from onebit.ops._front_door import define, run
from onebit.ops._library import DenseCall, check, lib


@dataclass(frozen=True)
class Input:
    """What x holds, and the C functions for it."""

    dtype: torch.dtype
    columns: Callable[[int], int]  # size of x's last dimension for k
    meaning: str
    hint: str
    run: Callable[..., int]
    workspace: Callable[..., int]


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
SIGNED_BYTES = Input(
    dtype=torch.int8,
    columns=lambda k: k,
    meaning="k values",
    hint="Values from 0 to 255 go into dense_u8_*.",
    run=lib.ob_dense_s8,
    workspace=lib.ob_dense_s8_workspace,
)


@dataclass(frozen=True)
class Dense:
    """One dense operator: its schema, its check, its fake, its Python kernel and its checked call.

    Every method takes the operator's arguments: x, weights, n, k, and those of the output's epilogue.
    """

    op: str
    input: Input
    output: Output

    def define(self) -> None:
        """Defines torch.ops.onebit.<op>."""
        arguments = f"Tensor x, Tensor weights, int n, int k{self.output.schema}"
        define(f"{self.op}({arguments}) -> {self.output.results}", self.fake, self.python)

    def checked(self, x: Tensor, weights: Tensor, n: int, k: int, *epilogue: Any) -> Tensor:
        """The public call: torch's operator, with good messages when it refuses."""
        return run(self.op, self.fake, x, weights, n, k, *epilogue)

    def checked_both(self, x: Tensor, weights: Tensor, n: int, k: int, *epilogue: Any) -> tuple[Tensor, Tensor]:
        """The same for an operator with two results."""
        return cast("tuple[Tensor, Tensor]", run(self.op, self.fake, x, weights, n, k, *epilogue))

    def fake(self, x: Tensor, weights: Tensor, n: int, k: int, *epilogue: Any) -> Result:
        """Empty results of the right shape and dtype, after everything that shapes and dtypes can tell."""
        check_weights(self.op, weights, n, k)
        check_dtype(self.op, "x", x, self.input.dtype, self.input.hint)
        check_last(self.op, "x", x, self.input.columns(k), f"{self.input.meaning}={k}")
        return self.output.fake(self.op, x, x.shape[:-1], n, epilogue)

    def python(self, x: Tensor, weights: Tensor, n: int, k: int, *arguments: Any) -> Result:
        """The operator through ctypes."""
        result = self.fake(x, weights, n, k, *arguments)
        out = result[0] if isinstance(result, tuple) else result
        if not out.numel():
            return result
        x, weights = operand(x, x.element_size()), operand(weights, 64)
        epilogue, kept = self.output.to_c(self.op, arguments, result)
        m = out.numel() // self.output.columns(n)
        size = self.input.workspace(m, n, k, follow_torch_threads())
        memory, address = scratch(size)
        call = DenseCall(
            m=m, n=n, k=k, x=x.data_ptr(), weights=weights.data_ptr(), weights_bytes=weights.numel(),
            epilogue=ctypes.pointer(epilogue), out=out.data_ptr(), workspace=address, workspace_bytes=size,
        )  # fmt: skip
        check(self.input.run(ctypes.byref(call)), f"onebit::{self.op}")
        del memory, kept  # they must outlive the call
        return result
