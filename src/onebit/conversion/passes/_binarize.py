"""Finding signs in user code: whatever sends negative numbers to -1 and all others to +1 becomes pack and unpack."""

from __future__ import annotations

from typing import Any, TypeGuard

import torch
from torch import Tensor, fx

from onebit.conversion._graph import (
    LIKE,
    PACK,
    TO_NCHW,
    TO_NHWC,
    UNPACK,
    args_of,
    aten,
    calls,
    constant,
    copy_of,
    dtype_of,
    elementwise,
    finished,
    permuted,
    permutes,
    replace,
    shape_of,
)

_COMPARISONS = frozenset(
    getattr(getattr(aten, name), kind) for name in ("lt", "le", "gt", "ge", "eq", "ne") for kind in ("Scalar", "Tensor")
)
_SIGNS = frozenset({aten.sign.default, aten.sgn.default})
_CLASSES = torch.tensor([-1.0, -0.0, 0.0, 1.0])  # one of each kind of number: negative, two zeros, positive
# What binarize(x) looks like on the classes, and with x, the result or both negated.
_FORMS = {
    (-1.0, 1.0, 1.0, 1.0): (False, False),
    (1.0, 1.0, 1.0, -1.0): (True, False),
    (1.0, -1.0, -1.0, -1.0): (False, True),
    (-1.0, -1.0, -1.0, 1.0): (True, True),
}
TERNARY = "torch.sign gives 0 for 0, so it is not binary; write torch.where(x < 0, -1.0, 1.0) or use onebit.nn layers"


def recognise_binarize(module: fx.GraphModule) -> fx.GraphModule:
    """A float32 expression that is -1 for x < 0 and +1 for x >= 0  becomes  unpack(pack(x)), which is just that.

    If x enters an elementwise expression only through comparisons with 0 and torch.sign, then the expression has one
    value for all negative x, one for the zeros and one for all positive x. The captured operators are run on one of
    each (and on -0.0), and (-1, +1, +1) is binarize(x). So it does not matter how the sign was written: with where,
    with arithmetic on a mask, or as sign(sign(x) + 0.1). The forms with x or the result negated get a neg. NaN, which
    no finite network makes, is left out of the comparison: where(x >= 0, 1, -1) gives -1 for it and pack +1.
    The signs of a map (N, C, H, W) are packed along the channels: permute(unpack(pack(permute(x)))), NHWC and back.
    A plain torch.sign is (-1, 0, +1): it stays, unless the numbers it can see decide otherwise (fold_thresholds).
    """
    module = copy_of(module)
    facts: dict[fx.Node, tuple[fx.Node | None, Tensor]] = {}
    made: dict[tuple[fx.Node, bool, bool], fx.Node] = {}
    for node in list(module.graph.nodes):
        fact = _fact(module, node, facts)
        if fact is None:
            continue
        facts[node] = fact
        base, values = fact
        form = _FORMS.get(tuple(values.tolist())) if values.dtype == torch.float32 and values.ndim == 1 else None
        if base is not None and form is not None and dtype_of(base) == torch.float32:
            _write(module, node, base, form, made)
        elif calls(node, *_SIGNS):
            node.meta["why"] = TERNARY
    return finished(module)


def _fact(
    module: fx.GraphModule, node: fx.Node, facts: dict[fx.Node, tuple[fx.Node | None, Tensor]]
) -> tuple[fx.Node | None, Tensor] | None:
    """(x, the expression's value for each class of x), if that is all the node depends on; x None for none at all."""
    if calls(node, *LIKE):
        return None, _like(node)
    if calls(node, *_SIGNS) or _compares_with_zero(module, node):
        base = node.args[0]
        if isinstance(base, fx.Node) and base.op != "get_attr" and base not in facts:
            return base, _apply(node, {base: _CLASSES}, module)
    if not elementwise(node) or not node.all_input_nodes:
        return None
    if not all(n in facts or _scalar(module, n) is not None for n in node.all_input_nodes):
        return None
    bases = {facts[n][0] for n in node.all_input_nodes if n in facts} - {None}
    if len(bases) > 1 or not any(n in facts for n in node.all_input_nodes):
        return None
    known = {n: facts[n][1] for n in node.all_input_nodes if n in facts}
    return next(iter(bases), None), _apply(node, known, module)


