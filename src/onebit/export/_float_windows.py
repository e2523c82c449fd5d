"""The float operators with a window in ONNX: convolution and pooling of (N, C, H, W)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from torch import fx

from onebit._errors import ConversionError
from onebit.export._nodes import label

if TYPE_CHECKING:
    from onebit.export._onnx import GraphWriter


def refusal(node: fx.Node, fact: str) -> ConversionError:
    """What to raise for a node that ONNX, or this writer, has no words for."""
    return ConversionError(f"{label(node)} ({node.target}): {fact}; this cannot be written as ONNX.")


def _arguments(node: fx.Node, names: Sequence[str], defaults: Sequence[Any]) -> dict[str, Any]:
    """The arguments from the second on by name; pairs of one number, and empty strides, as torch reads them."""
    found = dict(zip(names, defaults, strict=True)) | dict(zip(names, node.args[1:], strict=False)) | node.kwargs
    for name in ("kernel_size", "stride", "padding", "dilation"):
        if name in found:
            sizes = found[name] if isinstance(found[name], list | tuple) else [found[name]]
            found[name] = [int(size) for size in sizes] * (2 if len(sizes) == 1 else 1)
    if found.get("stride") == []:
        found["stride"] = found["kernel_size"]
    return found


def _conv2d(writer: GraphWriter, node: fx.Node) -> None:
    names, defaults = ("weight", "bias", "stride", "padding", "dilation", "groups"), (None, None, 1, 0, 1, 1)
    found = _arguments(node, names, defaults)
    operands = [writer.float_operand(node, index) for index in (range(2) if found["bias"] is None else range(3))]
    writer.add(
        node,
        "Conv",
        operands,
        strides=found["stride"],
        pads=found["padding"] * 2,
        dilations=found["dilation"],
        group=found["groups"],
    )


def _max_pool2d(writer: GraphWriter, node: fx.Node) -> None:
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    found = _arguments(node, names, (None, [], 0, 1, False))
    if found["ceil_mode"] or found["dilation"] != [1, 1]:
        raise refusal(node, f"has ceil_mode={found['ceil_mode']}, dilation={found['dilation']}; expected False, [1, 1]")
    _pool(writer, node, "MaxPool", found)


def _avg_pool2d(writer: GraphWriter, node: fx.Node) -> None:
    names = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
    found = _arguments(node, names, (None, [], 0, False, True, None))
    if found["ceil_mode"] or found["divisor_override"] is not None:
        raise refusal(node, "has ceil_mode or divisor_override; expected neither")
    _pool(writer, node, "AveragePool", found, count_include_pad=int(found["count_include_pad"]))


def _pool(writer: GraphWriter, node: fx.Node, op_type: str, found: dict[str, Any], **more: Any) -> None:
    sizes = {"kernel_shape": found["kernel_size"], "strides": found["stride"], "pads": found["padding"] * 2}
    writer.add(node, op_type, [writer.float_operand(node, 0)], **sizes, **more)


WINDOWS: dict[str, Callable[[GraphWriter, fx.Node], None]] = {
    "aten.conv2d.default": _conv2d,
    "aten.max_pool2d.default": _max_pool2d,
    "aten.avg_pool2d.default": _avg_pool2d,
}
