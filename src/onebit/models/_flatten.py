"""Flatten whose gradient lies in memory as the maps do."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Flatten(nn.Flatten):
    """torch.nn.Flatten; the gradient of maps that are channels last in memory is channels last, too.

    The same numbers: torch alone hands on the gradient as it came from the linear layer behind, and a batch norm in
    front, whose input and gradient then lie differently, takes ten times as long to go back.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C * H * W)."""
        maps = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
        if maps and x.requires_grad and not torch.compiler.is_compiling():
            x.register_hook(_channels_last)  # type: ignore[no-untyped-call]
        return super().forward(x)


def _channels_last(gradient: Tensor) -> Tensor:
    return gradient.contiguous(memory_format=torch.channels_last)
