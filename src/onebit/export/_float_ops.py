"""The float operators of a packed graph in ONNX: one short function each, and the table that finds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import fx

from onebit.export._float_windows import WINDOWS, refusal
from onebit.export._nodes import integers, source, sources

if TYPE_CHECKING:
    from onebit.export._onnx import GraphWriter

_CASTS = (torch.float32, torch.int32, torch.int64)


def _binary(op_type: str) -> Callable[[GraphWriter, fx.Node], None]:
    def write(writer: GraphWriter, node: fx.Node) -> None:
        if node.kwargs.get("alpha", 1) != 1:
            raise refusal(node, f"has alpha={node.kwargs['alpha']}; expected 1")
        writer.add(node, op_type, [writer.float_operand(node, index) for index in (0, 1)])

    return write


def _unary(op_type: str) -> Callable[[GraphWriter, fx.Node], None]:
    def write(writer: GraphWriter, node: fx.Node) -> None:
        writer.add(node, op_type, [writer.float_operand(node, 0)])

    return write


def _where(writer: GraphWriter, node: fx.Node) -> None:
    condition = writer.name(source(node))
    writer.add(node, "Where", [condition, *(writer.float_operand(node, index) for index in (1, 2))])


def _clip(writer: GraphWriter, node: fx.Node) -> None:
    given = dict(zip(("min", "max"), node.args[1:], strict=False)) | node.kwargs
    default = 1.0 if "hardtanh" in str(node.target) else None  # clamp has none: an absent bound is no bound
    low = given.get("min", given.get("min_val", None if default is None else -default))
    high = given.get("max", given.get("max_val", default))
    bounds = [writer.scalar(node, which, bound) for which, bound in (("min", low), ("max", high))]
    writer.add(node, "Clip", [writer.float_operand(node, 0), *bounds])


def _reshape(writer: GraphWriter, node: fx.Node) -> None:
    """Flatten, view and reshape: 0 copies the batch, so an empty batch works too (-1 would be ambiguous)."""
    shape = torch.tensor([0, *writer.shape(node)])
    writer.add(node, "Reshape", [writer.name(source(node)), writer.constant(node, "shape", shape)])


def _permute(writer: GraphWriter, node: fx.Node) -> None:
    rank = len(writer.values[node.name].shape) + 1
    axes = [axis % rank for axis in integers(node, 1, rank)]
    if axes[0] != 0:
        raise refusal(node, f"moves the batch: dims={axes}; expected 0 first")
    writer.add(node, "Transpose", [writer.name(source(node))], perm=axes)


def _cast(writer: GraphWriter, node: fx.Node) -> None:
    dtype = writer.values[node.name].dtype
    if dtype not in _CASTS:
        raise refusal(node, f"casts to {dtype}; expected one of {', '.join(map(str, _CASTS))}")
    writer.add(node, "Cast", [writer.name(source(node))], to=writer.element_type(dtype))


def _argmax(writer: GraphWriter, node: fx.Node) -> None:
    axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    keep = node.args[2] if len(node.args) > 2 else node.kwargs.get("keepdim", False)
    if not isinstance(axis, int):
        raise refusal(node, "has no dim, so it would mix the examples of a batch; expected dim=-1")
    writer.add(node, "ArgMax", [writer.name(source(node))], axis=axis, keepdims=int(bool(keep)))


def _reduce(op_type: str) -> Callable[[GraphWriter, fx.Node], None]:
    def write(writer: GraphWriter, node: fx.Node) -> None:
        rank = len(writer.values[source(node).name].shape) + 1
        dims = node.args[1] if len(node.args) > 1 else None
        axes = [int(axis) % rank for axis in dims if isinstance(axis, int)] if isinstance(dims, list | tuple) else []
        if not axes or 0 in axes or node.kwargs:
            raise refusal(node, f"has dim={dims}; expected dimensions other than the batch")
        keep = len(node.args) > 2 and bool(node.args[2])
        names = [writer.float_operand(node, 0), writer.constant(node, "axes", torch.tensor(sorted(axes)))]
        writer.add(node, op_type, names, keepdims=int(keep))

    return write


def _linear(writer: GraphWriter, node: fx.Node) -> None:
    if len(writer.values[source(node).name].shape) != 1:
        raise refusal(node, f"takes (N, {writer.values[source(node).name].shape}); expected (N, features)")
    has_bias = len(node.args) > 2 and node.args[2] is not None
    writer.add(node, "Gemm", [writer.float_operand(node, i) for i in range(3 if has_bias else 2)], transB=1)


def _concat(writer: GraphWriter, node: fx.Node) -> None:
    """Of numbers or of packed words, whose bytes join as they do."""
    parts = [writer.values[one.name] for one in sources(node)]
    rank, dim = len(parts[0].shape) + 1, node.args[1] if len(node.args) > 1 else 0
    if not isinstance(dim, int) or dim % rank == 0 or len({part.dtype for part in parts}) > 1:
        dtypes = [str(part.dtype) for part in parts]
        raise refusal(node, f"joins {dtypes} along dim={dim}; expected one dtype and another dim than the batch")
    writer.add(node, "Concat", [writer.name(one) for one in sources(node)], axis=dim % rank)


WRITERS: dict[str, Callable[[GraphWriter, fx.Node], None]] = {
    "aten.add.Tensor": _binary("Add"),
    "aten.sub.Tensor": _binary("Sub"),
    "aten.mul.Tensor": _binary("Mul"),
    "aten.div.Tensor": _binary("Div"),
    "aten.relu.default": _unary("Relu"),
    "aten.clamp.default": _clip,
    "aten.hardtanh.default": _clip,
    "aten.flatten.using_ints": _reshape,
    "aten.reshape.default": _reshape,
    "aten.view.default": _reshape,
    "aten._unsafe_view.default": _reshape,
    "aten.permute.default": _permute,
    "aten.to.dtype": _cast,
    "aten._to_copy.default": _cast,
    "aten.argmax.default": _argmax,
    "aten.linear.default": _linear,
    "aten.mean.dim": _reduce("ReduceMean"),
    "aten.sum.dim_IntList": _reduce("ReduceSum"),
    "aten.matmul.default": _binary("MatMul"),
    "aten.maximum.default": _binary("Max"),
    "aten.sqrt.default": _unary("Sqrt"),
    "aten.abs.default": _unary("Abs"),
    "aten.tanh.default": _unary("Tanh"),
    "aten.sigmoid.default": _unary("Sigmoid"),
    "aten.lt.Scalar": _binary("Less"),
    "aten.where.ScalarSelf": _where,
    "aten.cat.default": _concat,
    **WINDOWS,
}
