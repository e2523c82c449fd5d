"""Floats that stay floats: residual, activation and the bits of their signs move into the epilogue of their layer."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field

import torch
from torch import Tensor, fx

from onebit.conversion._channels import chain_behind
from onebit.conversion._float_thresholds import FloatFunction, find_float_thresholds
from onebit.conversion._graph import (
    BITS_OF,
    BOTH_OF,
    FUSED_OF,
    PACK,
    TO_NCHW,
    TO_NHWC,
    add_constant,
    args_of,
    aten,
    calls,
    channels_first,
    constant,
    copy_of,
    dtype_of,
    finished,
    permuted,
    permutes,
    replace,
    shape_of,
)
from onebit.conversion._layer import Layer, layer_of
from onebit.conversion._thresholds import NotBinary

_INF = float("inf")
# relu, clamp and hardtanh as (low, high): the names of the bounds and what they are if they are not given.
_BOUNDS = {
    aten.relu.default: ((), 0.0, _INF),
    aten.clamp.default: (("min", "max"), -_INF, _INF),
    aten.clamp_min.default: (("min",), -_INF, _INF),
    aten.clamp_max.default: (("max",), -_INF, _INF),
    aten.hardtanh.default: (("min_val", "max_val"), -1.0, 1.0),
}


@dataclass
class _Steps:
    """What follows a layer's floats: `end` is the captured node behind the last step."""

    end: fx.Node
    activation: list[Tensor] = field(default_factory=list)
    residual: fx.Node | None = None
    last: bool = False
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Signs:
    """A pack of the floats behind the steps, perhaps of a function of them, as thresholds of the floats themselves."""

    pack: fx.Node
    threshold: Tensor
    direction: Tensor


def fuse_steps(module: fx.GraphModule) -> fx.GraphModule:
    """conv2d_float, + x, relu | clamp | prelu, + x  becomes  conv2d_fused; with pack(g(.)) behind it, conv2d_both.

    The operator adds and compares the same float32 numbers in the same order, each step rounded once: equal bits. ReLU
    is a clamp at 0 and infinity, leaky_relu a PReLU of one slope. At most one residual and one activation go in, in
    either order, each the only reader of what is in front of it. A layer that gives bits elsewhere takes no residual:
    then its floats have its sums alone, and `join_twins` can make one product of the two.
    A sign behind the floats costs no pass over them: g is run on floats to find the one where its sign turns
    (`find_float_thresholds`), so a shift in front of the sign (RSign) or a batch norm vanish in the thresholds.
    """
    module = copy_of(module)
    for node in [node for node in module.graph.nodes if node.target in FUSED_OF]:
        layer = layer_of(node)
        if layer is not None:
            _fuse(module, node, layer)
    return finished(module)


def _fuse(module: fx.GraphModule, node: fx.Node, layer: Layer) -> None:
    steps = _steps_behind(module, channels_first(node), layer.sums.n, not _has_twin(node))
    signs = _signs_behind(module, steps.end, layer)
    if not steps.names and signs is None:
        return
    graph, is_map = module.graph, permutes(channels_first(node), TO_NCHW)
    note = f"{layer.note}; then {', '.join([*steps.names, *(['bits of the floats'] if signs else [])])}"
    residual = str(steps.residual.meta["captured"]) if steps.residual is not None else ""
    result = str(steps.end.meta.get("captured", layer.result))
    changed = layer.but(result=result, note=note, residual=residual)
    with graph.inserting_before(steps.end.next):
        arrays = [add_constant(module, f"{layer.name}_activation{i}", a) for i, a in enumerate(steps.activation)]
        added = [] if steps.residual is None else [_channels_last(steps.residual, node) if is_map else steps.residual]
        arguments = (*node.args, arrays, added, steps.last)
        if signs is None:
            new = floats = graph.call_function(FUSED_OF[node.target], arguments)
        else:
            threshold = add_constant(module, f"{layer.name}_threshold", signs.threshold)
            direction = add_constant(module, f"{layer.name}_direction", signs.direction)
            new = graph.call_function(BOTH_OF[node.target], (*arguments, threshold, direction))
            floats, words = (graph.call_function(operator.getitem, (new, i)) for i in (0, 1))
            changed = changed.but(signs=str(signs.pack.meta.get("captured", "")))
        new.meta["layer"] = changed
        floats.meta["val"] = steps.end.meta["val"].permute(TO_NHWC) if is_map else steps.end.meta["val"]
        out = permuted(floats, TO_NCHW) if is_map else floats
    replace(steps.end, out)
    if signs is not None:
        signs.pack.replace_all_uses_with(words)
        graph.erase_node(signs.pack)


