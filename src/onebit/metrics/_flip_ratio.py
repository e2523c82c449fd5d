"""How many binary weights change sign: high means the network still searches, zero means it is frozen."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from onebit.nn import binary_layers


class FlipRatio:
    """Per binary layer, the share of weights whose sign differs from the one at the last `update` (at first: now)."""

    def __init__(self, model: nn.Module) -> None:
        self._layers = dict(binary_layers(model))
        self._negative = self._signs()

    def update(self) -> dict[str, float]:
        """{layer: flipped / weights} since the last call."""
        before, self._negative = self._negative, self._signs()
        return {name: int((before[name] ^ now).sum()) / now.numel() for name, now in self._negative.items()}

    def state_dict(self) -> dict[str, Tensor]:
        """The remembered signs, so that a resumed run reports the same ratios."""
        return self._negative

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue from a `state_dict` of the same model."""
        self._negative = {name: state[name].to(now.device) for name, now in self._negative.items()}

    @torch.no_grad()
    def _signs(self) -> dict[str, Tensor]:
        return {name: layer.weight < 0 for name, layer in self._layers.items()}
