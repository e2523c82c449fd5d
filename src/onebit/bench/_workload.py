"""One job, as onebit does it and as everybody else would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Workload:
    """A job of known size.

    name, shape: what a row of results calls it. macs: multiply-accumulates of one call.
    operators: names in the kernel table that it runs. run: one call of onebit.
    network: the same sums in floating point, made of Linear, Conv2d, MaxPool2d, Flatten, Centre
        and Sign; what peers run.
    x: the network's input, float32 or uint8. check: whether onebit's answer is the network's.
    """

    name: str
    shape: tuple[int, ...]
    macs: int
    operators: tuple[str, ...]
    run: Callable[[], Tensor]
    network: nn.Sequential
    x: Tensor
    check: Callable[[], bool]


class Centre(nn.Module):
    """y = 2 * p - 255 for pixels p of 0..255, in the floating-point type that the module has been moved to."""

    two: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("two", torch.tensor(2.0))

    def forward(self, p: Tensor) -> Tensor:
        """Uint8 -> float, same shape."""
        return p.to(self.two.dtype) * self.two - 255


class Sign(nn.Module):
    """y = sign(x), one operation: the cheapest that a peer can do (0 stays 0, which no sum here is)."""

    def forward(self, x: Tensor) -> Tensor:
        """Float -> float, same shape."""
        return torch.sign(x)


def signs(*shape: int, seed: int) -> Tensor:
    """Random -1 and +1, float32."""
    return torch.randint(0, 2, shape, generator=torch.Generator().manual_seed(seed)).float() * 2 - 1


def linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """A Linear of these weights (n, k), in inference."""
    module = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")  # no random start
    module.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        module.bias = nn.Parameter(bias, requires_grad=False)
    return module
