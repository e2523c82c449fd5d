"""Every CUDA convolution against the definition, through the whole front, on the software device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from onebit import bits, ops
from onebit._errors import NativeError, OptionError, UnknownName
from onebit.bits import _reference_conv as reference
from onebit.bits import _reference_s8 as reference_s8
from onebit.bits._reference import Steps
from onebit.bits._window import Padding, Window
from onebit.ops.cuda import OPERATORS
from onebit.ops.cuda import conv2d as conv2d_on_cuda
from onebit.ops.cuda._operators import CONV2D

HOPPER, AMPERE, TURING, BLACKWELL = (9, 0), (8, 0), (7, 5), (12, 0)
BY_NAME = {op.op: op for op in CONV2D}
# batch, height, width, c, n, kernel, stride, padding, dilation, groups
SHAPES: dict[str, tuple[Any, ...]] = {
    "one": (1, 1, 1, 1, 1, (1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "same": (2, 6, 7, 130, 70, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "sides": (1, 5, 8, 64, 9, (2, 3), (2, 1), (0, 2, 3, 1), (1, 2), 1),
    "far": (1, 3, 4, 65, 3, (3, 3), (1, 1), (5, 4, 6, 3), (2, 1), 1),
    "groups": (1, 4, 5, 256, 128, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 2),
    "uneven groups": (1, 4, 5, 150, 6, (3, 2), (1, 1), (1, 0, 0, 1), (1, 1), 2),
    "depthwise": (1, 4, 4, 5, 5, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 5),
    "many": (3, 9, 9, 128, 140, (3, 3), (2, 2), (1, 1, 1, 1), (1, 1), 1),
}
# of a multiple of 16 bytes for each pixel and group: what the copy engine can fetch
WHOLE: dict[str, tuple[Any, ...]] = {
    "one": (1, 1, 1, 65, 1, (1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "same": (2, 6, 7, 100, 70, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1),  # half of a step
    "sides": (1, 5, 8, 230, 9, (2, 3), (2, 1), (0, 2, 3, 1), (1, 2), 1),
    "far": (1, 3, 4, 256, 3, (3, 3), (1, 1), (5, 4, 6, 3), (2, 1), 1),
    "larger than the image": (2, 3, 2, 384, 5, (5, 7), (1, 1), (2, 2, 3, 3), (1, 1), 1),
    "groups": (3, 4, 5, 256, 128, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 2),
    "uneven groups": (1, 4, 5, 300, 6, (3, 2), (1, 1), (1, 0, 0, 1), (1, 1), 3),
    "pieces": (1, 4, 4, 768, 66, (2, 2), (1, 2), (1, 0, 0, 1), (1, 1), 1),
    "long": (1, 3, 3, 1000, 65, (3, 3), (3, 3), (1, 1, 1, 1), (1, 1), 1),
    "many": (7, 9, 9, 128, 140, (3, 3), (2, 2), (1, 1, 1, 1), (1, 1), 1),
}


def operands(
    family: str, shape: str, pad_value: int, shapes: dict[str, tuple[Any, ...]] = SHAPES
) -> tuple[Any, bits.Packed, Tensor, list[Any], tuple[Any, ...]]:
    """x for the definition, w, its handle, the operator's sizes, and the definition's."""
    batch, height, width, c, n, kernel, stride, padding, dilation, groups = shapes[shape]
    g = torch.Generator().manual_seed(len(shape) + pad_value)
    w = bits.pack(torch.randn(n, *kernel, c // groups, generator=g))
    real = torch.randn(batch, height, width, c, generator=g)
    pixels = torch.randint(0, 256, (batch, height, width, c), generator=g, dtype=torch.uint8)
    scaling = {"conv2d": [], "conv2d_u8": [2, -255], "conv2d_s8": [-3, 5]}[family]
    given = {"conv2d": bits.pack(real), "conv2d_u8": pixels, "conv2d_s8": pixels.view(torch.int8)}[family]
    handle = ops.pack_conv_weights(w.words, c, groups, list(kernel))
    sizes = [n, c, *map(list, (kernel, stride, padding, dilation)), groups, pad_value, *scaling]
    window = Window(kernel, stride, Padding(*padding), dilation)
    return given, w, handle, sizes, (window, groups, pad_value, *scaling)


def extras(output: str, y: Tensor) -> tuple[list[Any], list[Any]]:
    """The epilogue's arguments for the operator and for the definition; thresholds occur as sums, so ties do."""
    n, g = y.shape[-1], torch.Generator().manual_seed(7)
    scale, bias, slope = (torch.randn(n, generator=g) for _ in range(3))
    direction = (torch.randint(0, 2, (n,), generator=g) * 2 - 1).to(torch.int8)
    if output == "int32":
        return [], []
    if output == "float":
        return [scale, bias], [scale, bias]
    if output == "bits":
        flat = y.reshape(-1, n)
        threshold = flat[torch.randint(0, len(flat), (n,), generator=g), torch.arange(n)].clone()
        threshold[0], direction[0] = -(2**31), 1
        return [threshold, direction], [threshold, direction]
    residual = torch.randn(y.shape, generator=g)
    activation = [slope] if output == "fused" else [torch.zeros(n), torch.full((n,), 6.0)]
    last = output == "both"
    given, steps = [scale, bias, activation, [residual], last], Steps(activation, residual, last)
    signs = [bias, direction] if output == "both" else []
    return [*given, *signs], [scale, bias, steps, *signs]


