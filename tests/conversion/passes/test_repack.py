"""Signs of signs are packed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from onebit.conversion import passes

X = torch.randn(3, 5, 4, 6, generator=torch.Generator().manual_seed(0))


def signs(x: Tensor) -> Tensor:
    return torch.where(x < 0, -1.0, 1.0)


@pytest.mark.parametrize(
    ("function", "packs"),
    [
        (lambda x: signs(signs(x)), 1),
        (lambda x: signs(F.max_pool2d(signs(x), 2)), 1),
        (lambda x: signs(signs(x[:, 0, 0])), 1),
        (lambda x: signs(signs(x).permute(0, 1, 3, 2)), 2),
        (lambda x: signs(-signs(x)), 2),
    ],
)
def test_signs_are_packed_once_where_they_stay(function: Callable[[Tensor], Tensor], packs: int, captured: Any) -> None:
    module = captured(function, X)
    for step in (*passes.CLEANING, *passes.RECOGNITION, passes.match_pool, passes.cancel_repacking):
        module = step(module)
    assert [str(node.target) for node in module.graph.nodes].count("onebit.pack.default") == packs
    assert torch.equal(module(X), function(X))
