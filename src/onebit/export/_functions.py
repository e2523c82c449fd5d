"""The definition of every operator in standard ONNX operators: what a runtime without our library runs.

Each body is self-contained, exact and plain. It reads like onebit.bits' reference: unpack, multiply, then the epilogue.
Opset 18 is the lowest with BitwiseNot and BitwiseAnd; IR version 8 goes with it and is the lowest with functions. Every
ONNX Runtime from 1.15 on, onnxruntime-web included, runs both; a higher opset would only shut out older runtimes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from onebit.export._operators import DOMAIN, OPERATORS, Operator

OPSET = 18
IR_VERSION = 8


def function(operator: Operator) -> onnx.FunctionProto:
    """The model-local function of one operator."""
    body = _Body()
    if operator.row == "pack":
        _pack_body(body)
    elif operator.row == "unpack":
        _unpack_body(body)
    else:
        _dense_body(body, operator)
    return helper.make_function(
        DOMAIN,
        operator.onnx_name,
        list(operator.inputs),
        ["y"],
        body.nodes,
        [helper.make_opsetid("", OPSET)],
        list(operator.attributes),
        doc_string=_DOC[operator.row] + _EPILOGUE_DOC[operator.output],
    )


_DOC = {
    "pack": "float (..., K) -> bytes (..., 8 * ceil(K / 64)); bit = x < 0, least significant first, tail bits 0.",
    "unpack": "bytes (..., 8 * ceil(k / 64)) -> float (..., k) of -1 (bit 1) and +1 (bit 0).",
    "dense": "y[..., j] = sum over k of x[..., k] * w[j, k], both -1 or +1, packed; exact int32.",
    "dense_u8": "y[..., j] = sum over k of x[..., k] * w[j, k], x in 0..255, w -1 or +1, packed; exact int32.",
}
_EPILOGUE_DOC = {
    "": "",
    "int32": "",
    "float": " Gives float(y) * scale + bias, rounded after each step.",
    "bits": " Gives bits, packed: +1 iff y >= threshold where direction > 0, else iff y <= threshold.",
}


class _Body:
    """Nodes of a function in the order they are added; every value gets a fresh name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []

    def add(self, op_type: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        name = name or f"{op_type.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, list(inputs), [name], **attributes))
        return name

    def constant(self, value: object, dtype: type[np.generic]) -> str:
        return self.add("Constant", value=numpy_helper.from_array(np.asarray(value, dtype)))

    def attribute(self, attribute: str) -> str:
        """The value of an integer attribute of the operator, as a tensor (1,)."""
        scalar = f"{attribute}_{len(self.nodes)}"
        node = helper.make_node("Constant", [], [scalar])
        node.attribute.append(onnx.AttributeProto(name="value_int", type=onnx.AttributeProto.INT))
        node.attribute[0].ref_attr_name = attribute
        self.nodes.append(node)
        return self.add("Unsqueeze", scalar, self.constant([0], np.int64))


def _bits(body: _Body, packed: str, k: str) -> str:
    """Bytes (..., B) -> bits (..., k) uint8 in {0, 1}."""
    column = body.add("Unsqueeze", packed, body.constant([-1], np.int64))
    shifted = body.add("BitShift", column, body.constant(range(8), np.uint8), direction="RIGHT")
    bits = body.add("BitwiseAnd", shifted, body.constant(1, np.uint8))
    lead, last = body.add("Shape", packed, start=0, end=-1), body.add("Shape", packed, start=-1)
    count = body.add("Mul", last, body.constant([8], np.int64))
    flat = body.add("Reshape", bits, body.add("Concat", lead, count, axis=0), allowzero=1)
    return body.add("Slice", flat, body.constant([0], np.int64), k, body.constant([-1], np.int64))


def _pack(body: _Body, negative: str, k: str) -> None:
    """Booleans (..., k), true where the value is -1 -> the function's output y, bytes (..., 8 * ceil(k / 64))."""
    bits = body.add("Cast", negative, to=onnx.TensorProto.UINT8)
    tail = body.add("Mod", body.add("Neg", k), body.constant([64], np.int64))  # 64 * ceil(k / 64) - k
    pads = body.add("Concat", body.constant([0], np.int64), tail, axis=0)
    whole = body.add("Pad", bits, pads, body.constant(0, np.uint8), body.constant([-1], np.int64))
    by_byte = body.add("Reshape", whole, body.constant([-1, 8], np.int64))
    # ReduceSum would be as plain, but ONNX Runtime does not reduce an empty batch (seen on 1.31).
    powers = body.constant([[1 << i] for i in range(8)], np.uint8)
    total = body.add("Cast", body.add("MatMulInteger", by_byte, powers), to=onnx.TensorProto.UINT8)
    lead, last = body.add("Shape", whole, start=0, end=-1), body.add("Shape", whole, start=-1)
    count = body.add("Div", last, body.constant([8], np.int64))
    body.add("Reshape", total, body.add("Concat", lead, count, axis=0), allowzero=1, name="y")


def _pack_body(body: _Body) -> None:
    negative = body.add("Less", "x", body.constant(0, np.float32))  # false for 0, -0.0 and NaN
    _pack(body, negative, body.add("Shape", "x", start=-1))


def _unpack_body(body: _Body) -> None:
    bit = body.add("Cast", _bits(body, "x", body.attribute("k")), to=onnx.TensorProto.FLOAT)
    twice = body.add("Mul", bit, body.constant(2, np.float32))
    body.add("Sub", body.constant(1, np.float32), twice, name="y")


def _signs(body: _Body, packed: str, k: str) -> str:
    """Bytes -> uint8 in {0, 2}: with zero point 1 these are -1 (bit 1) and +1 (bit 0) without a wider type."""
    flipped = body.add("BitwiseNot", packed)  # older ONNX Runtimes have no arithmetic on uint8
    return body.add("BitShift", _bits(body, flipped, k), body.constant(1, np.uint8), direction="LEFT")


def _dense_body(body: _Body, operator: Operator) -> None:
    """MatMulInteger adds in int32, so it is exact for every k that the operator takes (255 * k < 2^31)."""
    k, one = body.attribute("k"), body.constant(1, np.uint8)
    x, x_zero = ("x", body.constant(0, np.uint8)) if operator.is_u8 else (_signs(body, "x", k), one)
    # int8 on the right is ONNX Runtime's fastest pair (2.4 times uint8 on a VNNI machine). It cannot saturate where
    # pairs of products are added in int16: 2 * 255 * 2 < 2^15.
    signs = body.add("Cast", _signs(body, "weights", k), to=onnx.TensorProto.INT8)
    w, w_zero = body.add("Transpose", signs, perm=[1, 0]), body.constant(1, np.int8)
    name = "y" if operator.output == "int32" else "sum"
    total = body.add("MatMulInteger", x, w, x_zero, w_zero, name=name)
    if operator.output == "float":
        scaled = body.add("Mul", body.add("Cast", total, to=onnx.TensorProto.FLOAT), "scale")
        body.add("Add", scaled, "bias", name="y")
    elif operator.output == "bits":
        rising = body.add(
            "Greater", body.add("Cast", "direction", to=onnx.TensorProto.INT32), body.constant(0, np.int32)
        )
        above = body.add("And", rising, body.add("GreaterOrEqual", total, "threshold"))
        below = body.add("And", body.add("Not", rising), body.add("LessOrEqual", total, "threshold"))
        _pack(body, body.add("Not", body.add("Or", above, below)), body.attribute("n"))


def functions(used: set[str]) -> list[onnx.FunctionProto]:
    """The functions of the operators with these ONNX names, in the order of the table."""
    return [function(operator) for operator in OPERATORS if operator.onnx_name in used]
