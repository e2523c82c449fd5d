"""Capture: the graph computes the model's numbers for any batch, and what cannot be captured is said clearly."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onebit._errors import ConversionError
from onebit.conversion._capture import capture


class Inner(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def model(function: Callable[[Tensor], Tensor]) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), Inner(function), nn.Linear(8, 3))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.view(x.size(0), -1),
        lambda x: x.reshape(x.shape[0], 2, 4).flatten(1),
        lambda x: F.relu_(x).add_(1),
        lambda x: F.dropout(x, 0.5, training=False).contiguous().detach(),
    ],
)
def test_the_graph_is_the_model_for_any_batch(function: Callable[[Tensor], Tensor]) -> None:
    net = model(function)
    graph = capture(net, torch.randn(1, 6))
    for batch in (1, 2, 5):
        x = torch.randn(batch, 6)
        with torch.no_grad():
            assert torch.equal(graph(x), net.eval()(x))
    assert all(node.op != "call_module" for node in graph.graph.nodes)
    assert all("captured" in node.meta for node in graph.graph.nodes)


def branches(x: Tensor) -> Tensor:
    return x if float(x.sum()) > 0 else -x


@pytest.mark.parametrize(
    ("net", "example", "message"),
    [
        (model(branches), torch.zeros(2, 6), r"could not capture 2 \(Inner\).*values of tensors"),
        (model(lambda x: x.view(4, 8)), torch.zeros(4, 6), "any batch size"),
        (model(lambda x: torch.rand_like(x)), torch.zeros(2, 6), "random numbers in evaluation mode"),
        (model(lambda x: x).double(), torch.zeros(2, 6), r"0.weight has dtype torch.float64.*model.float\(\)"),
        (model(lambda x: x).to(torch.bfloat16), torch.zeros(2, 6), "0.weight has dtype torch.bfloat16"),
        (model(lambda x: x).to("meta"), torch.zeros(2, 6), r"0.weight is on meta.*call .cpu\(\)"),
        (
            model(lambda x: x),
            torch.zeros(2, 6, dtype=torch.float64),
            r"example has dtype torch.float64.*call .float\(\)",
        ),
        (
            model(lambda x: x),
            torch.zeros(2, 6, dtype=torch.int64),
            r"torch.int64.*fit in a byte go in as .to\(torch.uint8\)",
        ),
        (
            model(lambda x: x),
            torch.zeros(2, 6, dtype=torch.complex64),
            "complex64; expected torch.uint8 .*, torch.int8",
        ),
        (model(lambda x: x), torch.zeros(6), r"example must be a tensor \(N, ...\).*got shape \(6,\)"),
        (model(lambda x: x), torch.zeros(0, 6), r"got shape \(0, 6\)"),
        (model(lambda x: x), [1, 2], "got list"),
        (branches, torch.zeros(2, 6), "takes a torch.nn.Module, got function"),
        (Inner(lambda x: (x, x)), torch.zeros(2, 6), "gives tuple for a batch of 2.*returns only its scores"),
        (Inner(lambda x: x.sum()), torch.zeros(2, 6), r"gives shape \(\)"),
    ],
)
def test_what_cannot_be_captured_is_named(net: nn.Module, example: Tensor, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        capture(net, example)
