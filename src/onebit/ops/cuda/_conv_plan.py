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
from onebit.ops.cuda._conv_boxes import MOST_STRIDE, STAGE, Boxes, Places, boxes, fits
from onebit.ops.cuda._plan import (
    AND,
    BITS,
    DOT,
    SIGNED_BYTES,
    VARIANTS,
    XOR,
    Device,
    Plan,
    forced_parts,
    form_of_bits,
    named_in_parts,
    row_alignment,
    split_macros,
    wgmma_work,
)
from onebit.ops.cuda._sources import Kernel
from onebit.ops.cuda._split import Work

LARGEST_SUM = 2**30 - 1
SHAPES = ("128x256", "128x128", "128x64")  # of dense_wgmma.cu's, those that leave registers for the border's terms
KERNELS = ("popc", "mma")  # on every device


def tap_bytes(conv: Conv, operand: int) -> int:
    """Bytes that one group has of a place: whole words, or one byte for a channel."""
    each = conv.c // conv.groups
    return words_for(each) * 8 if operand == BITS else each


@functools.lru_cache(maxsize=4096)
def plan(
    device: Device, conv: Conv, operand: int, output: int, out: Places, align: int, force: str | None = None
) -> Plan:
    """The plan of a convolution with these output places.

    align: what every tap of a group starts at a multiple of (16, 8, 4 or 1 bytes). force: "popc", "mma" or a Hopper
    shape ("128x64", and "128x64/2" for two parts of k). Raises OptionError for sums that could pass 2**30 or a kernel
    that cannot run, UnknownName for another kernel, NativeError for a device that is too old.
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
    name, slash, number = (force or _choice(device, conv, operand, out, align)).partition("/")
    known = (*KERNELS, *SHAPES) if operand == BITS else KERNELS[1:]
    if name not in known or (slash and name in KERNELS):
        raise unknown_name("conv2d kernel", f"{name}{slash}{number}", known)
    if name in KERNELS:
        return _popc(conv, output, out.total) if name == "popc" else _mma(device, conv, operand, output, out, align)
    if device.capability != (9, 0) or not fits(conv, align):
        raise OptionError(
            f"The conv2d kernel {name!r} needs compute capability 9.0, taps of a multiple of 16 bytes (128 channels of "
            f"each group) and strides up to {MOST_STRIDE}; here {device.capability}, {align} and {conv.window.stride}."
        )
    cut = _boxes(conv, out, name)
    parts = forced_parts(number, _tiles(_row_bytes(conv, cut), STAGE)) if slash else 1
    return _wgmma(device, conv, output, cut, name, parts)


def kernels(device: Device, conv: Conv | None = None) -> list[str]:
    """The names that force a kernel of bits on this device; given a convolution, those that can run it."""
    on_hopper = device.capability == (9, 0) and (conv is None or fits(conv, alignment(conv, BITS)))
    return [*KERNELS, *SHAPES] if on_hopper else list(KERNELS)


def alignment(conv: Conv, operand: int) -> int:
    """What every tap of a group starts at a multiple of, in bytes."""
    each = tap_bytes(conv, operand)
    return min(row_alignment(each), row_alignment(each * conv.groups))


def _largest(conv: Conv, operand: int) -> int:
    """Of the numbers that are summed."""
    if operand == BITS:
        return 1
    ends = (-128, 127) if operand == SIGNED_BYTES else (0, 255)
    return max(*(abs(end * conv.multiplier + conv.offset) for end in ends), 1)


def _choice(device: Device, conv: Conv, operand: int, out: Places, align: int) -> str:
    """The kernel, and the parts of k, with the fewest estimated cycles; the estimate has not been measured.

    popc: 8 words per cycle of a multiprocessor. mma: waves of tiles, a step of 64 bytes in 600 cycles, 900 in the AND
    form, which counts the bits beside it, and 2,000 more. Hopper's shapes: as for dense, over what the slices hold.
    """
    if operand != BITS:
        return "mma"
    m, n, k_bytes = out.total, conv.n // conv.groups, conv.window.taps * tap_bytes(conv, operand)
    counted = m * conv.n * (k_bytes // 8) / (8 * device.processors)
    step = 900 if form_of_bits(device.capability) == AND else 600
    tiles = _tiles(m, 128) * _tiles(n, 128) * conv.groups
    works = {"mma": Work(tiles, _tiles(k_bytes, 64), step, 2000, m * conv.n)}
    if device.capability == (9, 0) and fits(conv, align):
        works |= {name: _work(conv, out, name) for name in SHAPES}
    parts = {name: 1 if name == "mma" else each.parts(device.processors) for name, each in works.items()}
    cycles = {name: each.cycles(device.processors, parts[name]) for name, each in works.items()}
    best = min(cycles, key=lambda name: cycles[name])
    return "popc" if counted < cycles[best] else named_in_parts(best, parts[best])


def _boxes(conv: Conv, out: Places, name: str) -> Boxes:
    return boxes(out, VARIANTS[name].tile[0], conv.window.stride, tap_bytes(conv, BITS))


def _row_bytes(conv: Conv, cut: Boxes) -> int:
    """Of the weights of a channel."""
    return conv.window.taps * cut.tap_bytes


def _work(conv: Conv, out: Places, name: str) -> Work:
    """What a Hopper shape has to do."""
    cut = _boxes(conv, out, name)
    tiles = cut.tiles * _tiles(conv.n // conv.groups, VARIANTS[name].columns) * conv.groups
    return wgmma_work(VARIANTS[name], tiles, _row_bytes(conv, cut), out.total * conv.n)


def _wgmma(device: Device, conv: Conv, output: int, cut: Boxes, name: str, parts: int) -> Plan:
    variant = VARIANTS[name]
    rows, columns = variant.tile
    tiles = cut.tiles * _tiles(conv.n // conv.groups, columns) * conv.groups * parts
    shape = [(key, value) for key, value in variant.macros() if key not in ("OB_PINGPONG", "OB_CLUSTER")]
    return Plan(
        kernel=Kernel(
            "conv2d_wgmma",
            "onebit_conv2d_wgmma",
            (*split_macros(output, parts), ("OB_SLICE", cut.slice_bytes), *shape),
        ),
        name=named_in_parts(f"wgmma {name}", parts),
        form=AND,
        tile=variant.tile,
        grid=min(tiles, device.processors),
        threads=128 * (variant.consumers + 1),
        # beside the dense kernel's: what a table has of channels and rows
        shared_bytes=variant.shared_bytes + 2 * 4 * (columns + 3 * rows),
        cluster=1,
        tensor_maps=(rows, columns),
        padding=0,
        parts=parts,
        boxes=cut,
    )


def _mma(device: Device, conv: Conv, operand: int, output: int, out: Places, align: int) -> Plan:
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
        grid=_tiles(out.total, 128) * _tiles(conv.n // conv.groups, 128) * conv.groups,
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
