"""Cleaning: each pass keeps every bit, leaves its argument alone, and leaves nothing of what it removes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx
from torch.nn import functional as F

from onebit.conversion import passes

X = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
W = torch.nn.Parameter(torch.randn(4, 6, generator=torch.Generator().manual_seed(1)))
B = torch.randn(4, generator=torch.Generator().manual_seed(2))
NORM = (torch.randn(6), torch.rand(6), torch.randn(6), torch.randn(6))


def targets(module: fx.GraphModule) -> list[str]:
    return [str(node.target) for node in module.graph.nodes if node.op == "call_function"]


CASES: list[tuple[passes.Pass, Callable[[Tensor], Tensor], list[str]]] = [
    (passes.drop_identities, lambda x: F.dropout(x, 0.3, training=False).detach().clone() + 1, ["aten.add.Tensor"]),
    (passes.drop_identities, lambda x: x.contiguous().to(torch.float32).float() * 2, ["aten.mul.Tensor"]),
    (passes.drop_identities, lambda x: x.double() + 0, ["aten._to_copy.default", "aten.add.Tensor"]),
    (passes.fold_constants, lambda x: x @ torch.where(W < 0, -1.0, 1.0).t(), ["aten.matmul.default"]),
    (passes.fold_constants, lambda x: x + torch.ones(6).mul(3).sum(), ["aten.add.Tensor"]),
    (passes.unify_batch_norm, lambda x: F.batch_norm(x, *NORM), ["aten.batch_norm.default"]),
    (passes.unify_batch_norm, lambda x: F.batch_norm(x, *NORM[:2]), ["aten.batch_norm.default"]),
    (passes.unify_reshapes, lambda x: x.view(x.shape[0], 6) + 1, ["aten.add.Tensor"]),
    (
        passes.unify_reshapes,
        lambda x: x.view(x.shape[0], 2, 3).flatten(1) + 1,
        ["aten.reshape.default"] * 2 + ["aten.add.Tensor"],
    ),
    (passes.unify_reshapes, lambda x: x.unsqueeze(1), ["aten.reshape.default"]),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_a_cleaning_pass_keeps_every_bit_and_leaves_its_argument(case: int, captured: Any) -> None:
    step, function, left = CASES[case]
    module = captured(lambda x: function(x), X)
    before = str(module.graph)
    cleaned = step(module)
    assert str(module.graph) == before
    with torch.no_grad():
        assert torch.equal(cleaned(X), function(X))
        assert torch.equal(cleaned(X[:1]), function(X[:1]))
    assert [name for name in targets(cleaned) if "_assert" not in name and "sym_size" not in name] == left


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x @ W.t(),
        lambda x: torch.mm(x, W.t()),
        lambda x: torch.addmm(B, x, W.t()),
        lambda x: F.linear(x, W, B),
    ],
)
def test_products_with_a_constant_become_linear(function: Callable[[Tensor], Tensor], captured: Any) -> None:
    module = captured(lambda x: function(x), X)
    for step in passes.CLEANING:
        module = step(module)
    assert targets(module) == ["aten.linear.default"]
    with torch.no_grad():
        assert torch.allclose(module(X), function(X), rtol=1e-6, atol=1e-6)
        signs = torch.where(X < 0, -1.0, 1.0)
        assert torch.allclose(module(signs), function(signs), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x @ x.t() @ x,
        lambda x: torch.addmm(x[:, :4] * 0, x, W.t()),
        lambda x: torch.addmm(B, x, W.t(), beta=2),
    ],
)
def test_other_products_stay(function: Callable[[Tensor], Tensor], captured: Any) -> None:
    module = captured(lambda x: function(x), X)
    for step in passes.CLEANING:
        module = step(module)
    assert "aten.linear.default" not in targets(module)


def test_folded_constants_keep_the_name_of_their_parameter(captured: Any) -> None:
    from onebit.conversion._graph import layer_name

    net = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.Linear(4, 2))
    torch.nn.utils.parametrize.register_parametrization(net[1], "weight", torch.nn.Hardtanh())
    from onebit.conversion._capture import capture

    module = capture(net, X)
    for step in passes.CLEANING:
        module = step(module)
    layers = [node for node in module.graph.nodes if "linear" in str(node.target)]
    assert [layer_name(node, node.args[1]) for node in layers] == ["0", "1"]
