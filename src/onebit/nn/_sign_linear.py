"""onebit::sign_linear: the linear product of signs, on bits forward, differentiable."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from onebit.nn._sign_products import backward_dtype, plain, signs_in, through


@torch.library.custom_op("onebit::sign_linear", mutates_args=(), device_types="cpu")
def sign_linear(x: Tensor, weight: Tensor, windows: list[bool], half: bool) -> Tensor:  # noqa: ARG001
    """y = sign(x) @ sign(weight)^T for float32 x (..., k) and weight (n, k); float32 (..., n).

    windows: for x and weight, whether the slope of the sign is 1 where |x| <= 1 and 0 elsewhere; else it is 1
        everywhere, which is for an operand that another quantizer has made signs of.
    half: multiply in bfloat16 in the backward pass, where signs are exact and upstream gradients are rounded.
    """
    n, k = weight.shape
    handle = torch.ops.onebit.pack_weights(torch.ops.onebit.pack(weight), k)
    y: Tensor = torch.ops.onebit.dense_float(torch.ops.onebit.pack(x), handle, n, k, *plain(n))
    return y


@sign_linear.register_fake
def _(x: Tensor, weight: Tensor, windows: list[bool], half: bool) -> Tensor:  # noqa: ARG001
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    x, weight, ctx.windows, ctx.half = inputs
    ctx.save_for_backward(x, weight)


def _backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
    x, weight = ctx.saved_tensors
    dtype = backward_dtype(ctx.half)
    g = upstream.to(dtype).reshape(-1, upstream.shape[-1])  # (m, n)
    gx = gw = None
    if ctx.needs_input_grad[0]:
        gx = through((g @ signs_in(dtype, weight)).reshape(x.shape), x, ctx.windows[0])
    if ctx.needs_input_grad[1]:
        gw = through(g.t() @ signs_in(dtype, x).reshape(-1, x.shape[-1]), weight, ctx.windows[1])
    return gx, gw, None, None


sign_linear.register_autograd(_backward, setup_context=_remember)
