"""onebit::sign_linear: the linear product of signs, on bits forward, differentiable."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from onebit.nn._sign_products import NEAREST, backward_dtype, plain, signs_in, through

_DENSE = ([1, 1], [0, 0, 0, 0], [1, 1], 0)  # the stride, padding, dilation and pad value of pictures of one place


@torch.library.custom_op("onebit::sign_linear", mutates_args=(), device_types="cpu")
def sign_linear(x: Tensor, weight: Tensor, windows: list[bool], backward: str) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ARG001
    """y = sign(x) @ sign(weight)^T for float32 x (..., k) and weight (n, k); float32 (..., n), and both packed.

    windows: for x and weight, whether the slope of the sign is 1 where |x| <= 1 and 0 elsewhere; else it is 1
        everywhere, which is for an operand that another quantizer has made signs of.
    backward: what the backward pass multiplies, see _sign_products.py.
    """
    n, k = weight.shape
    words, rows = torch.ops.onebit.pack(x), torch.ops.onebit.pack(weight)
    handle = torch.ops.onebit.pack_weights(rows, k)
    return torch.ops.onebit.dense_float(words, handle, n, k, *plain(n)), words, rows


@sign_linear.register_fake
def _(x: Tensor, weight: Tensor, windows: list[bool], backward: str) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ARG001
    y = x.new_empty((*x.shape[:-1], weight.shape[0]))
    return y, torch.ops.onebit.pack(x), torch.ops.onebit.pack(weight)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    x, weight, ctx.windows, ctx.how = inputs
    ctx.save_for_backward(x, weight, *output[1:])
    ctx.mark_non_differentiable(*output[1:])
    ctx.set_materialize_grads(False)  # zeros for the packed operands


def _backward(ctx: Any, upstream: Tensor, *_: Any) -> tuple[Tensor | None, Tensor | None, None, None]:
    x, weight, words, rows = ctx.saved_tensors
    for_x, for_weight = ctx.needs_input_grad[:2]
    gx = gw = None
    if ctx.how == "int8":
        operands = (upstream, x, weight, words, rows)  # rows are pictures of one place
        pictures = (operand.reshape(-1, 1, 1, operand.shape[-1]) for operand in operands)
        gx, gw = torch.ops.onebit.sign_gradients(*pictures, *_DENSE, ctx.windows, [for_x, for_weight], NEAREST)
        return gx.view(x.shape) if for_x else None, gw.view(weight.shape) if for_weight else None, None, None
    dtype = backward_dtype(ctx.how)
    g = upstream.to(dtype).reshape(-1, upstream.shape[-1])  # (m, n)
    if for_x:
        gx = through((g @ signs_in(dtype, rows, weight)).reshape(x.shape), x, ctx.windows[0])
    if for_weight:
        gw = through(g.t() @ signs_in(dtype, words, x).reshape(-1, x.shape[-1]), weight, ctx.windows[1])
    return gx, gw, None, None


sign_linear.register_autograd(_backward, setup_context=_remember)
