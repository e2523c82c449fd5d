"""Graph editing: copies are independent, constants have names of their own, elementwise means elementwise."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import fx

from onebit.conversion._graph import add_constant, aten, constant, copy_of, elementwise, finished, source_of


def test_a_copy_can_be_edited_without_the_original(captured: Any) -> None:
    module = captured(lambda x: x * torch.tensor([2.0, 3.0]) + 1, torch.zeros(2, 2))
    copy = copy_of(module)
    last = next(iter(reversed(copy.graph.nodes)))
    last.args = (last.args[0].args[0],)
    assert torch.equal(finished(copy)(torch.ones(1, 2)), torch.tensor([[2.0, 3.0]]))
    assert torch.equal(module(torch.ones(1, 2)), torch.tensor([[3.0, 4.0]]))


def test_constants_get_a_name_of_their_own_and_remember_their_source(captured: Any) -> None:
    module = captured(lambda x: x + 1, torch.zeros(2, 2))
    with module.graph.inserting_before():
        first = add_constant(module, "layer.scale", torch.ones(2))
        second = add_constant(module, "layer.scale", torch.zeros(2), first)
    assert (first.target, second.target) == ("layer_scale", "layer_scale_2")
    assert source_of(second) == "layer_scale"
    assert constant(module, second).tolist() == [0.0, 0.0]  # type: ignore[union-attr]
    assert constant(module, 3) is None


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (aten.mul.Tensor, True),
        (aten.where.ScalarOther, True),
        (aten._to_copy.default, True),
        (aten.hardtanh.default, True),
        (aten.mm.default, False),
        (aten.sum.default, False),
        (aten.bernoulli.p, False),
        (aten.cumsum.default, False),
        (aten.flip.default, False),
    ],
)
def test_elementwise_is_what_keeps_to_its_place_and_draws_nothing(target: Any, expected: bool) -> None:
    assert elementwise(fx.Graph().call_function(target)) is expected
