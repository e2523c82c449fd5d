"""The definition of every operator in standard ONNX operators: what a runtime without our library runs.

Each body is self-contained, exact and plain. It reads like onebit.bits' reference: unpack, multiply, then the epilogue.
Opset 18 is the lowest with BitwiseNot and BitwiseAnd; IR version 8 goes with it and is the lowest with functions. Every
ONNX Runtime from 1.15 on, onnxruntime-web included, runs both; a higher opset would only shut out older runtimes.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from onebit.export._operators import DOMAIN, OPERATORS, Operator
from onebit.export._unpacking import Body, bits_of, conv_signs, dense_rows, signs_of

OPSET = 18
IR_VERSION = 8


def function(operator: Operator) -> onnx.FunctionProto:
    """The model-local function of one operator."""
    body = Body()
    if operator.row == "pack":
        _pack_body(body, operator)
    elif operator.row == "unpack":
        _unpack_body(body)
    elif operator.row == "max_pool2d":
        _max_pool2d_body(body)
    elif operator.is_conv:
        _conv2d_body(body, operator)
    else:
        _dense_body(body, operator)
    return helper.make_function(
        DOMAIN,
        operator.onnx_name,
        list(operator.inputs),
        list(operator.outputs),
        body.nodes,
        [helper.make_opsetid("", OPSET)],
        list(operator.attributes),
        doc_string=_DOC[operator.family] + _epilogue_doc(operator),
    )


_DOC = {
    "pack": "Numbers (..., K), in the Nchw forms (N, K, ...), -> bytes (..., 8 * ceil(K / 64)); bit = x < 0, or with "
    "thresholds x < threshold where direction > 0, else x > threshold; least significant first, tail bits 0.",
    "unpack": "bytes (..., 8 * ceil(k / 64)) -> float (..., k) of -1 (bit 1) and +1 (bit 0).",
    "dense": "y[..., j] = sum over k of x[..., k] * w[j, k], both -1 or +1, packed; exact int32.",
    "dense_u8": "y[..., j] = sum over k of x[..., k] * w[j, k], x in 0..255, w -1 or +1, packed; exact int32.",
    "dense_s8": "y[..., j] = sum over k of x[..., k] * w[j, k], x in -128..127, w -1 or +1, packed; exact int32.",
    "conv2d": "y[b, i, j, o] = sum over taps and channels of the group of x * w, all -1 or +1, packed, NHWC and OHWI; "
    "a padded place holds pad_value; exact int32. padding is top, bottom, left, right.",
    "conv2d_u8": "As Conv2d for x in 0..255, which stands for multiplier * x + offset; pad_value is not scaled.",
    "conv2d_s8": "As Conv2d for x in -128..127, which stands for multiplier * x + offset; pad_value is not scaled.",
    "max_pool2d": "bytes (N, H, W, 8 * ceil(c / 64)): the greatest of -1 and +1 under the window, the smallest in "
    "channels whose bit in minimum is 1; padded places never win. padding is top, bottom, left, right.",
}
_EPILOGUE_DOC = {
    "": "",
    "int32": "",
    "float": " Gives float(y) * scale + bias, rounded after each step.",
    "bits": " Gives bits, packed: +1 iff y >= threshold where direction > 0, else iff y <= threshold.",
}


_STEP_DOC = {
    "add": "f + residual",
    "clamp": "f < low ? low : f, then f > high ? high : f",
    "prelu": "f > 0 ? f : slope * f",
}


def _epilogue_doc(operator: Operator) -> str:
    if not operator.has_steps:
        return _EPILOGUE_DOC[operator.output]
    steps = "; ".join(["float(y) * scale + bias", *(_STEP_DOC[step] for step in operator.steps)])
    signs = " Also its signs, packed: -1 iff f < float_threshold where direction > 0, else iff f > float_threshold."
    return f" Gives f = {steps}, rounded after each step.{signs if operator.output == 'both' else ''}"


def _pack(body: Body, negative: str, k: str, lead: str = "", name: str = "y") -> None:
    """Booleans (..., k), true where the value is -1 -> the function's output, bytes (..., 8 * ceil(k / 64)).

    lead: the shape of the output before its last dimension, if it is another.
    """
    bits = body.add("Cast", negative, to=onnx.TensorProto.UINT8)
    tail = body.add("Mod", body.add("Neg", k), body.constant([64], np.int64))  # 64 * ceil(k / 64) - k
    pads = body.add("Concat", body.constant([0], np.int64), tail, axis=0)
    whole = body.add("Pad", bits, pads, body.constant(0, np.uint8), body.constant([-1], np.int64))
    by_byte = body.add("Reshape", whole, body.constant([-1, 8], np.int64))
    # ReduceSum would be as plain, but ONNX Runtime does not reduce an empty batch (seen on 1.31).
    powers = body.constant([[1 << i] for i in range(8)], np.uint8)
    total = body.add("Cast", body.add("MatMulInteger", by_byte, powers), to=onnx.TensorProto.UINT8)
    lead, last = lead or body.add("Shape", whole, start=0, end=-1), body.add("Shape", whole, start=-1)
    count = body.add("Div", last, body.constant([8], np.int64))
    body.add("Reshape", total, body.add("Concat", lead, count, axis=0), allowzero=1, name=name)


def _pack_body(body: Body, operator: Operator) -> None:
    """float32 holds the numbers of every type that is packed; comparisons are false for NaN, and 0 is -0.0."""
    x, k, lead = body.add("Cast", "x", to=onnx.TensorProto.FLOAT), body.add("Shape", "x", start=-1), ""
    if operator.is_nchw:
        batch, k, places = (body.add("Shape", "x", start=at, end=end) for at, end in ((0, 1), (1, 2), (2, 99)))
        lead = body.add("Concat", batch, places, axis=0)
        count = body.add("ReduceProd", places)  # an empty batch would make -1 ambiguous
        flat = body.add("Reshape", x, body.add("Concat", batch, k, count, axis=0), allowzero=1)
        x = body.add("Transpose", flat, perm=[0, 2, 1])
    if not operator.is_compared:
        _pack(body, body.add("Less", x, body.constant(0, np.float32)), k, lead)
        return
    _pack(body, _beyond(body, x), k, lead)


def _unpack_body(body: Body) -> None:
    bit = body.add("Cast", bits_of(body, "x", body.attribute("k")), to=onnx.TensorProto.FLOAT)
    twice = body.add("Mul", bit, body.constant(2, np.float32))
    body.add("Sub", body.constant(1, np.float32), twice, name="y")


def _bytes(body: Body, operator: Operator) -> tuple[str, str]:
    """The input as uint8 and its zero point: 128 for signed bytes, whose integer operators are not everywhere."""
    if not operator.is_s8:
        return "x", body.constant(0, np.uint8)
    moved = body.add("Add", body.add("Cast", "x", to=onnx.TensorProto.INT32), body.constant(128, np.int32))
    return body.add("Cast", moved, to=onnx.TensorProto.UINT8), body.constant(128, np.uint8)


def _dense_body(body: Body, operator: Operator) -> None:
    """MatMulInteger adds in int32, so it is exact for every k that the operator takes (255 * k < 2^31)."""
    k, one = body.attribute("k"), body.constant(1, np.uint8)
    x, x_zero = _bytes(body, operator) if operator.takes_bytes else (signs_of(body, "x", k), one)
    # int8 on the right is ONNX Runtime's fastest pair (2.4 times uint8 on a VNNI machine). It cannot saturate where
    # pairs of products are added in int16: 2 * 255 * 2 < 2^15.
    signs = body.add("Cast", signs_of(body, dense_rows(body, k), k), to=onnx.TensorProto.INT8)
    w, w_zero = body.add("Transpose", signs, perm=[1, 0]), body.constant(1, np.int8)
    _epilogue(body, operator, body.add("MatMulInteger", x, w, x_zero, w_zero))


def _epilogue(body: Body, operator: Operator, total: str) -> None:
    """Exact sums (..., n) int32 -> the function's output y."""
    if operator.output == "int32":
        body.add("Identity", total, name="y")
    elif operator.output == "float":
        body.add("Add", _scaled(body, total), "bias", name="y")
    elif operator.has_steps:
        _stepped(body, operator, body.add("Add", _scaled(body, total), "bias"))
    else:
        rising = _rising(body)
        above = body.add("And", rising, body.add("GreaterOrEqual", total, "threshold"))
        below = body.add("And", body.add("Not", rising), body.add("LessOrEqual", total, "threshold"))
        _pack(body, body.add("Not", body.add("Or", above, below)), body.attribute("n"))


