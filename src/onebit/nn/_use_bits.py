"""Which layers of a model multiply bits in the forward pass of training."""

from __future__ import annotations

import torch
from torch import nn

from onebit._errors import OptionError
from onebit.nn._binary import BinaryLayer
from onebit.nn._conv import BinaryConv2d
from onebit.nn._conv1d import BinaryConv1d
from onebit.nn._linear import BinaryLinear

_SIGNS = (-1, +1)


def use_bits(model: nn.Module, backward: torch.dtype | None = torch.float32) -> list[str]:
    """Let the forward pass of every layer between two signs run on packed bits; returns the names of those layers.

    y = k - 2 popcount(sign(x) ^ sign(w)) is the same whole number that float32 arithmetic finds, at a fraction of the
    time; a layer whose inputs or weights are not all -1 or +1 stays as it is. Applies on a CPU in float32, in training
    and evaluation; exporting, autocast and `onebit.quantizers.checked` go over floats.
    backward: what upstream gradients are in the products of the backward pass, where signs are exact. torch.float32
        gives the gradients of the layer without bits; torch.bfloat16 rounds to 8 bits of mantissa, and is faster on
        CPUs that multiply it in hardware; torch.int8 rounds to -127 to 127 steps, of a size for each picture and for
        each channel, and sums whole numbers, fastest (see `onebit.ops.sign_gradients`). A convolution of several
        groups goes back in float32 then: its `bits_backward` says so. None turns bits off again.
    Raises NativeError if libonebit is missing, OptionError for another dtype. Source: arXiv:1602.02830.
    """
    if backward not in (torch.float32, torch.bfloat16, torch.int8, None):
        raise OptionError(
            f"use_bits: backward is {backward}. Expected torch.float32, torch.bfloat16, torch.int8 or None."
        )
    if backward is not None:
        # They load libonebit, which training does not need.
        from onebit.nn import _sign_conv2d, _sign_conv2d_pooled, _sign_linear  # noqa: F401
    chosen = []
    for name, layer in model.named_modules():
        if isinstance(layer, BinaryLayer):
            layer.bits_backward = _backward_of(layer, backward) if _between_signs(layer) else None
            if layer.bits_backward is not None:
                chosen.append(name)
    return chosen


def bytes_are_fast() -> tuple[bool, str]:
    """Whether a backward pass in int8 has a processor that multiplies bytes, and the name of its kernels."""
    from onebit.ops import native

    isa = native.active("gradient_x")
    return isa == "avx512vpopcnt", isa


def _backward_of(layer: BinaryLayer, backward: torch.dtype | None) -> torch.dtype | None:
    grouped = getattr(layer, "groups", 1) > 1
    return torch.float32 if grouped and backward == torch.int8 else backward


def _between_signs(layer: BinaryLayer) -> bool:
    quantizers = (layer.input_quantizer, layer.weight_quantizer)
    return isinstance(layer, (BinaryLinear, BinaryConv1d, BinaryConv2d)) and all(
        q is not None and q.levels == _SIGNS for q in quantizers
    )
