"""Sums that stay numbers: scales, shifts and batch norm move into the float epilogue of their layer."""

from __future__ import annotations

import torch
from torch import Tensor, fx

from onebit.conversion._channels import ChannelFunction, chain_behind
from onebit.conversion._graph import (
    BITS_OF,
    TO_NCHW,
    add_constant,
    aten,
    calls,
    channels_first,
    constant,
    copy_of,
    finished,
    permuted,
    replace,
    shape_of,
)
from onebit.conversion._layer import Layer, layer_of
from onebit.conversion._thresholds import ENUMERATE

Affine = tuple[Tensor, Tensor]  # scale, bias of y*scale + bias


def fold_epilogue(module: fx.GraphModule) -> fx.GraphModule:
    """dense_float, * a, + b  becomes  dense_float(a, b); dense_float, batch_norm  becomes  dense_float(alpha, beta);
    likewise for conv2d_float and what stands behind its permute.

    dense_float(y) = fl(fl(y * scale) + bias). With scale 1 and bias 0 it is y, so a factor may become the scale; with
    bias 0 a shift may become the bias: the same two roundings, the same bits. A second factor or shift stays a node.
    batch_norm has alpha = gamma * rsqrt(var + eps), beta = bias - mean * alpha, and torch's CPU kernel computes
    y * alpha + beta, on most processors with one rounding where the epilogue has two. So scores may differ in the
    last place: the largest difference over all integers that the layer can see is measured and written in its note.
    The weights' own scale a and bias b go in as alpha * a and alpha * b + beta, measured with the rest.
    """
    module = copy_of(module)
    for dense in [node for node in module.graph.nodes if node.target in BITS_OF]:
        step: fx.Node | None = dense
        while step is not None:
            step = _absorb(module, step)
    return finished(module)


def _absorb(module: fx.GraphModule, dense: fx.Node) -> fx.Node | None:
    """The layer with the node behind it folded in, None if that does not go."""
    layer, chain, value = layer_of(dense), chain_behind(module, dense), channels_first(dense)
    if layer is None or len(dense.users) != 1 or len(value.users) != 1:
        return None
    node = next(iter(value.users))
    affine = _folded(module, node, value, layer)
    if affine is None or node not in chain:
        return None
    changed = layer.but(scale=affine[0], bias=affine[1], result=node.meta.get("captured", ""))
    if calls(node, aten.batch_norm.default):
        if layer.sums.count * layer.sums.n > ENUMERATE:
            return None
        changed = _measured(ChannelFunction(module, chain, node, layer.sums), changed)
    with module.graph.inserting_before(node):
        new = _with_epilogue(module, dense, changed)
        result = new if value is dense else permuted(new, TO_NCHW)
    replace(node, result)
    for old in dict.fromkeys((value, dense)):
        module.graph.erase_node(old)
    return new


def _with_epilogue(module: fx.GraphModule, dense: fx.Node, layer: Layer) -> fx.Node:
    """The same call, at the insertion point, with the layer's scale and bias."""
    scale = add_constant(module, f"{layer.name}_scale", layer.scale)
    bias = add_constant(module, f"{layer.name}_bias", layer.bias)
    node = module.graph.call_function(dense.target, (*dense.args[:-2], scale, bias))  # type: ignore[arg-type]
    node.meta["layer"] = layer
    if "val" in dense.meta:
        node.meta["val"] = dense.meta["val"]
    return node


