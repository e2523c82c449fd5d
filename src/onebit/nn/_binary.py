"""What binary layers share: their quantizers, the start of the latent weights, the check of the input's dtype."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from onebit._errors import DtypeError
from onebit.quantizers import Quantizer, Sign, StochasticSign, is_checked, resolve


class BinaryLayer(nn.Module):
    """Mixin in front of a torch layer that has a `weight`; every binary layer is an instance of it.

    input_quantizer, weight_quantizer: None, a name of `onebit.quantizers.names()`, or an instance.
    bits_backward: what the backward pass multiplies if the forward pass multiplies bits (see `use_bits`), else None.
    """

    weight: Tensor
    input_quantizer: Quantizer | None
    weight_quantizer: Quantizer | None
    bits_backward: torch.dtype | None = None

    def _set_quantizers(self, inputs: str | Quantizer | None, weights: str | Quantizer | None) -> None:
        """Called after the torch layer's constructor, which has drawn the weights of a float layer."""
        self.input_quantizer = resolve(inputs)
        self.weight_quantizer = resolve(weights)
        if self.weight_quantizer is not None:
            self.reset_parameters()

    def _reset_latent(self) -> None:
        # getattr: torch's constructor resets the parameters before there are quantizers.
        if getattr(self, "weight_quantizer", None) is not None:  # arXiv:1602.02830: the whole range of latent weights
            nn.init.uniform_(self.weight, -1.0, 1.0)

    def reset_parameters(self) -> None:
        """Draw the weights anew: U(-1, 1) if they are binarized, as torch's layer does otherwise."""
        raise NotImplementedError

    def binary_input(self, x: Tensor) -> Tensor:
        """The input as the layer uses it: quantized, or as it came."""
        return x if self.input_quantizer is None else self.input_quantizer(x)

    def binary_weight(self) -> Tensor:
        """The weights as the layer uses them: quantized, or the parameter itself."""
        return self.weight if self.weight_quantizer is None else self.weight_quantizer(self.weight)

    def _multiplies_bits(self, x: Tensor) -> bool:
        """Whether this call goes over bits: asked for, and neither exported, checked for NaN nor under autocast."""
        if self.bits_backward is None or torch.compiler.is_exporting() or is_checked():
            return False
        on_cpu = x.device.type == self.weight.device.type == "cpu"
        return on_cpu and x.dtype == self.weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")

    def _sign_operands(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None, list[bool], str]:
        """A product's operands, the seeds of their signs, its windows and how it goes back: signs are left to it."""
        left, x_seed, x_window = _left_to_the_product(x, self.input_quantizer)
        right, seed, window = _left_to_the_product(self.weight, self.weight_quantizer)
        return left, right, x_seed, seed, [x_window, window], str(self.bits_backward).removeprefix("torch.")

    def _check_dtype(self, x: Tensor) -> None:
        if x.dtype == self.weight.dtype:
            return
        if x.is_floating_point() and torch.is_autocast_enabled(x.device.type):
            return
        todo = f"call x.to({self.weight.dtype})"
        if x.dtype == torch.uint8:
            todo = "put onebit.nn.Pixels() in front of the first layer"
        elif x.dtype == torch.int8:
            todo = f"call x.to({self.weight.dtype}) in front of the first layer; convert keeps the bytes"
        raise DtypeError(
            f"{type(self).__name__}: input has dtype {x.dtype}, the weights have {self.weight.dtype}. "
            f"Expected the same dtype; {todo}."
        )


def _left_to_the_product(values: Tensor, quantizer: Quantizer | None) -> tuple[Tensor, Tensor | None, bool]:
    """The values, the seed if their signs are drawn, and whether their sign's window is open: else as quantized."""
    if type(quantizer) is Sign:
        return values, None, True
    if type(quantizer) is StochasticSign:
        return values, quantizer.draw() if quantizer.training else None, True
    return values if quantizer is None else quantizer(values), None, False
