"""Which kernel runs a convolution, and how its border is made good: pure functions of facts and sizes.

A tap outside of the image is read as zeros: +1 in bits, 0 in bytes. Which taps are outside depends on the output place
in only a few ways, its classes; for each class and channel one number, a term, puts the sum right (conv.cuh).
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from onebit._errors import NativeError, OptionError
from onebit._registry import unknown_name
from onebit.bits import words_for
from onebit.ops._conv_checks import Conv
from onebit.ops.cuda._plan import BITS, DOT, SIGNED_BYTES, XOR, Device, Plan, form_of_bits
from onebit.ops.cuda._sources import Kernel

LARGEST_SUM = 2**30 - 1
KERNELS = ("popc", "mma")


def tap_bytes(conv: Conv, operand: int) -> int:
    """Bytes that one group has of a place: whole words, or one byte for a channel."""
    each = conv.c // conv.groups
    return words_for(each) * 8 if operand == BITS else each


@functools.lru_cache(maxsize=4096)
def plan(device: Device, conv: Conv, operand: int, output: int, m: int, align: int, force: str | None = None) -> Plan:
    """The plan of a convolution with m output places.

    align: what every tap of a group starts at a multiple of (16, 8, 4 or 1 bytes). force: "popc" or "mma". Raises
    OptionError for sums that could pass 2**30, UnknownName for another kernel, NativeError for a device that is too
    old.
    """
    largest = _largest(conv, operand)
    if conv.k * largest > LARGEST_SUM or (operand == BITS and conv.k >= 2**28):
        raise OptionError(
            f"conv2d on CUDA: {conv.k} terms up to {largest} can sum to {conv.k * largest}; every sum must stay below "
            f"2**{28 if operand == BITS else 30}."
        )
    if device.capability < (7, 5):
        raise NativeError(
            f"Compute capability {device.capability} has no integer tensor cores; onebit needs 7.5 or later."
        )
    name = force or _choice(device, conv, operand, m)
    if name not in KERNELS or (name == "popc" and operand != BITS):
        raise unknown_name("conv2d kernel", name, KERNELS if operand == BITS else KERNELS[1:])
    return _popc(conv, output, m) if name == "popc" else _mma(device, conv, operand, output, m, align)


def _largest(conv: Conv, operand: int) -> int:
    """Of the numbers that are summed."""
    if operand == BITS:
        return 1
    ends = (-128, 127) if operand == SIGNED_BYTES else (0, 255)
    return max(*(abs(end * conv.multiplier + conv.offset) for end in ends), 1)


def _choice(device: Device, conv: Conv, operand: int, m: int) -> str:
    """The kernel with fewer estimated cycles; the estimate has not been measured.

    popc: 8 words per cycle of a multiprocessor. mma: waves of tiles, a step of 64 bytes in 600 cycles, 2,000 more.
    """
    if operand != BITS:
        return "mma"
    n, k_bytes = conv.n // conv.groups, conv.window.taps * tap_bytes(conv, operand)
    counted = m * conv.n * (k_bytes // 8) / (8 * device.processors)
    waves = -(-_tiles(m, 128) * _tiles(n, 128) * conv.groups // device.processors)
    return "popc" if counted < waves * (_tiles(k_bytes, 64) * 600 + 2000) else "mma"


def _mma(device: Device, conv: Conv, operand: int, output: int, m: int, align: int) -> Plan:
    form = form_of_bits(device.capability) if operand == BITS else DOT
    stages = 4 if device.capability >= (8, 0) else 2
    macros = (
        ("OB_OPERAND", operand), ("OB_FORM", form), ("OB_OUTPUT", output), ("OB_STAGES", stages), ("OB_ALIGN", align),
    )  # fmt: skip
    positions = _tiles(conv.window.taps * tap_bytes(conv, operand), 64) * 512
    return Plan(
        kernel=Kernel("conv2d_mma", "onebit_conv2d_mma", macros),
        name="mma 128x128",
        form=form,
        tile=(128, 128),
        grid=_tiles(m, 128) * _tiles(conv.n // conv.groups, 128) * conv.groups,
        threads=128,
        shared_bytes=stages * 2 * 128 * 64 + 128 * 16,  # the ring, and where every row lies
        cluster=1,
        tensor_maps=None,
        padding=positions - conv.k if operand == BITS and form == DOT else 0,
    )


def _popc(conv: Conv, output: int, m: int) -> Plan:
    return Plan(
        kernel=Kernel("conv2d_popc", "onebit_conv2d_popc", (("OB_OUTPUT", output),)),
        name="popc 4x64",
        form=XOR,
        tile=(4, 64),
        grid=_tiles(m, 4) * _tiles(conv.n // conv.groups, 64) * conv.groups,
        threads=256,
        shared_bytes=0,
        cluster=1,
        tensor_maps=None,
        padding=0,
    )


def outside(size: int, out: int, stride: int, before: int, dilation: int, taps: int) -> tuple[Tensor, list[int]]:
    """Along one axis: (classes, taps) which taps of a class are outside, class 0 none; and the class of each place."""
    at = torch.arange(out)[:, None] * stride - before + torch.arange(taps) * dilation
    patterns = [tuple(row) for row in ((at < 0) | (at >= size)).tolist()]
    known = {pattern: i for i, pattern in enumerate(dict.fromkeys([(False,) * taps, *patterns]))}
    return torch.tensor(list(known)), [known[pattern] for pattern in patterns]


def terms(conv: Conv, operand: int, form: int, padding: int, signs: Tensor, missing: Tensor) -> Tensor:
    """(classes, n) int32 of conv.cuh, from signs (n, taps), sums of each tap, and missing (classes, taps)."""
    lost = missing.to(torch.int64) @ signs.T
    whole = signs.sum(1)
    if operand != BITS:
        return (conv.offset * (whole - lost) + conv.pad_value * lost).to(torch.int32)
    # k - 2 popcount(w) is the sum of w's signs; a tap outside was counted as +1.
    first = {XOR: torch.full_like(whole, conv.k), DOT: torch.full_like(whole, -padding)}.get(form, whole)
    return (first + (conv.pad_value - 1) * lost).to(torch.int32)


def _tiles(size: int, tile: int) -> int:
    return -(-size // tile)
