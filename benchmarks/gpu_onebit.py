"""The operands of one product, and the ways onebit can compute it: one kernel alone, or the whole operator."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from onebit import ops
from onebit.ops import _dense_call, _epilogue, _family
from onebit.ops import cuda as engine
from onebit.ops.cuda import _launch
from onebit.ops.cuda._plan import BITS
from onebit.ops.cuda._weights import prepared

OUTPUTS = {"int32": _epilogue.INT32, "float": _epilogue.FLOAT, "bits": _epilogue.BITS}


class Cube:
    """x (m, k) and weights (n, k) of random bits, thresholds near the middle."""

    def __init__(self, m: int, n: int | None = None, k: int | None = None) -> None:
        self.m, self.n, self.k = m, n or m, k or m
        self.real = torch.randn(self.m, self.k, device="cuda")
        self.x = torch.ops.onebit.pack(self.real)
        rows = torch.ops.onebit.pack(torch.randn(self.n, self.k, device="cuda"))
        self.weights = ops.pack_weights(rows.cpu(), self.k).cuda()
        spread = max(2, round(self.k**0.5))
        threshold = torch.randint(-spread, spread, (self.n,), device="cuda", dtype=torch.int32)
        direction = (torch.randint(0, 2, (self.n,), device="cuda") * 2 - 1).to(torch.int8)
        scale, bias = torch.randn(self.n, device="cuda"), torch.randn(self.n, device="cuda")
        self.channels: dict[str, tuple[Tensor, ...]] = {
            "int32": (), "float": (scale, bias), "bits": (threshold, direction),
        }  # fmt: skip

    def _op(self, output: str) -> _dense_call.Dense:
        return _dense_call.Dense(f"dense_{output}", _family.WORDS, OUTPUTS[output])

    def operator(self, output: str) -> Callable[[], Tensor]:
        """torch.ops.onebit.dense_*, with everything it needs (popcounts of x included)."""
        call = getattr(torch.ops.onebit, f"dense_{output}")
        return lambda: call(self.x, self.weights, self.n, self.k, *self.channels[output])

    def choice(self, output: str) -> str:
        """The kernel that the operator takes for these sizes."""
        return engine.dense_plan(_launch.device_facts(0), self._op(output), self.m, self.n, self.k).name

    def kernel(self, name: str, output: str) -> Callable[[], None]:
        """One kernel alone, all operands ready."""
        op = self._op(output)
        plan = engine.dense_plan(_launch.device_facts(0), op, self.m, self.n, self.k, name)
        ready = prepared(self.weights, self.n, self.k, BITS)
        sums = (_launch.row_sums(self.x), ready.sums)
        out = torch.empty(self.m, op.output.columns(self.n), dtype=op.output.dtype, device="cuda")
        sizes, channels, is_float = (self.m, self.n, self.k), self.channels[output], output == "float"
        return lambda: _launch.dense(plan, BITS, out, self.x, ready.rows, sizes, sums, channels, is_float)

    def pack(self) -> Tensor:
        """float32 to bits."""
        return torch.ops.onebit.pack(self.real)
