"""The float operators of a packed graph, from ONNX back to torch: the inverse of onebit.export's table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import onnx
import torch
from onnx import helper
from torch import Tensor, fx

from onebit._errors import FormatError
from onebit._registry import unknown_name

Call = tuple[Callable[..., Any], tuple[Any, ...]]
_DTYPES = {
    onnx.TensorProto.FLOAT: torch.float32,
    onnx.TensorProto.INT32: torch.int32,
    onnx.TensorProto.INT64: torch.int64,
}


class Argument(Protocol):
    """Finds what an input's name stands for: a node, or with constant=True an initializer's tensor."""

    def __call__(self, node: onnx.NodeProto, name: str, *, constant: bool = False) -> fx.Node | Tensor: ...


def read(node: onnx.NodeProto, attributes: dict[str, Any], argument: Argument) -> Call:
    """The torch operator and its arguments for an ONNX node of the standard domain."""
    if node.op_type not in _READERS:
        hint = unknown_name("float operator of a packed model", node.op_type, _READERS)
        raise FormatError(f"node {node.name!r}: {hint}")
    reader, inputs, names = _READERS[node.op_type]
    if len(node.input) not in inputs or set(attributes) != names:
        raise FormatError(
            f"node {node.name!r} ({node.op_type}) has {len(node.input)} inputs and attributes {sorted(attributes)}; "
            f"expected {' or '.join(map(str, inputs))} inputs and attributes {sorted(names)}."
        )
    return reader(node, attributes, argument)


def _binary(target: Callable[..., Any]) -> Callable[[onnx.NodeProto, dict[str, Any], Argument], Call]:
    def reader(node: onnx.NodeProto, _: dict[str, Any], argument: Argument) -> Call:
        return target, tuple(argument(node, name) for name in node.input)

    return reader


def _with_number(node: onnx.NodeProto, _: dict[str, Any], argument: Argument) -> Call:
    """x < number."""
    return _aten.lt.Scalar, (
        argument(node, node.input[0]),
        _number(node, argument(node, node.input[1], constant=True)),
    )


def _where(node: onnx.NodeProto, _: dict[str, Any], argument: Argument) -> Call:
    condition, number, other = node.input
    value = _number(node, argument(node, number, constant=True))
    return _aten.where.ScalarSelf, (argument(node, condition), value, argument(node, other))


def _clip(node: onnx.NodeProto, _: dict[str, Any], argument: Argument) -> Call:
    bounds = [_number(node, argument(node, name, constant=True)) if name else None for name in node.input[1:]]
    return torch.ops.aten.clamp.default, (argument(node, node.input[0]), *bounds)


def _number(node: onnx.NodeProto, value: fx.Node | Tensor) -> float:
    if not isinstance(value, Tensor) or value.dtype != torch.float32 or value.ndim:
        raise FormatError(f"node {node.name!r} ({node.op_type}) has a bound that is not one float32 number.")
    return float(value)


def _reshape(node: onnx.NodeProto, _: dict[str, Any], argument: Argument) -> Call:
    shape = argument(node, node.input[1], constant=True)
    if not isinstance(shape, Tensor) or shape.dtype != torch.int64 or shape.ndim != 1 or not len(shape) or shape[0]:
        raise FormatError(f"node {node.name!r} (Reshape) has the shape {shape}; expected int64 [0, ...], 0 the batch.")
    return torch.ops.aten.reshape.default, (argument(node, node.input[0]), [-1, *shape[1:].tolist()])


def _permute(node: onnx.NodeProto, attributes: dict[str, Any], argument: Argument) -> Call:
    return torch.ops.aten.permute.default, (argument(node, node.input[0]), list(attributes["perm"]))


def _cast(node: onnx.NodeProto, attributes: dict[str, Any], argument: Argument) -> Call:
    if attributes["to"] not in _DTYPES:
        name = helper.tensor_dtype_to_string(attributes["to"])
        raise FormatError(f"node {node.name!r} (Cast) casts to {name}; expected float32, int32 or int64.")
    return torch.ops.aten.to.dtype, (argument(node, node.input[0]), _DTYPES[attributes["to"]])


def _argmax(node: onnx.NodeProto, attributes: dict[str, Any], argument: Argument) -> Call:
    return torch.ops.aten.argmax.default, (
        argument(node, node.input[0]),
        attributes["axis"],
        bool(attributes["keepdims"]),
    )


def _linear(node: onnx.NodeProto, attributes: dict[str, Any], argument: Argument) -> Call:
    if attributes["transB"] != 1:
        raise FormatError(f"node {node.name!r} (Gemm) has transB={attributes['transB']}; expected 1.")
    return torch.ops.aten.linear.default, tuple(argument(node, name) for name in node.input)


def _reduce(target: Callable[..., Any]) -> Callable[[onnx.NodeProto, dict[str, Any], Argument], Call]:
    def reader(node: onnx.NodeProto, attributes: dict[str, Any], argument: Argument) -> Call:
        axes = argument(node, node.input[1], constant=True)
        if not isinstance(axes, Tensor) or axes.dtype != torch.int64 or axes.ndim != 1 or 0 in axes:
            raise FormatError(
                f"node {node.name!r} ({node.op_type}) has the axes {axes}; expected int64 without the batch, 0."
            )
        return target, (argument(node, node.input[0]), axes.tolist(), bool(attributes["keepdims"]))

    return reader


def _conv(node: onnx.NodeProto, attributes: dict[str, Any], argument: Argument) -> Call:
    operands = [argument(node, name) for name in node.input]
    pads, strides, dilations = _window(node, attributes)
    bias = operands[2] if len(operands) == 3 else None
    return _aten.conv2d.default, (*operands[:2], bias, strides, pads, dilations, int(attributes["group"]))


def _max_pool(node: onnx.NodeProto, attributes: dict[str, Any], argument: Argument) -> Call:
    pads, strides, _ = _window(node, attributes)
    return _aten.max_pool2d.default, (argument(node, node.input[0]), list(attributes["kernel_shape"]), strides, pads)


def _average_pool(node: onnx.NodeProto, attributes: dict[str, Any], argument: Argument) -> Call:
    pads, strides, _ = _window(node, attributes)
    kernel, include = list(attributes["kernel_shape"]), bool(attributes["count_include_pad"])
    return _aten.avg_pool2d.default, (argument(node, node.input[0]), kernel, strides, pads, False, include)


def _window(node: onnx.NodeProto, attributes: dict[str, Any]) -> tuple[list[int], list[int], list[int]]:
    """Padding, strides and dilations as torch has them; the file's are of both sides of two dimensions."""
    pads, strides = list(attributes["pads"]), list(attributes["strides"])
    kernel, dilations = (list(attributes.get(name, (1, 1))) for name in ("kernel_shape", "dilations"))
    if len(pads) != 4 or pads[:2] != pads[2:] or any(len(sizes) != 2 for sizes in (strides, kernel, dilations)):
        raise FormatError(
            f"node {node.name!r} ({node.op_type}) has pads {pads}, strides {strides}, kernel {kernel}, dilations "
            f"{dilations}; expected two-dimensional ones, padded by the same on both sides."
        )
    return pads[:2], strides, dilations


