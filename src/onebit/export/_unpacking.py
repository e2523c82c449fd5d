"""Packed tensors inside an ONNX definition, as numbers: the nodes of a function, bits, signs, the handle of weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from onebit.export._operators import LISTS


class Body:
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
        """The value of an integer attribute of the operator, as a tensor (1,), or (count,) for a list of them."""
        if attribute in LISTS:
            return self.refer(self.add("Constant", name=f"{attribute}_{len(self.nodes)}"), value_ints=attribute)
        scalar = self.refer(self.add("Constant", name=f"{attribute}_{len(self.nodes)}"), value_int=attribute)
        return self.add("Unsqueeze", scalar, self.constant([0], np.int64))

    def refer(self, name: str, **references: str) -> str:
        """Gives the node added last attributes that take their values from attributes of the operator."""
        for attribute, operators in references.items():
            kind = onnx.AttributeProto.INTS if operators in LISTS else onnx.AttributeProto.INT
            self.nodes[-1].attribute.append(onnx.AttributeProto(name=attribute, type=kind, ref_attr_name=operators))
        return name


def bits_of(body: Body, packed: str, k: str) -> str:
    """Bytes (..., B) -> bits (..., k) uint8 in {0, 1}."""
    column = body.add("Unsqueeze", packed, body.constant([-1], np.int64))
    shifted = body.add("BitShift", column, body.constant(range(8), np.uint8), direction="RIGHT")
    bits = body.add("BitwiseAnd", shifted, body.constant(1, np.uint8))
    lead, last = body.add("Shape", packed, start=0, end=-1), body.add("Shape", packed, start=-1)
    count = body.add("Mul", last, body.constant([8], np.int64))
    flat = body.add("Reshape", bits, body.add("Concat", lead, count, axis=0), allowzero=1)
    return body.add("Slice", flat, body.constant([0], np.int64), k, body.constant([-1], np.int64))


def signs_of(body: Body, packed: str, k: str) -> str:
    """Bytes -> uint8 in {0, 2}: with zero point 1 these are -1 (bit 1) and +1 (bit 0) without a wider type."""
    flipped = body.add("BitwiseNot", packed)  # older ONNX Runtimes have no arithmetic on uint8
    return body.add("BitShift", bits_of(body, flipped, k), body.constant(1, np.uint8), direction="LEFT")


def _lines(body: Body, *sizes: str) -> str:
    """The handle's lines behind its header, shaped (*sizes, 8 channels, 8 bytes): a line is a word of 8 channels."""
    numbers = [body.constant([number], np.int64) for number in (64, np.iinfo(np.int64).max, 0, 8)]
    lines = body.add("Slice", "weights", *numbers[:3])
    return body.add("Reshape", lines, body.add("Concat", *sizes, numbers[3], numbers[3], axis=0))


def _first(body: Body, rows: str) -> str:
    """Rows 0 to n - 1: a handle is filled up to a multiple of 8 channels."""
    zero = body.constant([0], np.int64)
    return body.add("Slice", rows, zero, body.attribute("n"), zero)


def _ceil(body: Body, size: str, unit: int) -> str:
    return body.add("Div", body.add("Add", size, body.constant([unit - 1], np.int64)), body.constant([unit], np.int64))


def dense_rows(body: Body, k: str) -> str:
    """The handle -> bytes (n, 8 * ceil(k / 64))."""
    words, any_number = _ceil(body, k, 64), body.constant([-1], np.int64)
    by_channel = body.add("Transpose", _lines(body, any_number, words), perm=[0, 2, 1, 3])
    bytes_of_row = body.add("Mul", words, body.constant([8], np.int64))
    rows = body.add("Reshape", by_channel, body.add("Concat", any_number, bytes_of_row, axis=0))
    return _first(body, rows)


def conv_signs(body: Body) -> str:
    """The handle -> signs as signs_of gives them, (n, c / groups, kh, kw)."""
    groups, n, eight = body.attribute("groups"), body.attribute("n"), body.constant([8], np.int64)
    kernel, any_number = body.attribute("kernel"), body.constant([-1], np.int64)
    eights = _ceil(body, n, 8)
    lines = body.add("Transpose", _lines(body, eights, kernel, any_number), perm=[0, 4, 1, 2, 3, 5])
    shape = body.add("Concat", body.add("Mul", eights, eight), kernel, any_number, axis=0)
    rows = _first(body, body.add("Reshape", lines, shape))
    signs = signs_of(body, rows, body.add("Mul", body.add("Shape", rows, start=-1), eight))
    # A group's channels stand where they stand in a pixel: from bit (group * c / groups) % 64 of its first word on.
    per_group = body.add("Div", body.attribute("c"), groups)
    group = body.add("Div", _range(body, n), body.add("Div", n, groups))
    low = body.add("Mod", body.add("Mul", group, per_group), body.constant([64], np.int64))
    column = body.add("Unsqueeze", low, body.constant([1], np.int64))
    places = body.add("Unsqueeze", body.add("Add", column, _range(body, per_group)), body.constant([2], np.int64))
    by_bit = body.add("Transpose", signs, perm=[0, 3, 1, 2])
    return body.add("GatherND", by_bit, places, batch_dims=1)


def _range(body: Body, count: str) -> str:
    zero, one = body.constant(0, np.int64), body.constant(1, np.int64)
    return body.add("Range", zero, body.add("Squeeze", count, body.constant([0], np.int64)), one)