def _like(node: fx.Node) -> Tensor:
    value = {aten.ones_like.default: 1.0, aten.zeros_like.default: 0.0}.get(node.target, 0.0)  # type: ignore[call-overload]
    value = float(node.args[1]) if calls(node, aten.full_like.default) else value  # type: ignore[arg-type]
    return torch.full_like(_CLASSES, value, dtype=dtype_of(node))


def _compares_with_zero(module: fx.GraphModule, node: fx.Node) -> bool:
    if not calls(node, *_COMPARISONS):
        return False
    other = _scalar(module, node.args[1]) if isinstance(node.args[1], fx.Node) else node.args[1]
    return other is not None and float(other) == 0.0  # type: ignore[arg-type]


def _scalar(module: fx.GraphModule, node: fx.Node) -> Tensor | None:
    value = constant(module, node)
    return value.reshape(()) if value is not None and value.numel() == 1 else None


def _apply(node: fx.Node, known: dict[fx.Node, Tensor], module: fx.GraphModule) -> Tensor:
    def operand(source: fx.Node) -> Any:
        return known[source] if source in known else _scalar(module, source)

    args, kwargs = fx.node.map_arg(node.args, operand), fx.node.map_arg(node.kwargs, operand)
    result: Tensor = node.target(*args, **kwargs)  # type: ignore[operator]
    return result


def _write(
    module: fx.GraphModule,
    node: fx.Node,
    base: fx.Node,
    form: tuple[bool, bool],
    made: dict[tuple[fx.Node, bool, bool], fx.Node],
) -> None:
    key = (base, *form)
    if key not in made:
        graph, (negate_input, negate_result) = module.graph, form
        channels_last = len(shape_of(base) or ()) == 4
        with graph.inserting_before(base.next):
            source = graph.call_function(aten.neg.default, (base,)) if negate_input else base
            source.meta.setdefault("val", base.meta.get("val"))
            source = permuted(source, TO_NHWC) if channels_last else source
            words = graph.call_function(PACK, (source,))
            sign = graph.call_function(UNPACK, (words, int((shape_of(source) or (0,))[-1])))
            sign.meta["val"] = source.meta.get("val")
            made[key] = sign = permuted(sign, TO_NCHW) if channels_last else sign
        sign.meta.update({key: node.meta[key] for key in ("val", "nn_module_stack") if key in node.meta})
        words.meta["captured"] = ("-" if negate_result else "") + str(node.meta.get("captured", ""))
        if negate_result:
            with graph.inserting_after(sign):
                made[key] = graph.call_function(aten.neg.default, (sign,))
    replace(node, made[key])


def cancel_surrogates(module: fx.GraphModule) -> fx.GraphModule:
    """(s - t) + t and (s + t) - t  become  s, where s is a sign: the straight-through estimator written with detach.

    Over the reals they are equal. In float32 (s - t) + t can miss -1 or +1 by one unit in the last place, so what
    reads it is marked as agreeing up to the float model's own rounding, and verify counts the differences.
    """
    module = copy_of(module)
    for node in list(module.graph.nodes):
        sign = _surrogate(node)
        if sign is not None:
            sign.meta["rounded"] = True
            node.replace_all_uses_with(sign)
            module.graph.erase_node(node)
    return finished(module)


def _surrogate(node: fx.Node) -> fx.Node | None:
    if not calls(node, aten.add.Tensor, aten.sub.Tensor) or node.kwargs or len(node.args) != 2:
        return None
    adds = calls(node, aten.add.Tensor)
    inverse = aten.sub.Tensor if adds else aten.add.Tensor
    args = args_of(node)
    for inner, t in [args, args[::-1]] if adds else [args]:
        if not calls(inner, inverse) or inner.kwargs:
            continue
        s, u = args_of(inner)
        for sign, rest in [(s, u)] if adds else [(s, u), (u, s)]:
            if rest is t and _is_sign(sign):
                return sign
    return None


def _is_sign(node: object) -> TypeGuard[fx.Node]:
    inner = node.args[0] if calls(node, aten.neg.default) else node
    inner = inner.args[0] if permutes(inner, TO_NCHW) else inner
    return calls(inner, UNPACK, *_SIGNS)
