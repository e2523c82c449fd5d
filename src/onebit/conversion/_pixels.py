"""The way from pixels or signed bytes to the first layer: a function of one byte, run on all 256 of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from onebit.conversion._graph import aten, calls, constant, dtype_of, elementwise
from onebit.conversion._thresholds import NotBinary

BYTES = (torch.uint8, torch.int8)
_MOVES = (aten.reshape.default, aten.permute.default)


@dataclass(frozen=True)
class PixelMap:
    """x = slope * p + offset for every byte p of source, after `moves`, reshapes and permutes (first to last).

    dtype: torch.uint8 or torch.int8, of which ends are the least and the greatest p.
    exact: slope and offset are integers and float32 holds every x, so float sums of +-x are exact.
    """

    source: fx.Node
    moves: tuple[fx.Node, ...]
    slope: float
    offset: float
    exact: bool
    dtype: torch.dtype

    @property
    def ends(self) -> tuple[int, int]:
        """The least and the greatest byte."""
        return ends(self.dtype)


def ends(dtype: torch.dtype) -> tuple[int, int]:
    """(0, 255) for pixels, (-128, 127) for signed bytes."""
    return torch.iinfo(dtype).min, torch.iinfo(dtype).max


def pixel_map(module: fx.GraphModule, x: fx.Node) -> PixelMap | None:
    """How x was made from the input's bytes, None if it was not; raises NotBinary if that is no affine function.

    Every node on the way either works on single numbers with the same constants everywhere, or moves them. Both kinds
    commute, so the numbers of x are f(p) with one f, and running the captured nodes on all bytes gives f whole.
    """
    steps, node = [], x
    while node.op != "placeholder":
        moving = [source for source in node.all_input_nodes if source.op != "get_attr"]
        if len(moving) != 1 or not (calls(node, *_MOVES) or elementwise(node)):
            return None
        steps.append(node)
        node = moving[0]
    dtype = dtype_of(node)
    if dtype not in BYTES:
        return None
    steps.reverse()
    function = [step for step in steps if not calls(step, *_MOVES)]
    moves = tuple(step for step in steps if calls(step, *_MOVES))
    return PixelMap(node, moves, *_affine(module, function, dtype), dtype)


def _affine(module: fx.GraphModule, function: Sequence[fx.Node], dtype: torch.dtype) -> tuple[float, float, bool]:
    """(slope, offset, exact), from the function in float32 as captured, and in float64 if that is not integral."""
    least, greatest = ends(dtype)
    bytes_ = torch.arange(least, greatest + 1, dtype=dtype)
    p = bytes_.double()
    seen, real = (_run(module, function, bytes_, wide=wide).double() for wide in (False, True))
    slope, offset = float(seen[1] - seen[0]), float(seen[-least])
    if slope.is_integer() and offset.is_integer() and slope != 0 and torch.equal(seen, slope * p + offset):
        return slope, offset, True
    slope, offset = float(real[-1] - real[0]) / (greatest - least), float(real[-least])
    size = float(real.abs().max())
    bent = float((real - (slope * p + offset)).abs().max())
    off = float((real - seen).abs().max())
    if not (slope != 0 and bent <= 1e-9 * size and off <= 1e-5 * size):
        raise NotBinary(
            f"its input is not an affine function a*p + b of the pixels p (on the bytes {least}..{greatest} it is off "
            f"by {max(bent, off):.3g}); use onebit.nn.Pixels or one scale and shift for all pixels"
        )
    return slope, offset, False


def _run(module: fx.GraphModule, function: Sequence[fx.Node], value: Tensor, *, wide: bool) -> Tensor:
    """The function of each byte, with float64 in place of float32 if wide."""
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
