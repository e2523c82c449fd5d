"""Moves: permutes and reshapes between a sign and its reader, understood by running them on positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx

from onebit.conversion._graph import UNPACK, args_of, aten, calls, shape_of


@dataclass(frozen=True)
class SignSource:
    """x = moves(+-unpack(words)): `words` (N, ..., W), packed along the last of `shape` (without the batch).

    order: (the sizes of x), the position in `shape` that each number of x comes from, counted row by row.
    negated: x is minus the signs. rounded: the float model's signs miss -1 and +1 by rounding. moved: there are moves.
    """

    words: fx.Node
    shape: tuple[int, ...]
    order: Tensor
    negated: bool
    rounded: bool

    moved: bool


def sign_source(x: object) -> SignSource | None:
    """Where the signs in x come from, None if x is not made of signs by moves.

    Permutes and reshapes that keep the batch move each number of an example to one place, the same in every example;
    running the captured nodes on the positions 0, 1, 2, ... of one example shows which. Negation commutes with them.
    """
    steps: list[fx.Node] = []
    while not calls(x, UNPACK):
        if not calls(x, aten.neg.default, aten.permute.default, aten.reshape.default) or not _keeps_batch(x):
            return None
        steps.append(x)
        x = x.args[0]
    shape = shape_of(x)
    if shape is None or not all(isinstance(size, int) for size in shape[1:]):
        return None
    signs = [step for step in steps if calls(step, aten.neg.default)]
    rounded = any(step.meta.get("rounded") for step in (x, *steps))
    moves = [step for step in reversed(steps) if step not in signs]
    return SignSource(args_of(x)[0], shape[1:], _order(moves, shape[1:]), len(signs) % 2 == 1, rounded, bool(moves))


def _keeps_batch(node: fx.Node) -> bool:
    if calls(node, aten.neg.default):
        return True
    first = 0 if calls(node, aten.permute.default) else -1
    return bool(args_of(node)[1][0] == first)


def _order(moves: Sequence[fx.Node], shape: Sequence[int]) -> Tensor:
    """Positions of one example after the moves; reshapes write the batch as -1 (unify_reshapes), so 1 will do."""
    order = torch.arange(torch.Size(shape).numel()).reshape(1, *shape)
    for move in moves:
        order = move.target(order, move.args[1])  # type: ignore[operator]
    return order[0]
