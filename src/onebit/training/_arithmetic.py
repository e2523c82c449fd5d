"""How a network is computed while it is trained: on bits or floats, gradients in which dtype, in which memory order."""

from __future__ import annotations

from collections import Counter

import torch
from torch import nn

from onebit._errors import NativeError
from onebit.nn import BinaryConv2d, binary_layers, use_bits
from onebit.nn._use_bits import bytes_are_fast, halves_are_fast
from onebit.training._recipe import ArithmeticOptions


def set_arithmetic(model: nn.Module, options: ArithmeticOptions, device: torch.device) -> str:
    """Prepare the model as the recipe's arithmetic says; returns a sentence of what will run.

    Convolutions are put into channels-last order, in which bits are packed and CPUs and GPUs convolve fastest.
    Raises NativeError if bits are asked for and libonebit is missing; with "auto" the sentence says so.
    """
    if any(isinstance(module, BinaryConv2d) for module in model.modules()):
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    count = sum(1 for _ in binary_layers(model))
    if options.autocast:
        said = f"forward and backward by autocast in {options.autocast}: signs are exact, sums up to 256"
        return said + (_slowness(options.autocast, "autocast=null") if device.type == "cpu" else "")
    if options.forward == "float":
        return "forward on floats, as the recipe says"
    if options.forward == "auto" and device.type != "cpu":
        return f"forward on floats, on {device.type}"
    try:
        chosen = use_bits(model, "auto" if options.backward == "auto" else getattr(torch, options.backward))
    except NativeError as error:
        if options.forward == "bits":
            raise
        return f"forward on floats: {str(error).split(';')[0]}"
    if not chosen:
        return f"forward and backward on floats: none of {count} binary layers stands between two signs"
    gradients = _gradients(model)
    said = f"forward on bits in {len(chosen)} of {count} binary layers, their gradients in {gradients}"
    return said + _slowness(gradients, "backward=auto")


def _slowness(numbers: str, instead: str) -> str:
    """What these numbers cost on a CPU that has no instructions for them; "" elsewhere."""
    if "int8" in numbers and not bytes_are_fast()[0]:
        return f"; int8 is SLOW here: its kernels are those of {bytes_are_fast()[1]}; arithmetic.{instead} is faster"
    if "bfloat16" in numbers and not halves_are_fast():
        return f"; bfloat16 is SLOW here: this CPU cannot multiply it; arithmetic.{instead} is faster"
    return ""


def _gradients(model: nn.Module) -> str:
    """What the layers on bits multiply in the backward pass; how many each where they differ."""
    kinds = (layer.bits_backward for _, layer in binary_layers(model))
    used = Counter(str(kind).removeprefix("torch.") for kind in kinds if kind is not None)
    if len(used) == 1:
        return next(iter(used))
    return " and ".join(f"{kind} ({count})" for kind, count in sorted(used.items(), reverse=True))
