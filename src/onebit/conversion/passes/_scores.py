"""Sums that stay numbers: scales, shifts and batch norm move into the float epilogue of their layer."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, fx

from onebit.conversion._affine import AffineStep, affine_steps, batch_norm_affine, composed
from onebit.conversion._channels import Chain, ChannelFunction, chain_behind
from onebit.conversion._graph import (
    BITS_OF,
    TO_NCHW,
    add_constant,
    aten,
    calls,
    channels_first,
    copy_of,
    finished,
    permuted,
    replace,
    shape_of,
)
from onebit.conversion._layer import Layer, layer_of
from onebit.conversion._thresholds import ENUMERATE

_ROUNDING = 2.0**-16  # of the largest score: a few steps' roundings in float32 are far below


def fold_epilogue(module: fx.GraphModule) -> fx.GraphModule:
    """dense_float, then factors and shifts per channel  becomes  dense_float(alpha, beta), batch norm among them;
    likewise for conv2d_float and what stands behind its permute.

    dense_float(y) = fl(fl(y * scale) + bias). With scale 1 and bias 0 it is y, so a factor may become the scale; with
    bias 0 a shift may become the bias: the same two roundings, the same bits. Any other sequence of steps, such as
    (y - mean) * factor + shift, is alpha * y + beta over the reals, but rounds at each step. batch_norm has alpha =
    gamma * rsqrt(var + eps), beta = bias - mean * alpha, and torch's CPU kernel computes y * alpha + beta, on most
    processors with one rounding. So scores may differ in their last places: the largest difference over all integers
    that the layer can see is measured and written in its note. Steps that round by more than that stay nodes.
    The weights' own scale a and bias b go in as alpha * a and alpha * b + beta, measured with the rest.
    """
    module = copy_of(module)
    for dense in [node for node in module.graph.nodes if node.target in BITS_OF]:
        layer = layer_of(dense)
        if layer is not None:
            _fold(module, dense, layer)
    return finished(module)


def _fold(module: fx.GraphModule, dense: fx.Node, layer: Layer) -> None:
    """All steps behind the layer go into its epilogue, or as many as do so without a rounding."""
    chain, value = chain_behind(module, dense), channels_first(dense)
    if len(dense.users) != 1:
        return
    steps = affine_steps(module, chain, value, layer.sums.n)
    changed = _without_rounding(layer, steps) or _measured(module, chain, layer, steps) if steps else None
    while steps and changed is None:
        steps.pop()
        changed = _without_rounding(layer, steps)
    if steps and changed is not None:
        _write(module, dense, steps[-1].node, changed)


def _write(module: fx.GraphModule, dense: fx.Node, last: fx.Node, layer: Layer) -> None:
    """The same call with the layer's scale and bias, in place of the last step."""
    with module.graph.inserting_before(last):
        scale = add_constant(module, f"{layer.name}_scale", layer.scale)
        bias = add_constant(module, f"{layer.name}_bias", layer.bias)
        new = module.graph.call_function(dense.target, (*dense.args[:-2], scale, bias))  # type: ignore[arg-type]
        new.meta["layer"] = layer.but(result=last.meta.get("captured", ""))
        if "val" in dense.meta:
            new.meta["val"] = dense.meta["val"]
        replace(last, new if channels_first(dense) is dense else permuted(new, TO_NCHW))


def _without_rounding(layer: Layer, steps: Sequence[AffineStep]) -> Layer | None:
    """The layer with an epilogue that rounds just as the steps do, None if there is none."""
    factors = [step for step in steps if calls(step.node, aten.mul.Tensor)]
    shifts = [step for step in steps if calls(step.node, aten.add.Tensor, aten.sub.Tensor) and not step.node.kwargs]
    shifts = [step for step in shifts if bool((step.factor == 1).all())]
    unscaled, unshifted = bool((layer.scale == 1).all()), bool((layer.bias == 0).all())
    in_order = [*factors[:1], *shifts[:1]] == [*steps]
    if not in_order or not unshifted or (factors and not unscaled):
        return None
    scale, bias = composed(steps, layer.scale, layer.bias)
    return layer.but(scale=scale.float(), bias=bias.float())


def _measured(module: fx.GraphModule, chain: Chain, layer: Layer, steps: Sequence[AffineStep]) -> Layer | None:
    """The layer with its tolerance and a note, from running both forms on all integers; None if they are too far apart
    or the integers too many.
    """
    if layer.sums.count * layer.sums.n > ENUMERATE:
        return None
    scale, bias = (values.float() for values in composed(steps, *(layer.sums.real or (layer.scale, layer.bias))))
    y = layer.sums.integers(0, layer.sums.count)
    before, after = ChannelFunction(module, chain, steps[-1].node, layer.sums)(y).float(), y.float() * scale + bias
    tolerance = float((before - after).abs().max())
    if not tolerance <= _ROUNDING * float(before.abs().max()):
        return None
    note = f"{layer.sums.note or 'exact'}: integer sums"
    if tolerance:
        near = _order_changes(before, after)
        order = "their order is the same on all sums" if near == 0 else f"{near} of {y.numel():,} neighbours tie"
        names = ", ".join(step.name for step in steps)
        what = "batch norm (one rounding more)" if names == "batch_norm" else f"{names} in turn (other roundings)"
        note += f"; scores within {tolerance:.2g} of {what}, {order}"
    return layer.but(scale=scale, bias=bias, tolerance=tolerance, note=note)


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