def _scaled(body: Body, total: str) -> str:
    return body.add("Mul", body.add("Cast", total, to=onnx.TensorProto.FLOAT), "scale")


def _rising(body: Body) -> str:
    """True in channels whose direction is +1."""
    return body.add("Greater", body.add("Cast", "direction", to=onnx.TensorProto.INT32), body.constant(0, np.int32))


def _beyond(body: Body, f: str) -> str:
    """True where f is on the side of -1 of its channel's float_threshold."""
    rising = _rising(body)
    below = body.add("And", rising, body.add("Less", f, "float_threshold"))
    above = body.add("And", body.add("Not", rising), body.add("Greater", f, "float_threshold"))
    return body.add("Or", below, above)


def _stepped(body: Body, operator: Operator, f: str) -> None:
    """The steps, in comparisons and choices: what Clip, PRelu and Max make of -0.0 and NaN is left to the runtime."""
    for step in operator.steps:
        if step == "add":
            f = body.add("Add", f, "residual")
        elif step == "clamp":
            f = body.add("Where", body.add("Less", f, "low"), "low", f)
            f = body.add("Where", body.add("Greater", f, "high"), "high", f)
        else:
            positive = body.add("Greater", f, body.constant(0, np.float32))
            f = body.add("Where", positive, f, body.add("Mul", "slope", f))
    body.add("Identity", f, name="y")
    if operator.output == "both":
        _pack(body, _beyond(body, f), body.attribute("n"), name="signs")


