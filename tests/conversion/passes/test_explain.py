"""Names and reasons: every layer has one name of its own and says what became of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onebit.conversion import convert


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(20, 20, bias=False)
        self.free = nn.Parameter(torch.randn(3, 20))
        self.float_head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        w = torch.where(self.inner.weight < 0, -1.0, 1.0)
        x = F.linear(torch.where(x < 0, -1.0, 1.0), w)
        x = F.linear(torch.where(x < 3, -1.0, 1.0), w)
        x = F.linear(torch.where(x < 1, -1.0, 1.0), torch.where(self.free < 0, -1.0, 1.0))
        return self.float_head(x)


def test_layers_are_called_by_the_owner_of_their_weights_and_a_second_use_is_numbered() -> None:
    torch.manual_seed(0)
    packed = convert(Shared(), torch.randn(5, 20))
    names = [(layer.name, layer.operator) for layer in packed.layers() if layer.n]
    assert names == [
        ("inner", "dense_bits"),
        ("inner#2", "dense_bits"),
        ("free", "dense_float"),
        ("float_head", "linear"),
    ]
    assert "stays float: its weights are not binary" in packed.explain()


def test_explain_keeps_every_number(user_net: Any, pixels: Any) -> None:
    from onebit.conversion import passes
    from onebit.conversion._capture import capture

    net, x = user_net(), pixels(5, 30)
    module = capture(net, x)
    explained = passes.explain_layers(module)
    assert torch.equal(explained(x), module(x))
    assert "onebit" not in next(n for n in module.graph.nodes if n.op == "call_function").meta
