"""Where two results differ, in words that tell a wrong layout from a wrong term, a wrong tail or a race."""

from __future__ import annotations

import torch
from torch import Tensor

SHOWN = 4  # of places, and of values


def differences(got: Tensor, expected: Tensor) -> str:
    """One line: how many, in which rows and columns, at which of a tile's, by how much, and the first of them.

    Words of bits are compared bit by bit, so that a column is a channel.
    """
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return f"{got.dtype} {tuple(got.shape)} in place of {expected.dtype} {tuple(expected.shape)}"
    got, expected = (_columns(tensor.cpu()) for tensor in (got, expected))
    wrong = (got != expected).nonzero()
    if not len(wrong):
        return "no difference"
    rows, columns = wrong[:, 0], wrong[:, 1]
    error = (got.double() - expected.double())[rows, columns]
    values, counts = error.unique(return_counts=True)
    common = sorted(zip(counts.tolist(), values.tolist(), strict=True), reverse=True)[:SHOWN]
    first = ", ".join(f"({r},{c}): {got[r, c]:g} not {expected[r, c]:g}" for r, c in wrong[:SHOWN].tolist())
    return (
        f"{len(wrong)} of {got.numel()} differ; {_places('rows', rows, got.shape[0])}; "
        f"{_places('columns', columns, got.shape[1])}; got - expected: "
        f"{', '.join(f'{value:g} x {count}' for count, value in common)} ({len(values)} values); first {first}"
    )


def _places(name: str, at: Tensor, size: int) -> str:
    found = at.unique()
    within = "; ".join(f"mod {m} in {_ranges((found % m).unique())}" for m in (8, 64, 128) if size > m)
    return f"{name} {_ranges(found)} of {size}" + (f" ({within})" if within else "")


def _ranges(values: Tensor) -> str:
    """Sorted integers as ranges: "0-7, 12, 64-71", the first few of them."""
    numbers, parts = values.tolist(), []
    start = last = numbers[0]
    for number in [*numbers[1:], None]:
        if number is not None and number == last + 1:
            last = number
            continue
        parts.append(f"{start}" if start == last else f"{start}-{last}")
        start = last = number
    return ", ".join(parts[:SHOWN]) + (f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else "")


def _columns(tensor: Tensor) -> Tensor:
    rows = tensor.reshape(-1, tensor.shape[-1])
    if tensor.dtype != torch.int64:
        return rows
    return ((rows[:, :, None] >> torch.arange(64)) & 1).flatten(1)
