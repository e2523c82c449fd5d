"""Float thresholds: where a function of one float per channel turns from -1 to +1, found by running it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, fx

from onebit.conversion._channels import ChannelFunction, why_not_listed
from onebit.conversion._graph import aten, calls
from onebit.conversion._sums import Sums
from onebit.conversion._thresholds import NotBinary

_LARGEST = 2.0**100  # of the floats that are told apart: far above what a network holds, far below overflow


class FloatFunction(ChannelFunction):
    """The captured nodes between a value with channels in dimension 1 and a sign, on floats of our choice."""

    def __init__(self, module: fx.GraphModule, chain: Sequence[fx.Node], result: fx.Node, sums: Sums) -> None:
        super().__init__(module, chain, result, replace(sums, real=None))

    def trace(self, y: Tensor) -> dict[fx.Node, Tensor]:
        """What every node gives for the floats y (m, n)."""
        values = {self.dense: y.reshape(*y.shape, *[1] * (self.rank - 2))}
        for node in self.nodes:
            values[node] = self._run(node, values)
        return values


def find_float_thresholds(function: FloatFunction) -> tuple[Tensor, Tensor]:
    """threshold (n,) float32, direction (n,) int8: the sign is -1 iff (direction > 0 ? f < threshold : f > threshold).

    Every node of the function is monotone in floats (`why_not_listed`), and values are finite at both ends of the range
    +-2**100, so the sign of each channel changes at most once along the floats in their order, and bisecting that order
    finds where, to the float. A channel whose sign never changes gets a threshold that no finite number passes.
    """
    doubt = why_not_listed(function)
    if doubt or any(calls(node, aten.max_pool2d.default) for node in function.nodes):
        raise NotBinary(doubt or "a max pool lies between the floats and their sign")
    n = function.sums.n
    last_index = int(torch.tensor(_LARGEST).view(torch.int32))
    low, high = torch.full((n,), -last_index), torch.full((n,), last_index)
    for node, value in function.trace(_floats(torch.stack([low, high]))).items():
        if not bool(value.isfinite().all()):
            raise NotBinary(f"{node.name} overflows")
    first, last = (_is_plus(function, at) for at in (low, high))
    while bool((high - low > 1).any()):
        middle = (low + high) // 2
        like_first = _is_plus(function, middle) == first
        low, high = torch.where(like_first, middle, low), torch.where(like_first, high, middle)
    constant = torch.where(first, -torch.inf, torch.inf)
    threshold = torch.where(first == last, constant, torch.where(last, _floats(high), _floats(low)))
    return threshold, torch.where((first != last) & first, -1, 1).to(torch.int8)


def _floats(index: Tensor) -> Tensor:
    """Float number `index` in the order of all floats, 0 in the middle; -0.0 is left out, it compares like 0."""
    return index.abs().to(torch.int32).view(torch.float32) * torch.where(index < 0, -1.0, 1.0)


def _is_plus(function: FloatFunction, index: Tensor) -> Tensor:
    return function(_floats(index)[None])[0] > 0
