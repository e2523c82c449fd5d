"""The way from uint8 pixels to the first layer: a function of one byte, run on all 256 of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from onebit.conversion._graph import aten, calls, constant, dtype_of, elementwise
from onebit.conversion._thresholds import NotBinary

_BYTES = 256
_MOVES = (aten.reshape.default, aten.permute.default)


@dataclass(frozen=True)
class PixelMap:
    """x = slope * p + offset for every pixel p of source, after `moves`, reshapes and permutes (first to last).

    exact: slope and offset are integers and float32 holds every x, so float sums of +-x are exact.
    """

    source: fx.Node
    moves: tuple[fx.Node, ...]
    slope: float
    offset: float
    exact: bool


def pixel_map(module: fx.GraphModule, x: fx.Node) -> PixelMap | None:
    """How x was made from the uint8 input, None if it was not; raises NotBinary if that is no affine function.

    Every node on the way either works on single numbers with the same constants everywhere, or moves them. Both kinds
    commute, so the numbers of x are f(p) with one f, and running the captured nodes on the bytes 0..255 gives f whole.
    """
    steps, node = [], x
    while node.op != "placeholder":
        moving = [source for source in node.all_input_nodes if source.op != "get_attr"]
        if len(moving) != 1 or not (calls(node, *_MOVES) or elementwise(node)):
            return None
        steps.append(node)
        node = moving[0]
    if dtype_of(node) != torch.uint8:
        return None
    steps.reverse()
    function = [step for step in steps if not calls(step, *_MOVES)]
    moves = tuple(step for step in steps if calls(step, *_MOVES))
    return PixelMap(node, moves, *_affine(module, function))


def _affine(module: fx.GraphModule, function: Sequence[fx.Node]) -> tuple[float, float, bool]:
    """(slope, offset, exact), from the function in float32 as captured, and in float64 if that is not integral."""
    p = torch.arange(_BYTES, dtype=torch.float64)
    seen, real = _run(module, function, wide=False).double(), _run(module, function, wide=True).double()
    slope, offset = float(seen[1] - seen[0]), float(seen[0])
    if slope.is_integer() and offset.is_integer() and slope != 0 and torch.equal(seen, slope * p + offset):
        return slope, offset, True
    slope, offset = float(real[-1] - real[0]) / (_BYTES - 1), float(real[0])
    size = float(real.abs().max())
    bent = float((real - (slope * p + offset)).abs().max())
    off = float((real - seen).abs().max())
    if not (slope != 0 and bent <= 1e-9 * size and off <= 1e-5 * size):
        raise NotBinary(
            "its input is not an affine function a*p + b of the pixels p (on the bytes 0..255 it is off by "
            f"{max(bent, off):.3g}); use onebit.nn.Pixels or one scale and shift for all pixels"
        )
    return slope, offset, False


def _run(module: fx.GraphModule, function: Sequence[fx.Node], *, wide: bool) -> Tensor:
    """The function of each byte, with float64 in place of float32 if wide."""
    value = torch.arange(_BYTES, dtype=torch.uint8)
    for node in function:
        result = _call(module, node, value, wide)
        if wide and result.dtype == torch.float32:  # bytes became floats here: divide them in float64
            result = _call(module, node, value.double(), wide)
        value = result
    return value


def _call(module: fx.GraphModule, node: fx.Node, value: Tensor, wide: bool) -> Tensor:
    def operand(source: fx.Node) -> Any:
        found = constant(module, source)
        return value if found is None else _widened(_uniform(source, found), wide)

    args = [_widened(arg, wide) for arg in fx.node.map_arg(node.args, operand)]
    result: Tensor = node.target(*args, **{key: _widened(v, wide) for key, v in node.kwargs.items()})  # type: ignore[operator]
    return result


def _uniform(node: fx.Node, value: Tensor) -> Tensor:
    if value.numel() > 1 and not bool((value == value.flatten()[0]).all()):
        raise NotBinary(f"its input is normalised by {node.name}, which differs between pixels or channels")
    return value.flatten()[0]


def _widened(value: Any, wide: bool) -> Any:
    if wide and isinstance(value, Tensor) and value.dtype == torch.float32:
        return value.double()
    return torch.float64 if wide and value is torch.float32 else value
