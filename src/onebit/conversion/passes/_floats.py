"""Float operators that the runtime lacks, said in those that it has."""

from __future__ import annotations

from collections.abc import Callable

from torch import fx

from onebit.conversion._graph import (
    PACK,
    UNPACK,
    add_constant,
    args_of,
    aten,
    calls,
    constant,
    copy_of,
    dtype_of,
    finished,
    replace,
    shape_of,
)

Rewrite = Callable[[fx.GraphModule, fx.Node], "fx.Node | None"]


def spell_floats(module: fx.GraphModule) -> fx.GraphModule:
    """neg, square, clip, leaky_relu and torch.sign  become  products, clamps and signs; every value is kept. Average
    pools of the whole map become means, up to the order in which a float sum is added.

    linear(x, W, b) of more than rows is x @ W^T + b, a float sum too.
    neg(x) = x * -1 flips the sign bit in both forms. clip is clamp by another name.
    leaky_relu(x) = relu(x) + min(x, 0) * slope: one summand is always 0, so the sum does not round.
    sign(x) = (b(x) - b(-x)) / 2 with b = binarize: (1 + 1) / 2, (1 - 1) / 2 and (-1 - 1) / 2 for x > 0, = 0, < 0.
    """
    module = copy_of(module)
    for node in list(module.graph.nodes):
        rewrite = _REWRITES.get(node.target) if node.op == "call_function" and not node.kwargs else None
        if rewrite is not None and str(dtype_of(node)) == "torch.float32":
            with module.graph.inserting_before(node):
                new = rewrite(module, node)
            if new is not None:
                replace(node, new)
    return finished(module)


def _neg(_: fx.GraphModule, node: fx.Node) -> fx.Node:
    return node.graph.call_function(aten.mul.Tensor, (node.args[0], -1.0))


def _square(_: fx.GraphModule, node: fx.Node) -> fx.Node:
    return node.graph.call_function(aten.mul.Tensor, (node.args[0], node.args[0]))


def _clip(_: fx.GraphModule, node: fx.Node) -> fx.Node:
    return node.graph.call_function(aten.clamp.default, node.args)


def _leaky_relu(_: fx.GraphModule, node: fx.Node) -> fx.Node:
    call, (x, slope) = node.graph.call_function, (*node.args, 0.01)[:2]
    below = call(aten.mul.Tensor, (call(aten.clamp.default, (x, None, 0.0)), slope))
    return call(aten.add.Tensor, (call(aten.relu.default, (x,)), below))


def _average(_: fx.GraphModule, node: fx.Node) -> fx.Node | None:
    """adaptive_avg_pool2d to one place and avg_pool2d of the whole map; None for any other."""
    shape = shape_of(node)
    if shape is None or tuple(shape[2:]) != (1, 1):
        return None
    if calls(node, aten.avg_pool2d.default):
        size, given = shape_of(node.args[0]), args_of(node)
        kernel = given[1] if len(given[1]) == 2 else [*given[1]] * 2
        if size is None or list(size[2:]) != list(kernel) or len(given) > 3:
            return None
    return node.graph.call_function(aten.mean.dim, (node.args[0], [2, 3], True))


def _sign(_: fx.GraphModule, node: fx.Node) -> fx.Node:
    call, (x,) = node.graph.call_function, args_of(node)
    k = int((shape_of(x) or (0,))[-1])
    positive = call(UNPACK, (call(PACK, (x,)), k))
    negative = call(UNPACK, (call(PACK, (call(aten.mul.Tensor, (x, -1.0)),)), k))
    return call(aten.mul.Tensor, (call(aten.sub.Tensor, (positive, negative)), 0.5))


def _linear(module: fx.GraphModule, node: fx.Node) -> fx.Node | None:
    """linear of more than rows; None for rows, and where the weights are not constant."""
    x, matrix, bias = (*node.args, None)[:3]
    shape, value = shape_of(x), constant(module, matrix)
    if shape is None or len(shape) == 2 or value is None:
        return None
    origin = matrix if isinstance(matrix, fx.Node) else None
    turned = add_constant(module, f"{node.name}_matrix", value.t().contiguous(), origin)
    product = node.graph.call_function(aten.matmul.default, (x, turned))
    product.meta.update(node.meta)
    return product if bias is None else node.graph.call_function(aten.add.Tensor, (product, bias))


_REWRITES: dict[object, Rewrite] = {
    aten.neg.default: _neg,
    aten.linear.default: _linear,
    aten.square.default: _square,
    aten.adaptive_avg_pool2d.default: _average,
    aten.avg_pool2d.default: _average,
    aten.clip.default: _clip,
    aten.leaky_relu.default: _leaky_relu,
    aten.sign.default: _sign,
    aten.sgn.default: _sign,
}