def _folded(module: fx.GraphModule, node: fx.Node, dense: fx.Node, layer: Layer) -> Affine | None:
    """The new epilogue, if node's rounding is one that the epilogue has free (or, of batch norm, one to measure)."""
    unscaled, unshifted = bool((layer.scale == 1).all()), bool((layer.bias == 0).all())
    if calls(node, aten.batch_norm.default):
        alpha, beta = batch_norm_affine(module, node)
        if unscaled and unshifted:
            return alpha, beta
        if layer.result:  # scale and bias are nodes of the network that were folded in: theirs are the roundings
            return None
        a, b = layer.scale.double(), layer.bias.double()
        return (alpha.double() * a).float(), (alpha.double() * b + beta.double()).float()
    if not calls(node, aten.mul.Tensor, aten.add.Tensor, aten.sub.Tensor) or node.kwargs or not unshifted:
        return None
    left, right = node.args
    other = right if left is dense else left
    value = _vector(module, other, layer.sums.n)
    if value is None or (calls(node, aten.sub.Tensor) and left is not dense):
        return None
    if calls(node, aten.mul.Tensor):
        return (value, layer.bias) if unscaled else None
    return layer.scale, -value if calls(node, aten.sub.Tensor) else value


def _vector(module: fx.GraphModule, operand: object, n: int) -> Tensor | None:
    """A per-channel constant as (n,) float32."""
    if isinstance(operand, int | float):
        return torch.full((n,), float(operand))
    value = constant(module, operand)
    return None if value is None or value.dtype != torch.float32 else value.reshape(-1).expand(n).clone()


def batch_norm_affine(module: fx.GraphModule, node: fx.Node) -> Affine:
    """alpha, beta of an evaluation-mode batch norm, with the roundings of torch's CPU kernel."""
    gamma, shift, mean, var = (constant(module, arg) for arg in node.args[1:5])
    if mean is None or var is None:
        raise ValueError(f"{node.name} has no running statistics")  # unreachable: capture keeps batch_norm with them
    alpha = torch.rsqrt(var + float(node.args[7])) * (1 if gamma is None else gamma)  # type: ignore[arg-type]
    start = torch.zeros_like(mean) if shift is None else shift
    return alpha, (start.double() - mean.double() * alpha.double()).float()  # one rounding, as fma(-mean, alpha, shift)


def _measured(function: ChannelFunction, layer: Layer) -> Layer:
    """The layer with its tolerance and a note, from running both forms on all integers."""
    y = layer.sums.integers(0, layer.sums.count)
    before, after = function(y).float(), y.float() * layer.scale + layer.bias
    tolerance = float((before - after).abs().max())
    note = f"{layer.sums.note or 'exact'}: integer sums"
    if tolerance:
        near = _order_changes(before, after)
        order = "their order is the same on all sums" if near == 0 else f"{near} of {y.numel():,} neighbours tie"
        note += f"; scores within {tolerance:.2g} of batch norm (one rounding more), {order}"
    return layer.but(tolerance=tolerance, note=note)


def _order_changes(before: Tensor, after: Tensor) -> int:
    """How many neighbours in the order of the float model's values are not in that order any more."""
    values, order = before.flatten().sort()
    moved = after.flatten()[order]
    return int(((values[1:] > values[:-1]) & (moved[1:] <= moved[:-1])).sum())


def expand_batch_norm(module: fx.GraphModule) -> fx.GraphModule:
    """batch_norm on float values  becomes  x * alpha + beta.

    It is the same affine function per channel, with two roundings where torch's kernel may have one: equal up to one
    unit in the last place of the larger term. Float layers are compared up to rounding, never bit for bit.
    """
    module = copy_of(module)
    for node in module.graph.find_nodes(op="call_function", target=aten.batch_norm.default):
        alpha, beta = batch_norm_affine(module, node)
        sizes = [-1, *[1] * (len(shape_of(node) or (0, 0)) - 2)]
        graph, call = module.graph, module.graph.call_function
        with graph.inserting_before(node):
            factor = add_constant(module, f"{node.name}_alpha", alpha.reshape(sizes))
            scaled = call(aten.mul.Tensor, (node.args[0], factor))
            summand = add_constant(module, f"{node.name}_beta", beta.reshape(sizes))
            shifted = call(aten.add.Tensor, (scaled, summand))
        scaled.meta["val"] = node.meta.get("val")
        replace(node, shifted)
    return finished(module)
