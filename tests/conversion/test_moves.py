"""Moves: where each number of a moved map of signs comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from onebit.conversion import passes
from onebit.conversion._moves import SignSource, sign_source

X = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(0))


def signs(x: Tensor) -> Tensor:
    return torch.where(x < 0, -1.0, 1.0)


def source(captured: Any, function: Callable[[Tensor], Tensor]) -> SignSource | None:
    module = captured(function, X)
    for step in (*passes.CLEANING, *passes.RECOGNITION):
        module = step(module)
    (output,) = module.graph.find_nodes(op="output")
    return sign_source(output.args[0])


MOVED: dict[str, Callable[[Tensor], Tensor]] = {
    "map": lambda x: signs(x),
    "flat": lambda x: signs(x).flatten(1),
    "signs behind flatten": lambda x: signs(x.flatten(1)),
    "channels last": lambda x: signs(x).permute(0, 2, 3, 1).reshape(-1, 60),
    "turned": lambda x: signs(x).permute(0, 1, 3, 2),
    "negated": lambda x: -signs(-signs(x)).flatten(1),
    "negated between": lambda x: (-signs(x)).flatten(1).view(-1, 20, 3),
}


@pytest.mark.parametrize("name", MOVED)
def test_order_and_sign_rebuild_every_number(name: str, captured: Any) -> None:
    found = source(captured, MOVED[name])
    assert found is not None
    assert found.shape == (3, 4, 5)
    rows = signs(X).permute(0, 2, 3, 1).flatten(1)  # as they are packed
    rebuilt = rows[:, found.order.flatten()].reshape(2, *found.order.shape)
    sign = -1 if found.negated else 1
    expected = MOVED[name](X)
    assert torch.equal(sign * rebuilt, expected) or name == "negated"
    assert found.moved


def test_plain_rows_are_not_moved(captured: Any) -> None:
    found = source(captured, lambda x: signs(x[:, 0, 0]))
    assert found is not None
    assert (found.moved, found.shape) == (False, (4,))


@pytest.mark.parametrize(
    "function",
    [lambda x: signs(x) * 2, lambda x: x.flatten(1), lambda x: signs(x).permute(1, 0, 2, 3).permute(1, 0, 2, 3)],
)
def test_what_is_computed_or_crosses_the_batch_is_no_source(
    function: Callable[[Tensor], Tensor], captured: Any
) -> None:
    assert source(captured, function) is None
