"""Windows: how a captured convolution or pool slides over its map, as the numbers that the operators take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import fx

from onebit.conversion._graph import aten, calls, shape_of
from onebit.conversion._thresholds import NotBinary

_PADS = (aten.pad.default, aten.constant_pad_nd.default)


@dataclass(frozen=True)
class Window:
    """kernel, stride, dilation: (rows, columns). padding: (top, bottom, left, right). pad_value: in padded places."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    pad_value: float = 0.0

    @property
    def padded(self) -> bool:
        """True if some place is padded."""
        return any(self.padding)

    @property
    def steps(self) -> tuple[list[int], list[int], list[int], list[int], int]:
        """kernel, stride, padding, dilation and groups, as the conv2d operators take them."""
        return [*self.kernel], [*self.stride], [*self.padding], [*self.dilation], self.groups


def conv_window(node: fx.Node, shape: Sequence[int]) -> Window:
    """The window of a convolution of (N, C, H, W) with weights of this shape, its own padding only.

    Raises NotBinary for other kinds.
    """
    if calls(node, aten.convolution.default):
        stride, padding, dilation, transposed, _, groups = node.args[3:9]
    else:
        given = dict(zip(("stride", "padding", "dilation", "groups"), node.args[3:], strict=False)) | node.kwargs
        stride, padding, dilation = given.get("stride", 1), given.get("padding", 0), given.get("dilation", 1)
        groups, transposed = given.get("groups", 1), False
    if transposed or len(shape) != 4 or len(shape_of(node) or ()) != 4:
        raise NotBinary("only convolutions of (N, C, L) and (N, C, H, W) are packed")
    kernel, steps = _pair(shape[2:]), _pair(dilation)
    sides = _same(kernel, steps) if padding == "same" else _sides(0 if padding == "valid" else padding)
    return Window(kernel, _pair(stride), sides, steps, int(groups))  # type: ignore[arg-type]


def pad_before(x: object) -> tuple[fx.Node, tuple[int, int, int, int], float] | None:
    """(operand, sides, value) if x is a constant pad of rows and columns of (N, C, H, W)."""
    if not calls(x, *_PADS):
        return None
    plain = calls(x, aten.pad.default)
    names = ("pad", "mode", "value") if plain else ("pad", "value")
    given: dict[str, Any] = dict(zip(names, x.args[1:], strict=False)) | x.kwargs
    widths, source = [*given["pad"], 0, 0, 0, 0], x.args[0]
    if given.get("mode", "constant") != "constant" or any(widths[4:]) or min(widths) < 0:
        return None
    left, right, top, bottom = widths[:4]
    return (
        (source, (top, bottom, left, right), float(given.get("value") or 0.0)) if isinstance(source, fx.Node) else None
    )


def pool_window(node: fx.Node) -> Window | None:
    """The window of a max pool of (N, C, H, W) as the bit operator takes it, None if it cannot.

    The padding below and to the right is derived from the result's size, so it is right for ceil_mode too: rows from
    -top to (H' - 1) * stride - top + kernel are covered. Padded places never win in either operator.
    """
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    given = dict(zip(names, node.args[1:], strict=False)) | node.kwargs
    before, after = shape_of(node.args[0]), shape_of(node)
    if before is None or after is None or len(before) != 4 or _pair(given.get("dilation", 1)) != (1, 1):
        return None
    kernel = _pair(given["kernel_size"])
    stride, first = _pair(given.get("stride") or kernel), _pair(given.get("padding", 0))
    last = [max(0, (after[2 + i] - 1) * stride[i] + kernel[i] - before[2 + i] - first[i]) for i in (0, 1)]
    return Window(kernel, stride, (first[0], last[0], first[1], last[1]))


def _pair(value: Any) -> tuple[int, int]:
    values = [value] * 2 if isinstance(value, int) else [*value]
    values = values * 2 if len(values) == 1 else values
    return int(values[0]), int(values[1])


def _sides(padding: Any) -> tuple[int, int, int, int]:
    rows, columns = _pair(padding)
    return rows, rows, columns, columns


def _same(kernel: Sequence[int], dilation: Sequence[int]) -> tuple[int, int, int, int]:
    """torch puts the odd one below and to the right."""
    rows, columns = (step * (size - 1) for size, step in zip(kernel, dilation, strict=True))
    return rows // 2, rows - rows // 2, columns // 2, columns - columns // 2