def agrees(
    family: str, output: str, shape: str, pad_value: int = 0, kernel: str | None = None,
    shapes: dict[str, tuple[Any, ...]] = SHAPES,
) -> None:  # fmt: skip
    x, w, handle, sizes, defined = operands(family, shape, pad_value, shapes)
    home = reference_s8 if family == "conv2d_s8" else reference
    y = getattr(home, f"{family}_int32")(x, w, *defined)
    given, meant = extras(output, y)
    expected = getattr(home, f"{family}_{output}")(x, w, *defined, *meant)
    got = conv2d_on_cuda(BY_NAME[f"{family}_{output}"], getattr(x, "words", x), handle, *sizes, *given, force=kernel)
    for mine, theirs in zip(
        got if isinstance(got, tuple) else (got,), expected if isinstance(expected, tuple) else (expected,), strict=True
    ):
        assert torch.equal(mine, getattr(theirs, "words", theirs))


@pytest.mark.parametrize("pad_value", [0, 1, -1])
@pytest.mark.parametrize("kernel", ["mma", "popc"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_convolution_of_bits_is_the_definition(
    software_gpu: Callable, shape: str, kernel: str, pad_value: int
) -> None:
    device = software_gpu(AMPERE)
    agrees("conv2d", "bits", shape, pad_value, kernel)
    assert f"onebit_conv2d_{kernel}" in {name for name, _ in device.launched}


@pytest.mark.parametrize("pad_value", [0, 1, -1])
@pytest.mark.parametrize("shape", WHOLE)
def test_a_convolution_by_warpgroups_is_the_definition(software_gpu: Callable, shape: str, pad_value: int) -> None:
    device = software_gpu(HOPPER)
    agrees("conv2d", "bits" if pad_value else "int32", shape, pad_value, "128x64", WHOLE)
    assert "onebit_conv2d_wgmma" in {name for name, _ in device.launched}


@pytest.mark.parametrize(("kernel", "output"), [("128x128", "bits"), ("128x256", "float"), ("128x64", "both")])
@pytest.mark.parametrize("shape", ["same", "groups", "many"])
def test_every_warpgroup_shape_and_output_is_the_definition(
    software_gpu: Callable, shape: str, kernel: str, output: str
) -> None:
    software_gpu(HOPPER)
    agrees("conv2d", output, shape, 0, kernel, WHOLE)


@pytest.mark.parametrize("output", ["bits", "int32", "fused"])
@pytest.mark.parametrize(
    ("shape", "kernel"), [("long", "128x64/3"), ("same", "128x64/2"), ("groups", "128x128/2"), ("pieces", "128x64/3")]
)
def test_parts_of_k_add_up(software_gpu: Callable, shape: str, kernel: str, output: str) -> None:
    device = software_gpu(HOPPER)
    agrees("conv2d", output, shape, 0, kernel, WHOLE)
    assert [name for name, _ in device.launched][-2:] == ["onebit_conv2d_wgmma", "onebit_finish"]


@pytest.mark.parametrize("capability", [HOPPER, TURING, BLACKWELL])
@pytest.mark.parametrize(("shape", "output"), [("same", "bits"), ("uneven groups", "int32"), ("many", "float")])
def test_every_form_of_the_product_is_the_definition(
    software_gpu: Callable, capability: tuple[int, int], shape: str, output: str
) -> None:
    software_gpu(capability)
    for pad_value in (0, -1):
        agrees("conv2d", output, shape, pad_value, "mma")


@pytest.mark.parametrize(("kernel", "output"), [("popc", "int32"), ("popc", "float"), ("mma", "int32")])
@pytest.mark.parametrize("shape", ["groups", "uneven groups", "sides"])
def test_every_output_is_the_definition(software_gpu: Callable, shape: str, kernel: str, output: str) -> None:
    software_gpu(AMPERE)
    agrees("conv2d", output, shape, 0, kernel)


@pytest.mark.parametrize("output", ["fused", "both"])
@pytest.mark.parametrize("shape", ["same", "groups", "depthwise"])
def test_a_second_kernel_makes_what_the_first_cannot(software_gpu: Callable, shape: str, output: str) -> None:
    device = software_gpu(AMPERE)
    agrees("conv2d", output, shape)
    assert device.launched[-1][0] == "onebit_finish"


@pytest.mark.parametrize(("capability", "output"), [(AMPERE, "bits"), (TURING, "float"), (HOPPER, "int32")])
@pytest.mark.parametrize("shape", ["same", "far", "uneven groups", "groups"])
@pytest.mark.parametrize("family", ["conv2d_u8", "conv2d_s8"])
def test_bytes_are_multiplied_as_bytes(
    software_gpu: Callable, family: str, shape: str, capability: tuple[int, int], output: str
) -> None:
    software_gpu(capability)
    for pad_value in (0, 1, -1):
        agrees(family, output, shape, pad_value)


def test_the_weights_handle_is_that_of_the_cpu() -> None:
    _, w, handle, (n, c, kernel, *_, groups, _pad), _ = operands("conv2d", "uneven groups", 0)
    assert torch.equal(OPERATORS["pack_conv_weights"](w.words, c, groups, kernel), handle)
    assert torch.equal(OPERATORS["unpack_conv_weights"](handle, n, c, groups, kernel), w.words)


def test_what_cannot_run_is_refused(software_gpu: Callable) -> None:
    software_gpu(AMPERE)
    x, _, handle, sizes, _ = operands("conv2d", "same", 0)
    with pytest.raises(UnknownName, match="popc"):
        conv2d_on_cuda(BY_NAME["conv2d_int32"], x.words, handle, *sizes, force="poc")
    with pytest.raises(OptionError, match="weights is on meta"):
        conv2d_on_cuda(BY_NAME["conv2d_int32"], x.words, handle.to("meta"), *sizes)
    with pytest.raises(NativeError):
        conv2d_on_cuda(BY_NAME["conv2d_int32"], x.words, torch.zeros_like(handle), *sizes)
    empty = conv2d_on_cuda(BY_NAME["conv2d_int32"], x.words[:0], handle, *sizes)
    assert isinstance(empty, Tensor)
    assert empty.shape == (0, 6, 7, 70)