def _has_twin(node: fx.Node) -> bool:
    """True if another node gives the bits of the same sums."""
    product, bits = node.args[:-2], BITS_OF[node.target]
    return any(calls(user, bits) and user.args[:-2] == product for user in node.all_input_nodes[0].users)


def _steps_behind(module: fx.GraphModule, value: fx.Node, n: int, residual: bool) -> _Steps:
    found = _Steps(value)
    while len(found.end.users) == 1:
        user = next(iter(found.end.users))
        activation = [] if found.activation else _activation(module, user, found.end, n)
        other = _other_summand(user, found.end) if residual and found.residual is None else None
        if activation:
            found.activation = activation
            found.names.append("PReLU" if len(activation) == 1 else "clamp" if activation[0].any() else "ReLU")
        elif other is not None:
            found.residual, found.last = other, bool(found.activation)
            found.names.append("+ residual")
        else:
            break
        found.end = user
    return found


def _other_summand(node: fx.Node, value: fx.Node) -> fx.Node | None:
    """x in value + x, if it is computed, has the same shape, and verify can find it in the captured network."""
    if not calls(node, aten.add.Tensor) or node.kwargs:
        return None
    left, right = args_of(node)
    other = right if left is value else left
    if not isinstance(other, fx.Node) or other is value or other.op == "get_attr" or "captured" not in other.meta:
        return None
    same = shape_of(other) == shape_of(value) and dtype_of(other) == torch.float32
    return other if same else None


def _activation(module: fx.GraphModule, node: fx.Node, value: fx.Node, n: int) -> list[Tensor]:
    """[slope] or [low, high] of an activation of value, (n,) each; [] for anything else."""
    if node.op != "call_function" or not node.args or node.args[0] is not value:
        return []
    if calls(node, aten.prelu.default):
        slope = constant(module, node.args[1])
        return [] if slope is None else [slope.reshape(-1).float().expand(n).clone()]
    if calls(node, aten.leaky_relu.default):
        return [torch.full((n,), float((*args_of(node), 0.01)[1]))] if not node.kwargs else []
    if node.target not in _BOUNDS:
        return []
    names, low, high = _BOUNDS[node.target]
    given = dict(zip(names, args_of(node)[1:], strict=False)) | node.kwargs
    bounds = {name.partition("_")[0]: bound for name, bound in given.items() if bound is not None}
    ends = bounds.get("min", low), bounds.get("max", high)
    return [torch.full((n,), float(end)) for end in ends] if all(isinstance(e, int | float) for e in ends) else []


def _signs_behind(module: fx.GraphModule, end: fx.Node, layer: Layer) -> _Signs | None:
    """The first pack of a function of the floats that has thresholds."""
    shape = shape_of(end)
    if shape is None or len(shape) not in (2, 4) or not end.meta.get("captured"):
        return None
    chain = chain_behind(module, end, 1)
    for pack in [node for node in chain if calls(node, PACK)]:
        function = FloatFunction(module, chain, pack, layer.sums)
        if any(calls(node, PACK) for node in function.nodes if node is not pack) or not pack.meta.get("captured"):
            continue
        try:
            return _Signs(pack, *find_float_thresholds(function))
        except NotBinary as reason:
            pack.meta["refused"] = str(reason)
    return None


def _channels_last(x: fx.Node, before: fx.Node) -> fx.Node:
    """x as (N, H, W, C): what it is a permute of, or a permute of it, a new one if there is none before."""
    if permutes(x, TO_NCHW):
        return args_of(x)[0]  # type: ignore[no-any-return]
    earlier = [user for user in x.users if permutes(user, TO_NHWC) and user < before]
    return earlier[0] if earlier else permuted(x, TO_NHWC)
