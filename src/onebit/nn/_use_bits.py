"""Which layers of a model multiply bits in the forward pass of training."""

from __future__ import annotations

import platform
from typing import Literal

import torch
from torch import nn

from onebit._errors import OptionError
from onebit.nn._binary import BinaryLayer
from onebit.nn._conv import BinaryConv2d
from onebit.nn._conv1d import BinaryConv1d
from onebit.nn._linear import BinaryLinear

_SIGNS = (-1, +1)


def use_bits(model: nn.Module, backward: torch.dtype | Literal["auto"] | None = torch.float32) -> list[str]:
    """Let the forward pass of every layer between two signs run on packed bits; returns the names of those layers.

    y = k - 2 popcount(sign(x) ^ sign(w)) is the same whole number that float32 arithmetic finds, at a fraction of the
    time; a layer whose inputs or weights are not all -1 or +1 stays as it is. Applies on a CPU in float32, in training
    and evaluation; exporting, autocast and `onebit.quantizers.checked` go over floats.
    backward: what upstream gradients are in the products of the backward pass, where signs are exact. torch.float32
        gives the gradients of the layer without bits; torch.bfloat16 rounds to 8 bits of mantissa, and is faster on
        CPUs that multiply it in hardware; torch.int8 rounds to -127 to 127 steps, of a size for each picture and for
        each channel, and sums whole numbers, fastest (see `onebit.ops.sign_gradients`). A convolution of several
        groups goes back in float32 then. "auto" is torch.int8 where vectors of this CPU multiply bytes (x86 from AVX2
        on), else torch.float32. A layer's `bits_backward` says what it has. None turns bits off again.
    Raises NativeError if libonebit is missing, OptionError for another dtype. Source: arXiv:1602.02830.
    """
    if backward not in (torch.float32, torch.bfloat16, torch.int8, "auto", None):
        raise OptionError(
            f"use_bits: backward is {backward!r}. Expected torch.float32, torch.bfloat16, torch.int8, 'auto' or None."
        )
    if backward is not None:
        # They load libonebit, which training does not need.
        from onebit.nn import _sign_conv2d, _sign_conv2d_pooled, _sign_linear  # noqa: F401
    if backward == "auto":
        backward = torch.int8 if bytes_are_fast()[0] else torch.float32
    chosen = []
    for name, layer in model.named_modules():
        if isinstance(layer, BinaryLayer):
            layer.bits_backward = _backward_of(layer, backward) if _between_signs(layer) else None
            if layer.bits_backward is not None:
                chosen.append(name)
    return chosen


def bytes_are_fast() -> tuple[bool, str]:
    """Whether vectors of this CPU multiply the bytes of a backward pass in int8, and the name of its kernels."""
    from onebit.ops import native

    isa = native.active("gradient_x")
    return isa != "scalar", isa


def halves_are_fast() -> bool:
    """Whether this CPU has instructions that multiply bfloat16, as far as torch can tell: it knows for x86 only."""
    known = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return known is None or platform.machine().lower() not in ("x86_64", "amd64") or bool(known())


def _backward_of(layer: BinaryLayer, backward: torch.dtype | None) -> torch.dtype | None:
    grouped = getattr(layer, "groups", 1) > 1
    return torch.float32 if grouped and backward == torch.int8 else backward


def _between_signs(layer: BinaryLayer) -> bool:
    quantizers = (layer.input_quantizer, layer.weight_quantizer)
    return isinstance(layer, (BinaryLinear, BinaryConv1d, BinaryConv2d)) and all(
        q is not None and q.levels == _SIGNS for q in quantizers
    )
