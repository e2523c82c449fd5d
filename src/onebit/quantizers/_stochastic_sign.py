"""Stochastic sign: in training the sign is drawn, in evaluation it is the deterministic one."""

from __future__ import annotations

import torch
from torch import Tensor

from onebit.quantizers._base import Quantizer
from onebit.quantizers._by_name import QUANTIZERS
from onebit.quantizers._sign import signs


def hard_sigmoid(x: Tensor) -> Tensor:
    """clip((x + 1) / 2, 0, 1), same shape and dtype as x (arXiv:1602.02830)."""
    return ((x + 1) / 2).clamp(0, 1)


@QUANTIZERS.register("stochastic-sign")
class StochasticSign(Quantizer):
    r"""q(x) = +1 with probability hard_sigmoid(x), else -1        dq/dx := 1 if |x| <= 1 else 0

    In evaluation mode q is that of `Sign`. Source: arXiv:1602.02830.

    generator: where the draws come from; None makes an own one, seeded from torch's global generator. If the input is
    on another device, a generator is made there that starts from the same seed. The generator's state is part of
    state_dict, so a resumed run draws the same signs (a state saved on another kind of device cannot be continued:
    the draws then start from this instance's seed).
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

    def quantize(self, x: Tensor) -> Tensor:
        """Training: +1 where a uniform draw from [0, 1) is below hard_sigmoid(x), else -1."""
        if not self.training:
            return signs(x)
        draw = torch.rand(x.shape, generator=self._on(x.device), dtype=x.dtype, device=x.device)
        return draw.ge_(hard_sigmoid(x.detach())).mul_(-2).add_(1)

    def slope(self, x: Tensor) -> Tensor:
        """1 if |x| <= 1 else 0."""
        return x.abs().le_(1)

    def _on(self, device: torch.device) -> torch.Generator:
        if self._generator.device != device:
            self._generator = torch.Generator(device).manual_seed(self._generator.initial_seed())
        return self._generator

    def get_extra_state(self) -> Tensor:
        """The generator's state, as bytes."""
        return self._generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Continue from a saved state; one from another kind of device has another size and is left aside."""
        if state.shape == self._generator.get_state().shape:
            self._generator.set_state(state.cpu())
