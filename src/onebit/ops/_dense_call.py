"""The dense operators: their schema, their check with their fake, and their Python kernel."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from onebit.ops._checks import check_dtype, check_last, check_weights
from onebit.ops._epilogue import Result
from onebit.ops._fallback import empty, follow_torch_threads, operand, scratch
from onebit.ops._family import Operator
from onebit.ops._library import DenseCall, check, lib


@dataclass(frozen=True)
class Dense(Operator):
    """One dense operator. Its methods take x, weights, n, k, and the arguments of the output's epilogue."""

    sum = "dense"
    integers = "int n, int k"

    def check(self, x: Tensor, weights: Tensor, *rest: Any) -> tuple[int, ...]:
        """Everything that shapes and dtypes can tell; the sizes of the result before its last one."""
        n, k, *epilogue = rest
        check_weights(self.op, weights, n, k)
        check_dtype(self.op, "x", x, self.input.dtype, self.hint)
        check_last(self.op, "x", x, self.input.columns(k), f"{self.input.meaning.format(size='k')}={k}")
        self.output.check(self.op, x.shape[:-1], n, epilogue)
        return tuple(x.shape[:-1])

    def python(self, x: Tensor, weights: Tensor, *rest: Any) -> Result:
        """The operator through ctypes."""
        result = self.output.empty(empty, self.check(x, weights, *rest), rest[0])
        out = result[0] if isinstance(result, tuple) else result
        if not out.numel():
            return result
        n, k, *arguments = rest
        x, weights = operand(x, x.element_size()), operand(weights, 64)
        epilogue, kept = self.output.to_c(self.op, arguments, result)
        m = out.numel() // self.output.columns(n)
        size = getattr(lib, f"{self.function}_workspace")(m, n, k, follow_torch_threads())
        memory, address = scratch(size)
        call = DenseCall(
            m=m, n=n, k=k, x=x.data_ptr(), weights=weights.data_ptr(), weights_bytes=weights.numel(),
            epilogue=ctypes.pointer(epilogue), out=out.data_ptr(), workspace=address, workspace_bytes=size,
        )  # fmt: skip
        check(getattr(lib, self.function)(ctypes.byref(call)), f"onebit::{self.op}")
        del memory, kept  # they must outlive the call
        return result