def _padded(body: Body, image: str, value: str) -> str:
    """NHWC -> NCHW with `value`, a uint8 scalar, around it."""
    # For all four axes, first their begins, then their ends. Pad's input `axes` would be shorter, but ONNX Runtime
    # forgets it when it moves a Transpose across (seen on 1.31).
    sides = body.add("Concat", body.attribute("padding"), body.constant([0], np.int64), axis=0)
    pads = body.add("Gather", sides, body.constant([4, 0, 2, 4, 4, 1, 3, 4], np.int64))
    whole = body.add("Pad", image, pads, value)
    return body.add("Transpose", whole, perm=[0, 3, 1, 2])


def _convolved(body: Body, image: str, w: str, zero: str) -> str:
    """Padded NCHW uint8 minus `zero`, convolved with w minus 1 -> NHWC int32; ConvInteger adds in int32."""
    total = body.add("ConvInteger", image, w, zero, body.constant(1, np.uint8))
    body.refer(total, strides="stride", dilations="dilation", group="groups")
    return body.add("Transpose", total, perm=[0, 2, 3, 1])


def _conv2d_body(body: Body, operator: Operator) -> None:
    """Signs are 0 and 2 with zero point 1, so that a padded place can hold -1, 0 or +1 as 0, 1 or 2."""
    w = conv_signs(body)
    if operator.takes_bytes:
        _epilogue(body, operator, _byte_sums(body, operator, w))
        return
    one = body.constant(1, np.int64)
    level = body.add("Cast", body.add("Add", body.attribute("pad_value"), one), to=onnx.TensorProto.UINT8)
    around = body.add("Squeeze", level, body.constant([0], np.int64))
    image = _padded(body, signs_of(body, "x", body.attribute("c")), around)
    _epilogue(body, operator, _convolved(body, image, w, body.constant(1, np.uint8)))


def _byte_sums(body: Body, operator: Operator, w: str) -> str:
    """multiplier * (p * w) + (offset - pad_value) * (inside * w) + pad_value * (1 * w), `*` within brackets a sum.

    p is 0 and `inside` is 0 on the padding. The last two sums are the same for every picture: a batch of 1.
    Signed bytes are p - 128, so 128 * multiplier leaves the offset.
    """
    zero, one = body.constant(0, np.uint8), body.constant(1, np.uint8)
    shape = body.add("Concat", body.constant([1], np.int64), body.add("Shape", "x", start=1), axis=0)
    inside = body.add("Expand", one, shape)
    maps = [_padded(body, _bytes(body, operator)[0], zero), _padded(body, inside, zero), _padded(body, inside, one)]
    m, offset, pad = (
        body.add("Cast", body.attribute(name), to=onnx.TensorProto.INT32)
        for name in ("multiplier", "offset", "pad_value")
    )
    if operator.is_s8:
        offset = body.add("Sub", offset, body.add("Mul", m, body.constant(128, np.int32)))
    factors = m, body.add("Sub", offset, pad), pad
    pixels, within, everywhere = (
        body.add("Mul", factor, _convolved(body, image, w, zero)) for factor, image in zip(factors, maps, strict=True)
    )
    return body.add("Add", pixels, body.add("Add", within, everywhere))


def _max_pool2d_body(body: Body) -> None:
    """MaxPool of 1 for the sign that wins (-1 where the minimum is taken), which padding with 0 never does."""
    c, one, zero = body.attribute("c"), body.constant(1, np.uint8), body.constant(0, np.uint8)
    lost = body.add("BitwiseXor", bits_of(body, "x", c), bits_of(body, "minimum", c))
    image = _padded(body, body.add("BitwiseXor", lost, one), zero)
    found = body.refer(body.add("MaxPool", image), kernel_shape="kernel", strides="stride")
    still_lost = body.add("BitwiseXor", body.add("Transpose", found, perm=[0, 2, 3, 1]), one)
    _pack(body, body.add("BitwiseXor", still_lost, bits_of(body, "minimum", c)), c)


def functions(used: set[str]) -> list[onnx.FunctionProto]:
    """The functions of the operators with these ONNX names, in the order of the table."""
    return [function(operator) for operator in OPERATORS if operator.onnx_name in used]
