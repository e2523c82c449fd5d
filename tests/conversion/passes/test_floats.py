"""Float operators in other words: the same numbers, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from onebit.conversion import passes

EDGES = torch.tensor([-torch.inf, -1e30, -1.0, -1e-45, -0.0, 0.0, 1e-45, 0.3, 1.0, 1e30, torch.inf]).repeat(2, 1)


@pytest.mark.parametrize(
    "function",
    [
        torch.neg,
        torch.sign,
        torch.sgn,
        lambda x: torch.clip(x, -1, 2),
        lambda x: F.leaky_relu(x[:, 1:-1], 0.1),
        lambda x: F.leaky_relu(x[:, 1:-1]),
    ],
)
def test_another_spelling_keeps_every_value(function: Callable[[Tensor], Tensor], captured: Any) -> None:
    module = captured(lambda x: function(x + 0), EDGES)
    for step in (*passes.CLEANING, passes.spell_floats):
        module = step(module)
    assert torch.equal(module(EDGES), function(EDGES + 0))
    names = {str(node.target).split(".")[1] for node in module.graph.nodes if node.op == "call_function"}
    assert names <= {"add", "mul", "sub", "clamp", "relu", "pack", "unpack", "slice"}
