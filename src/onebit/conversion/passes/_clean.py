"""Cleaning passes: what computes nothing goes, what can be computed now is, one operator has one spelling."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx

from onebit.conversion._graph import (
    ROW_MAJOR,
    add_constant,
    aten,
    calls,
    constant,
    copy_of,
    dtype_of,
    finished,
    replace,
    shape_of,
)

_SAME = (aten.alias.default, aten.detach.default, aten.clone.default, aten.lift_fresh_copy.default)
_CHECKS = (aten._assert_tensor_metadata.default, aten._assert_scalar.default, aten.sym_constrain_range.default)
_BATCH_NORM = aten._native_batch_norm_legit_no_training.default


def drop_identities(module: fx.GraphModule) -> fx.GraphModule:
    """Copies (what dropout is in evaluation mode), detach, casts to the same dtype and checks disappear.

    Each returns its operand's values, and no captured node writes in place (capture is functional), so a reader of
    the copy may read the original.
    """
    module = copy_of(module)
    for node in list(module.graph.nodes):
        if calls(node, *_CHECKS):
            module.graph.erase_node(node)
        elif calls(node, *_SAME) or _casts_to_itself(node):
            _forward(node)
    return finished(module)


def _casts_to_itself(node: fx.Node) -> bool:
    if not calls(node, aten._to_copy.default, aten.to.dtype):
        return False
    source = node.args[0]
    return isinstance(source, fx.Node) and dtype_of(source) is not None and dtype_of(source) == dtype_of(node)


def _forward(node: fx.Node) -> None:
    source = node.args[0]
    if isinstance(source, fx.Node):
        node.replace_all_uses_with(source)
        node.graph.erase_node(node)


def fold_constants(module: fx.GraphModule) -> fx.GraphModule:
    """A node that reads only constants becomes one: so the sign of a parameter becomes a tensor of -1 and +1.

    The node's own operator computes it here, once, instead of at every call; operators that draw random numbers are
    left alone. Parameters are read, never written.
    """
    module = copy_of(module)
    known: dict[fx.Node, Any] = {n: constant(module, n) for n in module.graph.nodes if n.op == "get_attr"}
    with torch.no_grad():
        for node in list(module.graph.nodes):
            if _foldable(node, known):
                known[node] = node.target(*_values(node.args, known), **_values(node.kwargs, known))
                if isinstance(known[node], Tensor):
                    _freeze(module, node, known)
    return finished(module)


def _foldable(node: fx.Node, known: dict[fx.Node, Any]) -> bool:
    tags = getattr(node.target, "tags", ())
    called = node.op == "call_function" and torch.Tag.nondeterministic_seeded not in tags
    return called and not calls(node, *_CHECKS) and all(source in known for source in node.all_input_nodes)


def _values(tree: Any, known: dict[fx.Node, Any]) -> Any:
    return fx.node.map_arg(tree, lambda node: known[node])


def _freeze(module: fx.GraphModule, node: fx.Node, known: dict[fx.Node, Any]) -> None:
    value = known[node]
    origin = next(iter(node.all_input_nodes), None)
    with module.graph.inserting_before(node):
        frozen = add_constant(module, f"folded_{node.name}", value, origin)
    replace(node, frozen)
    known[frozen] = value


def unify_batch_norm(module: fx.GraphModule) -> fx.GraphModule:
    """item 0 of _native_batch_norm_legit_no_training(x, ...)  becomes  batch_norm(x, ..., training=False).

    The second is the operator that torch.nn.BatchNorm* calls in evaluation mode; it runs the same kernel on the same
    operands, so the bits are equal. Only the unused saved statistics are gone.
    """
    module = copy_of(module)
    for node in list(module.graph.nodes):
        if calls(node, operator.getitem) and node.args[1] == 0 and calls(node.args[0], _BATCH_NORM):
            x, weight, bias, mean, var, momentum, eps = node.args[0].args
            with module.graph.inserting_before(node):
                args = (x, weight, bias, mean, var, False, momentum, eps, False)
                new = module.graph.call_function(aten.batch_norm.default, args)
            replace(node, new)
    return finished(module)


def unify_linear(module: fx.GraphModule) -> fx.GraphModule:
    """x @ W, mm(x, W) and addmm(b, x, W) with a constant 2-d W  become  linear(x, W.T, b).

    Both are sum_k x[i, k] * W[k, j] + b[j]. Where all partial sums are representable in float32, as sums of signs and
    of integers below 2**24 are, any order of summation gives the same bits; elsewhere both are float sums of the same
    terms.
    """
    module = copy_of(module)
    for node in list(module.graph.nodes):
        operands = _product(node)
        if operands is None:
            continue
        x, matrix, bias = operands
        value = constant(module, matrix)
        if value is None or value.ndim != 2 or (bias is not None and constant(module, bias) is None):
            continue
        with module.graph.inserting_before(node):
            weight = add_constant(module, f"{node.name}_weight", value.t(), matrix)
            new = module.graph.call_function(aten.linear.default, (x, weight, bias))
        replace(node, new)
    return finished(module)


def _product(node: fx.Node) -> tuple[Any, fx.Node, Any] | None:
    """(x, W, b) of x @ W + b, with b a vector or None."""
    if calls(node, aten.mm.default, aten.matmul.default):
        x, matrix, bias = node.args[0], node.args[1], None
    elif calls(node, aten.addmm.default) and not node.kwargs and shape_of(node.args[0]) == shape_of(node)[-1:]:  # type: ignore[index]
        bias, x, matrix = node.args
    else:
        return None
    return (x, matrix, bias) if isinstance(matrix, fx.Node) else None


def unify_reshapes(module: fx.GraphModule) -> fx.GraphModule:
    """view, flatten, squeeze, unsqueeze  become  reshape(x, [-1, sizes]), and vanish where the shape stays.

    All of them list the same numbers in the same (row-major) order under a new shape. If dimension 0 of operand and
    result is the free batch and all other sizes are fixed, the result is reshape(x, [-1, sizes]) for any batch.
    """
    module = copy_of(module)
    for node in list(module.graph.nodes):
        if not calls(node, *ROW_MAJOR):
            continue
        before, after = shape_of(node.args[0]), shape_of(node)
        if before is None or after is None or not _batched(before) or not _batched(after) or before[0] != after[0]:
            continue
        if before == after:
            _forward(node)
            continue
        with module.graph.inserting_before(node):
            new = module.graph.call_function(aten.reshape.default, (node.args[0], [-1, *after[1:]]))
        replace(node, new)
    return finished(module)


def _batched(shape: tuple[Any, ...]) -> bool:
    return bool(shape) and not isinstance(shape[0], int) and all(isinstance(size, int) for size in shape[1:])
