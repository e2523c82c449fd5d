"""Max pools of signs as pools of bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from onebit.conversion import passes

X = torch.randn(5, 67, 7, 6, generator=torch.Generator().manual_seed(0))


def signs(x: Tensor) -> Tensor:
    return torch.where(x < 0, -1.0, 1.0)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.max_pool2d(signs(x), 2),
        lambda x: F.max_pool2d(signs(x), 3, 2, 1, ceil_mode=True),
        lambda x: F.max_pool2d(-signs(x), (2, 3), (1, 2), (0, 1)),
        lambda x: F.max_pool2d(F.max_pool2d(signs(x), 2, 1), 3),
    ],
)
def test_the_largest_sign_of_a_window_is_kept(function: Callable[[Tensor], Tensor], captured: Any) -> None:
    module = captured(function, X)
    for step in (*passes.CLEANING, *passes.RECOGNITION, passes.match_pool):
        module = step(module)
    targets = {str(node.target) for node in module.graph.nodes}
    assert "onebit.max_pool2d.default" in targets
    assert "aten.max_pool2d.default" not in targets
    assert torch.equal(module(X), function(X))


def test_pools_of_numbers_and_dilated_ones_stay(captured: Any) -> None:
    for function in (lambda x: F.max_pool2d(x, 2), lambda x: F.max_pool2d(signs(x), 2, dilation=2)):
        module = captured(function, X)
        for step in (*passes.CLEANING, *passes.RECOGNITION, passes.match_pool):
            module = step(module)
        assert "onebit.max_pool2d.default" not in {str(node.target) for node in module.graph.nodes}
