"""Fully connected layer with binary inputs, weights, both or neither."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onebit._errors import OptionError, ShapeError
from onebit.nn._binary import BinaryLayer
from onebit.nn._sign_dropout import drawn, dropout
from onebit.quantizers import Quantizer


class BinaryLinear(BinaryLayer, nn.Linear):
    """y = q_in(x) @ q_w(weight).T + bias; x (..., in_features) -> y (..., out_features).

    input_quantizer: None (the input is used as it comes), a name such as "sign", or a Quantizer.
    weight_quantizer: the same; None leaves float weights, and with both None this is exactly torch.nn.Linear.
    bias: never quantized; useless in front of batch normalisation, hence off by default.
    input_dropout: probability p that training drops an input behind its quantizer: 0, and the others times 1 / (1 - p).
        A torch.nn.Dropout in front of the layer would come before the sign, or hide from the layer that it has signs.

    `weight` holds the latent real weights, which start in U(-1, 1) when they are binarized. Sums of signs are exact
    in float32 up to 2**24 inputs, in float16 up to 2,048, in bfloat16 up to 256.
    Raises ShapeError or DtypeError for a wrong input, OptionError unless 0 <= p < 1. Source: arXiv:1602.02830.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = False,
        *,
        input_quantizer: str | Quantizer | None = None,
        weight_quantizer: str | Quantizer | None = "sign",
        input_dropout: float = 0.0,
    ) -> None:
        super().__init__(in_features, out_features, bias)
        if not isinstance(input_dropout, int | float) or not 0 <= input_dropout < 1:
            raise OptionError(f"BinaryLinear: input_dropout is {input_dropout!r}. Expected a probability in [0, 1).")
        self.input_dropout = input_dropout
        self._set_quantizers(input_quantizer, weight_quantizer)

    def reset_parameters(self) -> None:
        """Draw the weights anew: U(-1, 1) if they are binarized, as torch.nn.Linear does otherwise."""
        nn.Linear.reset_parameters(self)
        self._reset_latent()

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) -> (..., out_features)."""
        self._check(x)
        p = self.input_dropout if self.training else 0.0
        if self._multiplies_bits(x):
            y = self._product_of_bits(x, p)
            return y if self.bias is None else y + self.bias
        xb = self.binary_input(x)  # (..., in_features)
        wb = self.binary_weight()  # (out_features, in_features)
        return F.linear(dropout(xb, p) if p else xb, wb, self.bias)

    def _product_of_bits(self, x: Tensor, p: float) -> Tensor:
        left, right, *rest = self._sign_operands(x)
        y: Tensor = torch.ops.onebit.sign_linear(left, right, drawn(left, p) if p else None, *rest)[0]
        return y * (1 / (1 - p)) if p else y

    def extra_repr(self) -> str:
        """The sizes, and dropout if there is any."""
        sizes = nn.Linear.extra_repr(self)
        return f"{sizes}, input_dropout={self.input_dropout}" if self.input_dropout else sizes

    def _check(self, x: Tensor) -> None:
        self._check_dtype(x)
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            last = f"so its last dim is {x.shape[-1]}" if x.ndim else "a single number"
            raise ShapeError(
                f"BinaryLinear(in_features={self.in_features}): input has shape {tuple(x.shape)}, {last}. "
                f"Expected (..., {self.in_features}); for pictures call x.flatten(1) first."
            )
