"""Editing captured graphs: copies that share tensors, constants, names. It knows graphs, not networks."""

from __future__ import annotations

import operator
from typing import Any, TypeGuard

import torch
from torch import Tensor, fx

import onebit.ops  # noqa: F401  registers torch.ops.onebit

aten = torch.ops.aten
PACK = torch.ops.onebit.pack.default
PACK_NCHW = torch.ops.onebit.pack_nchw.default
PACK_THRESHOLD = torch.ops.onebit.pack_threshold.default
PACK_NCHW_THRESHOLD = torch.ops.onebit.pack_nchw_threshold.default
UNPACK = torch.ops.onebit.unpack.default


def _family(name: str) -> dict[str, Any]:
    return {kind: getattr(torch.ops.onebit, f"{name}_{kind}").default for kind in ("float", "bits", "fused", "both")}


DENSE, CONV = _family("dense"), _family("conv2d")
# By the bytes that x holds.
DENSE_OF = {torch.uint8: _family("dense_u8"), torch.int8: _family("dense_s8")}
CONV_OF = {torch.uint8: _family("conv2d_u8"), torch.int8: _family("conv2d_s8")}
BITS_OF, FUSED_OF, BOTH_OF = (
    {family["float"]: family[kind] for family in (DENSE, CONV, *DENSE_OF.values(), *CONV_OF.values())}
    for kind in ("bits", "fused", "both")
)
POOL = torch.ops.onebit.max_pool2d.default
TO_NHWC, TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)
ROW_MAJOR = (  # the same numbers in the same order, in another shape
    *(aten.view.default, aten.reshape.default, aten._unsafe_view.default, aten.flatten.using_ints),
    *(aten.squeeze.dim, aten.squeeze.dims, aten.unsqueeze.default, aten.unflatten.int),
)
LIKE = frozenset({aten.ones_like.default, aten.zeros_like.default, aten.full_like.default})
WHERE = frozenset({aten.where.self, aten.where.Scalar, aten.where.ScalarSelf, aten.where.ScalarOther})
_ELEMENTWISE = frozenset({aten._to_copy.default, *WHERE, *LIKE})  # elementwise, but torch does not tag them all so


def copy_of(module: fx.GraphModule) -> fx.GraphModule:
    """A new graph over the same tensors, so that a pass can edit it and leave its argument alone."""
    graph = fx.Graph()
    graph.output(graph.graph_copy(module.graph, {}))
    return fx.GraphModule(module, graph)


def finished(module: fx.GraphModule) -> fx.GraphModule:
    """The edited module without dead nodes, checked and compiled."""
    module.graph.eliminate_dead_code()
    module.graph.lint()
    module.recompile()
    return module


def calls(node: object, *targets: Any) -> TypeGuard[fx.Node]:
    """True if node calls one of the targets."""
    return isinstance(node, fx.Node) and node.op == "call_function" and node.target in targets


def args_of(node: object) -> tuple[Any, ...]:
    """The node's positional arguments, which torch types as a union of everything; () for what is not a node."""
    return node.args if isinstance(node, fx.Node) else ()


def elementwise(node: fx.Node) -> bool:
    """True if each number of the result depends on the numbers at its own place in the operands, and on no chance."""
    if node.op != "call_function":
        return False
    tags = getattr(node.target, "tags", ())
    pure = torch.Tag.nondeterministic_seeded not in tags
    return node.target in _ELEMENTWISE or (torch.Tag.pointwise in tags and pure)


def permutes(node: object, dims: tuple[int, ...]) -> TypeGuard[fx.Node]:
    """True if node is permute(x, dims)."""
    return calls(node, aten.permute.default) and tuple(d % len(dims) for d in args_of(node)[1]) == dims


def permuted(x: fx.Node, dims: tuple[int, ...]) -> fx.Node:
    """A new permute of x, at the insertion point, with the shape it has."""
    node = x.graph.call_function(aten.permute.default, (x, list(dims)))
    value = x.meta.get("val")
    if isinstance(value, Tensor):
        node.meta["val"] = value.permute(dims)
    return node


def channels_first(node: fx.Node) -> fx.Node:
    """The captured form of a layer's float result: behind the permute to NCHW if it is a map, else the node itself."""
    users = list(node.users)
    return users[0] if len(users) == 1 and permutes(users[0], TO_NCHW) else node


def constant(module: fx.GraphModule, node: object) -> Tensor | None:
    """The tensor that a get_attr node reads, else None."""
    if not isinstance(node, fx.Node) or node.op != "get_attr":
        return None
    found: Tensor = operator.attrgetter(str(node.target))(module)
    return found.detach()


def add_constant(module: fx.GraphModule, name: str, value: Tensor, source: fx.Node | None = None) -> fx.Node:
    """Registers value and returns a node that reads it, at the graph's insertion point.

    source: the constant that this one was made of; the layer keeps the name of the first in the line.
    """
    name = name.replace(".", "_")
    unique, count = name, 1
    while hasattr(module, unique):
        count += 1
        unique = f"{name}_{count}"
    module.register_buffer(unique, value)
    node = module.graph.get_attr(unique)
    node.meta["source"] = source_of(source) if source is not None else unique
    return node


def source_of(node: fx.Node) -> str:
    """The model's own name of the parameter or buffer that a constant was made of: "fc1.weight"."""
    return str(node.meta.get("source", node.target))


def shape_of(node: object) -> tuple[Any, ...] | None:
    """Shape as captured; the batch is symbolic. None for what is not a tensor."""
    value = node.meta.get("val") if isinstance(node, fx.Node) else None
    return tuple(value.shape) if isinstance(value, Tensor) else None


def dtype_of(node: fx.Node) -> torch.dtype | None:
    """Dtype as captured."""
    value = node.meta.get("val")
    return value.dtype if isinstance(value, Tensor) else None


def replace(node: fx.Node, new: fx.Node) -> None:
    """Every reader of node reads new instead, which stands for the same captured value."""
    for key in ("val", "captured", "rounded", "nn_module_stack"):
        if key in node.meta:
            new.meta.setdefault(key, node.meta[key])
    node.replace_all_uses_with(new)
    node.graph.erase_node(node)


def layer_name(node: fx.Node, weight: fx.Node | None = None) -> str:
    """The name a person knows a layer by: the owner of its weights, else the module that called it, else the node."""
    if weight is not None:
        owner, parametrized, _ = source_of(weight).partition(".parametrizations.")
        owner, _, leaf = (owner, "", "") if parametrized else owner.rpartition(".")
        return owner or leaf
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return str(stack[-1][0]) if stack and stack[-1][0] else node.name
