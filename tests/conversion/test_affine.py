"""Affine steps are what their nodes compute, whatever side the layer's numbers are on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from onebit.conversion import passes
from onebit.conversion._affine import affine_steps, batch_norm_affine, composed
from onebit.conversion._channels import chain_behind

N = 10
C, D = torch.randn(2, N, generator=torch.Generator().manual_seed(0))
NORM = (C, D.abs(), D, C)


def steps_of(captured: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """The steps behind `x + 0`, which stands for a layer."""
    module = captured(lambda x: function(x + 0), torch.zeros(2, N))
    for step in passes.CLEANING:
        module = step(module)
    layer = next(node for node in module.graph.nodes if node.op == "call_function")
    return affine_steps(module, chain_behind(module, layer), layer, N)


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (lambda y: (y - C) * D + 2, ["sub", "mul", "add"]),
        (lambda y: C - D * y, ["mul", "sub"]),
        (lambda y: 0.3 - (-y), ["neg", "rsub"]),
        (lambda y: torch.rsub(y, 2.5, alpha=3), ["rsub"]),
        (lambda y: torch.add(C, y, alpha=-0.7), ["add"]),
        (lambda y: torch.sub(C, y, alpha=-0.7), ["sub"]),
        (lambda y: torch.sub(y, C, alpha=4), ["sub"]),
        (lambda y: F.batch_norm(y / D, *NORM), ["div", "batch_norm"]),
        (lambda y: F.relu(y * C) * D, ["mul"]),
        (lambda y: D / y, []),
        (lambda y: y * y, []),
        (lambda y: y * y.sum(0), []),
    ],
)
def test_steps_compose_to_what_the_nodes_compute(
    function: Callable[[Tensor], Tensor], names: list[str], captured: Any
) -> None:
    steps = steps_of(captured, function)
    assert [step.name for step in steps] == names
    if names and names != ["mul"]:
        scale, bias = composed(steps, torch.full((N,), 0.5), C)
        y = torch.randn(50, N, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        expected = function((y * 0.5 + C).float()).double()
        assert torch.allclose(y * scale + bias, expected, rtol=1e-5, atol=1e-5)


def test_a_step_whose_operand_has_another_reader_ends_the_line(captured: Any) -> None:
    steps = steps_of(captured, lambda y: (z := y * C) + z.abs())
    assert [step.name for step in steps] == ["mul"]


@pytest.mark.parametrize("affine", [True, False])
def test_alpha_and_beta_are_those_of_the_kernel(affine: bool, captured: Any) -> None:
    norm = NORM if affine else NORM[:2]
    module = captured(lambda y: F.batch_norm(y, *norm), torch.zeros(2, N))
    for step in passes.CLEANING:
        module = step(module)
    node = next(node for node in module.graph.nodes if node.op == "call_function")
    alpha, beta = batch_norm_affine(module, node)
    y = torch.randn(50, N, generator=torch.Generator().manual_seed(1)) * 100
    once = (y.double() * alpha.double() + beta.double()).float()
    assert torch.allclose(once, F.batch_norm(y, *norm), rtol=3e-7, atol=1e-6)
    assert torch.allclose(F.batch_norm(torch.zeros(1, N), *norm)[0], beta, rtol=3e-7, atol=1e-6)