def _concat(node: onnx.NodeProto, attributes: dict[str, Any], argument: Argument) -> Call:
    if not 0 < attributes["axis"] < _RANKS:
        raise FormatError(f"node {node.name!r} (Concat) has axis={attributes['axis']}; expected one behind the batch.")
    return torch.ops.aten.cat.default, ([argument(node, name) for name in node.input], attributes["axis"])


_aten = torch.ops.aten
_RANKS = 8  # more dimensions than any value has
_MANY = range(1, 65)  # inputs of a Concat
# ONNX operator -> reader, numbers of inputs, attributes
_READERS: dict[str, tuple[Callable[[onnx.NodeProto, dict[str, Any], Argument], Call], Sequence[int], set[str]]] = {
    "Add": (_binary(_aten.add.Tensor), (2,), set()),
    "Sub": (_binary(_aten.sub.Tensor), (2,), set()),
    "Mul": (_binary(_aten.mul.Tensor), (2,), set()),
    "Div": (_binary(_aten.div.Tensor), (2,), set()),
    "Relu": (_binary(_aten.relu.default), (1,), set()),
    "Clip": (_clip, (1, 2, 3), set()),
    "Reshape": (_reshape, (2,), set()),
    "Transpose": (_permute, (1,), {"perm"}),
    "Cast": (_cast, (1,), {"to"}),
    "ArgMax": (_argmax, (1,), {"axis", "keepdims"}),
    "Gemm": (_linear, (2, 3), {"transB"}),
    "ReduceMean": (_reduce(_aten.mean.dim), (2,), {"keepdims"}),
    "ReduceSum": (_reduce(_aten.sum.dim_IntList), (2,), {"keepdims"}),
    "MatMul": (_binary(_aten.matmul.default), (2,), set()),
    "Max": (_binary(_aten.maximum.default), (2,), set()),
    "Sqrt": (_binary(_aten.sqrt.default), (1,), set()),
    "Abs": (_binary(_aten.abs.default), (1,), set()),
    "Tanh": (_binary(_aten.tanh.default), (1,), set()),
    "Sigmoid": (_binary(_aten.sigmoid.default), (1,), set()),
    "Less": (_with_number, (2,), set()),
    "Where": (_where, (3,), set()),
    "Conv": (_conv, (2, 3), {"dilations", "group", "pads", "strides"}),
    "Concat": (_concat, _MANY, {"axis"}),
    "MaxPool": (_max_pool, (1,), {"kernel_shape", "pads", "strides"}),
    "AveragePool": (_average_pool, (1,), {"count_include_pad", "kernel_shape", "pads", "strides"}),
}
