"""Integer thresholds: where a channel function turns from -1 to +1, found by running it, never by algebra."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from onebit.conversion._channels import ChannelFunction, why_not_monotone
from onebit.conversion._sums import Sums

ALWAYS, NEVER = -(2**31), 2**31 - 1  # thresholds of constant channels, direction +1
SMALL = 2**15  # sums per channel that are run one by one: layers of up to 32,767 signs, pixel layers of up to 128
ENUMERATE = 2**26  # values in all channels up to which that takes seconds
ENUMERATE_UNPROVEN = 2**30  # and up to here if there is no other way
_CHUNK = 2**21


class NotBinary(Exception):
    """The function is not a threshold of the sum; the text says why, for explain."""


@dataclass(frozen=True)
class Thresholds:
    """Channel c is +1 iff (direction > 0 ? y >= threshold : y <= threshold); how: the proof in words."""

    threshold: Tensor
    direction: Tensor
    how: str


def find_thresholds(function: ChannelFunction) -> Thresholds:
    """Thresholds equal to function on every integer that its channels can see; raises NotBinary if there are none.

    Small ranges are run completely, so the result needs no argument. Large ones are bisected, which is exact because
    the function is monotone (`why_not_monotone`): values equal at two points are equal between them.
    """
    sums = function.sums
    values = sums.count * sums.n
    if values <= ENUMERATE and sums.count <= SMALL:
        return _enumerate(function, sums)
    doubt = why_not_monotone(function)
    if not doubt:
        return _bisect(function, sums)
    if values <= ENUMERATE_UNPROVEN:
        return _enumerate(function, sums)
    raise NotBinary(f"{sums.count:,} sums in each of {sums.n:,} channels are too many to run one by one, and {doubt}")


def _enumerate(function: ChannelFunction, sums: Sums) -> Thresholds:
    """A channel is a threshold iff its sign changes at most once along the integers."""
    rows = max(1, _CHUNK // sums.n)
    pluses = torch.zeros(sums.n, dtype=torch.int64)
    changes = torch.zeros(sums.n, dtype=torch.int64)
    first = last = torch.empty(0)
    for start in range(0, sums.count, rows):
        y = sums.integers(start, min(start + rows, sums.count))
        plus = _is_plus(function(y), y)
        pluses += plus.sum(0)
        changes += (plus[1:] != plus[:-1]).sum(0)
        if start:
            changes += plus[0] != last
        else:
            first = plus[0]
        last = plus[-1]
    if bool((changes > 1).any()):
        channel = int(changes.argmax())
        raise NotBinary(f"not one threshold: channel {channel} changes its sign {int(changes[channel])} times")
    return _thresholds(sums, first, last, pluses, f"run on all {sums.count:,} sums")


def _bisect(function: ChannelFunction, sums: Sums) -> Thresholds:
    """Invariant: f at `low` is the sign at the lowest integer, f at `high` the one at the highest."""
    low = torch.zeros(sums.n, dtype=torch.int64)
    high = torch.full((sums.n,), sums.count - 1)
    first, last = (_plus_at(function, sums, at) for at in (low, high))
    while bool((high - low > 1).any()):
        middle = (low + high) // 2
        like_first = _plus_at(function, sums, middle) == first
        low, high = torch.where(like_first, middle, low), torch.where(like_first, high, middle)
    pluses = torch.where(last, sums.count - high, high)  # of a channel that changes: its +1 are a suffix or a prefix
    return _thresholds(sums, first, last, pluses, f"bisected over {sums.count:,} sums, monotone")


def _plus_at(function: ChannelFunction, sums: Sums, index: Tensor) -> Tensor:
    y = (sums.lowest + sums.step * index)[None]
    return _is_plus(function(y), y)[0]


def _is_plus(values: Tensor, y: Tensor) -> Tensor:
    """True where +1, False where -1; anything else is not binary."""
    plus = values > 0
    wrong = values != torch.where(plus, 1.0, -1.0)
    if bool(wrong.any()):
        row, channel = (int(i) for i in wrong.nonzero()[0])
        value, total = float(values[row, channel]), int(y[row, channel])
        raise NotBinary(f"not binary: channel {channel} gives {value:g} for the sum {total}")
    return plus


def _thresholds(sums: Sums, first: Tensor, last: Tensor, pluses: Tensor, how: str) -> Thresholds:
    rising = sums.lowest + sums.step * (sums.count - pluses)  # the first +1
    falling = sums.lowest + sums.step * (pluses - 1)  # the last +1
    constant = torch.where(first, ALWAYS, NEVER)
    threshold = torch.where(first == last, constant, torch.where(last, rising, falling))
    direction = torch.where((first != last) & first, -1, 1)
    return Thresholds(threshold.to(torch.int32), direction.to(torch.int8), how)
