"""Which CUDA kernels would run an operator, in words: `PackedModel.explain` asks. Needs no GPU."""

from __future__ import annotations

from collections.abc import Sequence

from onebit.ops.cuda._conv2d import conv2d_plan, is_direct
from onebit.ops.cuda._conv_boxes import Places
from onebit.ops.cuda._finish import DIRECT
from onebit.ops.cuda._operators import CONV2D, DENSE, dense_plan
from onebit.ops.cuda._plan import Device, Plan

_DENSE, _CONV2D = {op.op: op for op in DENSE}, {op.op: op for op in CONV2D}


def dense_kernels(device: Device, op: str, m: int, n: int, k: int) -> str:
    """Of dense operator `op` for m x n x k: "wgmma 128x64/4, finish"; a second kernel does what the first cannot."""
    operator = _DENSE[op]
    plan = dense_plan(device, operator, m, n, k)
    return _with_finish(plan, operator.output in DIRECT)


def conv2d_kernels(device: Device, op: str, image: tuple[int, int, int], sizes: Sequence[object]) -> str:
    """Of conv2d operator `op` for (N, H, W) images; sizes: the operator's arguments between weights and epilogue."""
    operator = _CONV2D[op]
    conv, _ = operator.sizes(sizes)
    out = Places(image[0], *conv.window.output(op, *image[1:]))
    plan = conv2d_plan(device, operator, conv, out)
    return _with_finish(plan, is_direct(operator.output, conv))


def _with_finish(plan: Plan, direct: bool) -> str:
    """Parts of k, and results that the product does not write itself, leave sums to the second kernel."""
    return plan.name if direct and plan.parts == 1 else f"{plan.name}, finish"
