"""The door of a network: 8-bit pixels become odd integers around zero."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from onebit._errors import DtypeError


class Pixels(nn.Module):
    """y = 2 * p - 255 for pixels p in 0..255: uint8 of any shape -> float32 odd integers in [-255, 255].

    It is the paper's range [-1, 1] times 255, a factor that batch normalisation removes. Integers keep the first
    layer's sums exact in float32 up to 65,793 inputs, so a packed network can equal the float one bit for bit.
    Raises DtypeError for anything but uint8.
    """

    def forward(self, p: Tensor) -> Tensor:
        """Uint8 -> float32, same shape."""
        if p.dtype != torch.uint8:
            raise DtypeError(
                f"Pixels: input has dtype {p.dtype} and shape {tuple(p.shape)}. Expected torch.uint8: pass the raw "
                "0..255 pixels, without normalisation (ToTensor and Normalize divide them; leave both out)."
            )
        return p.to(torch.float32) * 2 - 255
