"""Networks as users write them, in plain torch, with batch norms that have seen anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from onebit.conversion._capture import capture

Activation = Callable[[Tensor], Tensor]
MakeNet = Callable[..., "UserNet"]


def sign(x: Tensor) -> Tensor:
    return torch.where(x < 0, -1.0, 1.0)


class UserNet(nn.Module):
    """Pixels, then linear, batch norm, activation for each hidden width, then linear and maybe batch norm."""

    def __init__(self, widths: Sequence[int], activation: Activation, last_norm: bool, bias: bool) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.layers = nn.ModuleList(nn.Linear(k, n, bias=bias) for k, n in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm1d(n) for _, n in (pairs if last_norm else pairs[:-1]))
        self.activation = activation

    def prepare(self, x: Tensor) -> Tensor:
        return x.float() * 2 - 255

    def weights(self, layer: nn.Linear) -> Tensor:
        return sign(layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.prepare(x.flatten(1))
        for depth, layer in enumerate(self.layers):
            x = F.linear(x, self.weights(layer), layer.bias)
            x = self.norms[depth](x) if depth < len(self.norms) else x
            x = self.activation(x) if depth < len(self.layers) - 1 else x
        return x


def any_norms(model: nn.Module, generator: torch.Generator) -> None:
    """Batch norms of trained and of broken networks: gamma negative or 0, variances tiny and huge."""
    fan_in = 1.0
    for module in model.modules():
        if isinstance(module, nn.Linear):
            fan_in = module.in_features**0.5
        if isinstance(module, nn.BatchNorm1d):
            c = module.num_features
            draw = torch.rand(c, generator=generator)
            gamma = torch.randn(c, generator=generator)
            shift = torch.randn(c, generator=generator)
            module.weight.data = torch.where(draw < 0.1, 0.0, gamma)
            module.bias.data = torch.where(draw > 0.9, 0.0, shift)
            module.running_mean = torch.randn(c, generator=generator).mul(fan_in).round()
            module.running_var = torch.tensor([1e-12, 1.0, fan_in**2, 1e12])[
                torch.randint(4, (c,), generator=generator)
            ]


@pytest.fixture
def user_net() -> MakeNet:
    """user_net(widths, activation=sign, last_norm=False, bias=False, seed=0, kind=UserNet): training mode, uint8 in."""

    def make(
        widths: Sequence[int] = (30, 65, 64, 10),
        activation: Activation = sign,
        last_norm: bool = False,
        bias: bool = False,
        seed: int = 0,
        kind: type[UserNet] = UserNet,
    ) -> UserNet:
        generator = torch.Generator().manual_seed(seed)
        net = kind(widths, activation, last_norm, bias)
        for parameter in net.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
        any_norms(net, generator)
        return net

    return make


@pytest.fixture
def user_net_class() -> type[UserNet]:
    """The class of user_net, to override a method of."""
    return UserNet


@pytest.fixture
def pixels() -> Callable[..., Tensor]:
    """pixels(count, k, seed=0): random bytes (count, k)."""

    def make(count: int, k: int, seed: int = 0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(0, 256, (count, k), dtype=torch.uint8, generator=generator)

    return make


@pytest.fixture
def captured() -> Callable[[Callable[[Tensor], Tensor], Tensor], fx.GraphModule]:
    """captured(f, example): the captured graph of a function."""

    class Function(nn.Module):
        def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
            super().__init__()
            self.function = function

        def forward(self, x: Tensor) -> Tensor:
            return self.function(x)

    return lambda function, example: capture(Function(function), example)
