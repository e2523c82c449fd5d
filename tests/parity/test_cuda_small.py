"""Every CUDA kernel once, at sizes with tails, against the definition: quick also where each access is watched.

`make test-gpu` runs this file plainly, and under compute-sanitizer where there is one.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from onebit import bits, ops
from onebit.ops import cuda as engine
from onebit.ops.cuda._operators import CONV2D, DENSE

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
NAMES: list[str | None] = [None, *engine.kernels()] if torch.cuda.is_available() else [None]
CONV_NAMES: list[str | None] = [None, *engine.conv_kernels()] if torch.cuda.is_available() else [None]
BY_NAME = {op.op: op for op in (*DENSE, *CONV2D)}


@pytest.mark.parametrize("kernel", NAMES)
@pytest.mark.parametrize("family", ["dense", "dense_u8"])
def test_products_are_those_of_the_cpu(family: str, kernel: str | None) -> None:
    if kernel == "popc" and family != "dense":
        pytest.skip("bits only")
    torch.manual_seed(0)
    m, n, k = 135, 67, 1040 if family == "dense_u8" else 1100
    x = ops.pack(torch.randn(m, k)) if family == "dense" else torch.randint(0, 256, (m, k), dtype=torch.uint8)
    handle = ops.pack_weights(ops.pack(torch.randn(n, k)), k)
    channels = torch.randint(-40, 40, (n,), dtype=torch.int32), torch.randint(0, 2, (n,)).to(torch.int8) * 2 - 1
    for name, arrays in ((f"{family}_bits", channels), (f"{family}_float", (torch.randn(n), torch.randn(n)))):
        expected = getattr(torch.ops.onebit, name)(x, handle, n, k, *arrays)
        on_device = [array.cuda() for array in arrays]
        got: Any = engine.dense(BY_NAME[name], x.cuda(), handle.cuda(), n, k, *on_device, force=kernel)
        assert torch.equal(got.cpu(), expected)


@pytest.mark.parametrize("kernel", CONV_NAMES)
def test_convolutions_are_those_of_the_cpu(kernel: str | None) -> None:
    torch.manual_seed(0)
    c, n = 256, 70
    x = ops.pack(torch.randn(2, 7, 6, c))
    handle = ops.pack_conv_weights(ops.pack(torch.randn(n, 3, 3, c)), c, 1, (3, 3))
    sizes = (n, c, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1, 0)
    expected = torch.ops.onebit.conv2d_int32(x, handle, *sizes)
    got: Any = engine.conv2d(BY_NAME["conv2d_int32"], x.cuda(), handle.cuda(), *sizes, force=kernel)
    assert torch.equal(got.cpu(), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.uint8, torch.int8], ids=str)
@pytest.mark.parametrize(("shape", "axis"), [((37, 130), -1), ((2, 130, 7), 1)])
def test_packing_is_the_definition(dtype: torch.dtype, shape: tuple[int, ...], axis: int) -> None:
    torch.manual_seed(0)
    x = (torch.randn(shape) * 99).to(dtype)
    threshold = x.movedim(axis, -1).reshape(-1, 130)[0].float()  # ties are common
    direction = torch.randint(0, 2, (130,)).to(torch.int8) * 2 - 1
    expected = bits.pack(x, axis=axis, threshold=threshold, direction=direction).words
    assert torch.equal(
        ops.pack(x.cuda(), axis=axis, threshold=threshold.cuda(), direction=direction.cuda()).cpu(), expected
    )
    if dtype != torch.uint8:
        words = ops.pack(x.cuda(), axis=axis)
        assert torch.equal(words.cpu(), bits.pack(x, axis=axis).words)
        assert torch.equal(ops.unpack(words, 130).cpu(), bits.unpack(bits.pack(x, axis=axis)))


def test_pooling_is_that_of_the_cpu() -> None:
    torch.manual_seed(0)
    x, minimum = ops.pack(torch.randn(2, 7, 6, 70)), ops.pack(torch.randn(70))
    pool = (70, (2, 2), (2, 2), (1, 0, 0, 1))
    call = torch.ops.onebit.max_pool2d
    assert torch.equal(call(x.cuda(), *pool, minimum.cuda()).cpu(), call(x, *pool, minimum))
