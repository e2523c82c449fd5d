"""Convolutions on a GPU: are they the CPU's, bit for bit, and the layers of the paper's ConvNet beside cuDNN's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gpu_differences import differences
from onebit import ops
from onebit.ops import cuda as engine
from onebit.ops._family import WORDS
from onebit.ops.cuda._operators import CONV2D

OPERATORS = {op.op: op for op in CONV2D}
# batch, height, width, c, n, kernel, stride, padding, dilation, groups
SHAPES: list[tuple[Any, ...]] = [
    (1, 1, 1, 1, 1, (1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    (2, 14, 15, 130, 70, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1),
    (3, 9, 8, 64, 257, (2, 3), (2, 1), (0, 2, 3, 1), (1, 2), 1),
    (1, 3, 4, 65, 3, (3, 3), (1, 1), (5, 4, 6, 3), (2, 1), 1),
    (5, 7, 7, 256, 128, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 2),
    (2, 8, 5, 150, 6, (3, 2), (1, 1), (1, 0, 0, 1), (1, 1), 2),
    (2, 6, 6, 9, 9, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 9),
    (16, 32, 32, 128, 128, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1),
]
# side, c, n of the paper's layers behind the first
LAYERS = [(32, 128, 128), (16, 128, 256), (16, 256, 256), (8, 256, 512), (8, 512, 512)]


def check() -> list[str]:
    """Every kernel, family, output and pad value at every shape; the differences as lines."""
    wrong = []
    for shape in SHAPES:
        for pad_value in (0, 1, -1):
            for name, op in OPERATORS.items():
                x, handle, rest = arguments(name, shape, pad_value)
                expected = results(getattr(torch.ops.onebit, name)(x, handle, *rest))
                on_device = moved(rest)
                by_name = engine.conv_kernels(0, op.sizes(rest)[0]) if op.input is WORDS else ()
                kernels = (None, *by_name)
                for kernel in kernels:
                    got = results(engine.conv2d(op, x.cuda(), handle.cuda(), *on_device, force=kernel))
                    for a, b in zip(got, expected, strict=True):
                        if not torch.equal(a.cpu(), b):
                            what = f"{name} by {kernel or 'choice'}, {shape}, pad_value={pad_value}"
                            wrong.append(f"{what}: {differences(a, b)}")
    return wrong


def check_pooling() -> list[str]:
    """max_pool2d at every shape whose padding it allows."""
    wrong = []
    for batch, height, width, c, _, kernel, stride, *_ in SHAPES:
        if height < kernel[0] or width < kernel[1]:
            continue
        x = ops.pack(torch.randn(batch, height, width, c))
        minimum = ops.pack(torch.randn(c))
        given = (c, kernel, stride, (kernel[0] - 1, 0, 0, kernel[1] - 1))
        call = torch.ops.onebit.max_pool2d
        found, expected = call(x.cuda(), *given, minimum.cuda()).cpu(), call(x, *given, minimum)
        if not torch.equal(found, expected):
            wrong.append(f"max_pool2d {tuple(x.shape)} {given}: {differences(found, expected)}")
    return wrong


def arguments(name: str, shape: Sequence[Any], pad_value: int) -> tuple[Tensor, Tensor, list[Any]]:
    """x, the handle and the rest of an operator's arguments, on the CPU."""
    batch, height, width, c, n, kernel, stride, padding, dilation, groups = shape
    given = OPERATORS[name].input
    x = torch.randint(0, 256, (batch, height, width, c), dtype=torch.uint8)
    x = ops.pack(torch.randn(batch, height, width, c)) if given is WORDS else x.view(given.dtype)
    handle = ops.pack_conv_weights(ops.pack(torch.randn(n, *kernel, c // groups)), c, groups, kernel)
    sizes = [n, c, kernel, stride, padding, dilation, groups, pad_value, *(() if given is WORDS else (2, -255))]
    y = getattr(torch.ops.onebit, f"conv2d{given.suffix}_int32")(x, handle, *sizes)
    scale, bias, slope = torch.randn(3, n).unbind()
    threshold, direction = y.reshape(-1, n)[0].clone(), (torch.randint(0, 2, (n,)) * 2 - 1).to(torch.int8)
    steps = [scale, bias, [slope], [torch.randn(y.shape)], False]
    epilogues: dict[str, list[Any]] = {
        "int32": [], "float": [scale, bias], "bits": [threshold, direction], "fused": steps,
        "both": [*steps, bias, direction],
    }  # fmt: skip
    return x, handle, sizes + epilogues[name.rpartition("_")[2]]


def moved(arguments: Sequence[Any]) -> list[Any]:
    """Tensors on the device, also those in lists."""
    return [
        a.cuda()
        if isinstance(a, Tensor)
        else [t.cuda() if isinstance(t, Tensor) else t for t in a]
        if isinstance(a, list)
        else a
        for a in arguments
    ]


def results(found: Any) -> tuple[Tensor, ...]:
    """One result or two."""
    return found if isinstance(found, tuple) else (found,)


def layer(batch: int, side: int, c: int, n: int) -> dict[str, Callable[[], object]]:
    """A 3x3 layer, bits to bits by each kernel, and cuDNN's in bfloat16."""
    op, sizes = OPERATORS["conv2d_bits"], (n, c, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1, 0)
    x = torch.ops.onebit.pack(torch.randn(batch, side, side, c, device="cuda"))
    handle = ops.pack_conv_weights(ops.pack(torch.randn(n, 3, 3, c)), c, 1, (3, 3)).cuda()
    threshold = torch.randint(-40, 40, (n,), device="cuda", dtype=torch.int32)
    up = torch.ones(n, device="cuda", dtype=torch.int8)

    def by(kernel: str | None) -> Callable[[], object]:
        return lambda: engine.conv2d(op, x, handle, *sizes, threshold, up, force=kernel)

    conv = op.sizes((*sizes, threshold, up))[0]
    found = {f"onebit {kernel or 'operator'}": by(kernel) for kernel in (None, *engine.conv_kernels(0, conv))}
    last = torch.channels_last
    real = torch.randn(batch, c, side, side, device="cuda").sign().bfloat16().contiguous(memory_format=last)
    weights = torch.randn(n, c, 3, 3, device="cuda").sign().bfloat16().contiguous(memory_format=last)
    return {**found, "cuDNN bf16, channels last": lambda: F.conv2d(real, weights, padding=1)}
