"""Stochastic sign: in training the sign is drawn, in evaluation it is the deterministic one."""

from __future__ import annotations

import torch
from torch import Tensor

from onebit.quantizers._base import Quantizer
from onebit.quantizers._by_name import QUANTIZERS
from onebit.quantizers._sign import signs
from onebit.quantizers._thresholds import random_thresholds

_SEEDS = 2**32


def hard_sigmoid(x: Tensor) -> Tensor:
    """clip((x + 1) / 2, 0, 1), same shape and dtype as x (arXiv:1602.02830)."""
    return ((x + 1) / 2).clamp(0, 1)


@QUANTIZERS.register("stochastic-sign")
class StochasticSign(Quantizer):
    r"""q(x) = +1 with probability hard_sigmoid(x), else -1        dq/dx := 1 if |x| <= 1 else 0

    In evaluation mode q is that of `Sign`. Source: arXiv:1602.02830.

    generator: where the seed of every draw comes from; None makes an own one, on the CPU, seeded from torch's global
    generator. A seed and the places of the values make the signs: the same on every device, and where a layer packs
    bits instead of floats. The generator's state is part of state_dict, so a resumed run draws the same signs.
    """

    levels = (-1, +1)

    def __init__(self, generator: torch.Generator | None = None) -> None:
        super().__init__()
        if generator is None:
            generator = torch.Generator().manual_seed(int(torch.randint(2**62, (), device="cpu")))
        self._generator = generator

    def manual_seed(self, seed: int) -> StochasticSign:
        """Start the draws anew from this seed; returns self."""
        self._generator.manual_seed(seed)
        return self

    def draw(self) -> Tensor:
        """The seed of the next draw: a whole number from 0 to 2**32 - 1, int64 without dimensions."""
        return torch.randint(_SEEDS, (), generator=self._generator, device=self._generator.device)

    def quantize(self, x: Tensor) -> Tensor:
        """Training: +1 where a uniform draw from (-1, 1] is not above x, else -1."""
        if not self.training:
            return signs(x)
        minus = x.detach() < random_thresholds(x, self.draw())
        return minus.to(x.dtype).mul_(-2).add_(1)

    def slope(self, x: Tensor) -> Tensor:
        """1 if |x| <= 1 else 0."""
        return x.abs().le_(1)

    def get_extra_state(self) -> Tensor:
        """The generator's state, as bytes."""
        return self._generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Continue from a saved state; one from another kind of device has another size and is left aside."""
        if state.shape == self._generator.get_state().shape:
            self._generator.set_state(state.cpu())
