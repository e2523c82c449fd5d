"""onebit::sign_linear: the linear product of signs, on bits forward, differentiable."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from onebit.nn._sign_dropout import two_signs
from onebit.nn._sign_products import NEAREST, Gradients, backward_dtype, packed, plain, signs_in, through

Saved = tuple[Tensor, Tensor, Tensor | None, Tensor, Tensor]
_DENSE = ([1, 1], [0, 0, 0, 0], [1, 1], 0)  # the stride, padding, dilation and pad value of pictures of one place


@torch.library.custom_op("onebit::sign_linear", mutates_args=(), device_types="cpu")
def sign_linear(
    x: Tensor,
    weight: Tensor,
    kept: Tensor | None,
    x_seed: Tensor | None,
    weight_seed: Tensor | None,
    windows: list[bool],  # noqa: ARG001
    backward: str,  # noqa: ARG001
) -> tuple[Tensor, Tensor, Tensor]:
    """y = sign(x) @ sign(weight)^T for float32 x (..., k) and weight (n, k); float32 (..., n), and both packed.

    kept: bool like x: where False, the sign of x is replaced by 0, and x has no gradient. Such an x is packed as
        `two_signs` has it.
    x_seed, weight_seed: seeds of signs that are drawn (see `onebit.ops.stochastic_pack`), each None for plain ones.
    windows: for x and weight, whether the slope of the sign is 1 where |x| <= 1 and 0 elsewhere; else it is 1
        everywhere, which is for an operand that another quantizer has made signs of.
    backward: what the backward pass multiplies, see _sign_products.py.
    """
    n, k = weight.shape
    words, rows = packed(x, x_seed), packed(weight, weight_seed)
    handle = torch.ops.onebit.pack_weights(rows, k)
    if kept is None:
        return torch.ops.onebit.dense_float(words, handle, n, k, *plain(n)), words, rows
    words = two_signs(words, kept)
    twice = torch.ops.onebit.dense_float(words, handle, n, k, *plain(n))
    return twice[0].add_(twice[1]).mul_(0.5), words, rows


@sign_linear.register_fake
def _(x: Tensor, weight: Tensor, kept: Tensor | None, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    y = x.new_empty((*x.shape[:-1], weight.shape[0]))
    words = torch.ops.onebit.pack(x)
    return y, words if kept is None else torch.stack([words, words]), torch.ops.onebit.pack(weight)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    x, weight, kept, _, _, ctx.windows, ctx.how = inputs
    ctx.save_for_backward(x, weight, kept, *output[1:])
    ctx.mark_non_differentiable(*output[1:])
    ctx.set_materialize_grads(False)  # zeros for the packed operands


def _backward(ctx: Any, upstream: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
    saved = ctx.saved_tensors  # once in a pass: a torch.utils.checkpoint hands them out no second time
    gx, gw = (_of_bytes if ctx.how == "int8" else _of_floats)(ctx, saved, upstream)
    kept = saved[2]
    return gx if gx is None or kept is None else gx.mul_(kept), gw, *[None] * 5


def _of_bytes(ctx: Any, saved: Saved, upstream: Tensor) -> Gradients:
    x, weight, kept, words, rows = saved
    for_x, for_weight = ctx.needs_input_grad[:2]
    if kept is None:
        gx, gw = _sums(ctx, (upstream, x, weight, words, rows), (for_x, for_weight))
    else:
        gx, _ = _sums(ctx, (upstream, x, weight, words[0], rows), (for_x, False))
        halves, both = upstream.expand(2, *upstream.shape) * 0.5, x.expand(2, *x.shape)
        _, gw = _sums(ctx, (halves, both, weight, words, rows), (False, for_weight))
    return gx.view(x.shape) if for_x else None, gw.view(weight.shape) if for_weight else None


def _sums(ctx: Any, operands: tuple[Tensor, ...], wanted: tuple[bool, bool]) -> tuple[Tensor, Tensor]:
    """Both gradients by whole numbers of upstream, x, weight and the two packed: rows are pictures of one place."""
    pictures = (each.reshape(-1, 1, 1, each.shape[-1]) for each in operands)
    gradients: tuple[Tensor, Tensor] = torch.ops.onebit.sign_gradients(*pictures, *_DENSE, ctx.windows, wanted, NEAREST)
    return gradients


def _of_floats(ctx: Any, saved: Saved, upstream: Tensor) -> Gradients:
    x, weight, kept, words, rows = saved
    dtype = backward_dtype(ctx.how)
    for_x, for_weight = ctx.needs_input_grad[:2]
    g = upstream.to(dtype).reshape(-1, upstream.shape[-1])  # (m, n)
    gx = gw = None
    if for_x:
        gx = through((g @ signs_in(dtype, rows, weight)).reshape(x.shape), x, ctx.windows[0])
    if for_weight:
        signs = signs_in(dtype, words if kept is None else words[0], x)
        signs = signs if kept is None else signs.mul_(kept)
        gw = through(g.t() @ signs.reshape(-1, x.shape[-1]), weight, ctx.windows[1])
    return gx, gw


sign_linear.register_autograd(_backward, setup_context=_remember)
