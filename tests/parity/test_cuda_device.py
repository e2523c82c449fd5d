"""On a real CUDA device: every kernel against the definition, and the ways torch runs it. `make test-gpu`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from onebit import bits, ops
from onebit._errors import NativeError
from onebit.bits import _reference as reference
from onebit.bits import _reference_s8 as reference_s8
from onebit.ops import _dense_call, _epilogue, _family
from onebit.ops import cuda as engine
from onebit.ops.cuda._operators import CONV2D
from onebit.runtime import PackedModel

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
SIZES = [(1, 1, 1), (1, 10, 784), (3, 65, 63), (17, 64, 64), (64, 130, 127), (129, 10, 4096), (100, 257, 129)]
SIZES += [(300, 200, 1000), (193, 255, 1024), (257, 513, 1025), (1000, 4096, 784), (500, 1000, 4096)]
# batch, height, width, c, n, kernel, stride, padding, groups
CONVOLUTIONS = [
    (1, 2, 2, 1, 1, (1, 1), (1, 1), (0, 0, 0, 0), 1),
    (2, 14, 15, 130, 70, (3, 3), (1, 1), (1, 1, 1, 1), 1),
    (3, 9, 8, 64, 257, (2, 3), (2, 1), (0, 2, 3, 1), 1),
    (2, 8, 5, 150, 6, (3, 2), (1, 1), (1, 0, 0, 1), 2),
    (8, 16, 16, 256, 256, (3, 3), (1, 1), (1, 1, 1, 1), 2),
    (33, 7, 7, 512, 300, (3, 3), (2, 2), (1, 1, 1, 1), 1),
    (2, 3, 4, 768, 65, (5, 7), (1, 1), (2, 2, 3, 3), 1),
]
INPUTS = {"dense": _family.WORDS, "dense_u8": _family.PIXELS, "dense_s8": _family.SIGNED_BYTES}
OUTPUTS = {"int32": _epilogue.INT32, "float": _epilogue.FLOAT, "bits": _epilogue.BITS}


def kernels() -> list[str | None]:
    return [None, *engine.kernels()] if torch.cuda.is_available() else [None]


def channels_for(output: str, y: Tensor) -> tuple[Tensor, ...]:
    n = y.shape[1]
    if output == "float":
        return torch.randn(n), torch.randn(n)
    if output == "int32":
        return ()
    threshold = y[torch.randint(0, y.shape[0], (n,)), torch.arange(n)].clone()  # sums that occur: ties are common
    direction = (torch.randint(0, 2, (n,)) * 2 - 1).to(torch.int8)
    threshold[0], direction[0] = -(2**31), 1
    return threshold, direction


@pytest.mark.parametrize("kernel", kernels())
@pytest.mark.parametrize("family", INPUTS)
def test_every_kernel_is_the_definition(family: str, kernel: str | None) -> None:
    torch.manual_seed(0)
    for m, n, k in SIZES:
        row_bytes = -(-k // 64) * 8 if family == "dense" else k
        if (kernel == "popc" and family != "dense") or (kernel not in (None, "popc", "mma") and row_bytes % 16):
            continue
        w = bits.pack(torch.randn(n, k))
        pixels = torch.randint(0, 256, (m, k), dtype=torch.uint8)
        x = bits.pack(torch.randn(m, k)) if family == "dense" else pixels.view(INPUTS[family].dtype)
        home = reference_s8 if family == "dense_s8" else reference
        handle, given = ops.pack_weights(w.words, k).cuda(), getattr(x, "words", x).cuda()
        y = getattr(home, f"{family}_int32")(x, w)
        for output, kind in OUTPUTS.items():
            channels = channels_for(output, y)
            expected = getattr(home, f"{family}_{output}")(x, w, *channels)
            op = _dense_call.Dense(f"{family}_{output}", INPUTS[family], kind)
            got = engine.dense(op, given, handle, n, k, *(channel.cuda() for channel in channels), force=kernel)
            assert torch.equal(got.cpu(), getattr(expected, "words", expected)), (m, n, k, output)


def test_pack_and_unpack_are_those_of_the_cpu() -> None:
    for rows, k in ((1, 1), (3, 63), (7, 64), (5, 65), (129, 1000)):
        x = torch.randn(rows, k)
        x.view(-1)[::5], x.view(-1)[1::7] = -0.0, float("nan")
        words = torch.ops.onebit.pack(x.cuda())
        assert torch.equal(words.cpu(), ops.pack(x))
        assert torch.equal(torch.ops.onebit.unpack(words, k).cpu(), ops.unpack(ops.pack(x), k))


def test_weights_travel_between_devices() -> None:
    rows = bits.pack(torch.randn(9, 65)).words
    handle = torch.ops.onebit.pack_weights(rows.cuda(), 65)
    assert torch.equal(handle.cpu(), ops.pack_weights(rows, 65))
    assert torch.equal(torch.ops.onebit.unpack_weights(handle, 9, 65).cpu(), rows)


def test_a_packed_model_computes_the_same_on_the_device(packed_mlp: Callable[..., PackedModel]) -> None:
    model, x = packed_mlp(), torch.randint(0, 256, (33, 70), dtype=torch.uint8)
    expected = model(x)
    assert torch.equal(model.cuda()(x.cuda()).cpu(), expected)


def test_a_cuda_graph_replays_the_model(packed_mlp: Callable[..., PackedModel]) -> None:
    model, x = packed_mlp(), torch.randint(0, 256, (33, 70), dtype=torch.uint8)
    other = x.flip(0).contiguous()
    expected = model(other)
    model, given = model.cuda(), x.cuda()
    model(given)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = model(given)
    given.copy_(other)
    graph.replay()
    assert torch.equal(result.cpu(), expected)


@pytest.mark.filterwarnings("ignore:The CUDA Graph is empty")
def test_a_capture_over_the_first_use_says_what_to_do(packed_mlp: Callable[..., PackedModel]) -> None:
    model, x = packed_mlp(seed=7).cuda(), torch.zeros(33, 70, dtype=torch.uint8, device="cuda")
    with pytest.raises(NativeError, match="Call the model once"), torch.cuda.graph(torch.cuda.CUDAGraph()):
        model(x)
    assert torch.equal(model(x).cpu(), model.cpu()(x.cpu()))  # nothing is broken by it


@pytest.mark.filterwarnings("ignore")  # torch's own, of its compiler
@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_torch_compile_keeps_the_result(packed_mlp: Callable[..., PackedModel], mode: str) -> None:
    model, x = packed_mlp(), torch.randint(0, 256, (33, 70), dtype=torch.uint8)
    expected, given = model(x), x.cuda()
    compiled = torch.compile(model.cuda(), fullgraph=True, mode=mode)
    for _ in range(4):  # "reduce-overhead" captures a CUDA graph on the way
        assert torch.equal(compiled(given).cpu(), expected)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_two_devices_work_side_by_side(packed_mlp: Callable[..., PackedModel]) -> None:
    model, x = packed_mlp(), torch.randint(0, 256, (33, 70), dtype=torch.uint8)
    expected = model(x)
    for device in ("cuda:1", "cuda:0", "cuda:1"):  # cuda:0 is torch's current one all the time
        assert torch.equal(model.to(device)(x.to(device)).cpu(), expected)


def test_streams_do_not_disturb_each_other(packed_mlp: Callable[..., PackedModel]) -> None:
    model, x = packed_mlp(), torch.randint(0, 256, (33, 70), dtype=torch.uint8)
    expected, model, given = model(x), model.cuda(), x.cuda()
    streams = [torch.cuda.Stream() for _ in range(4)]
    torch.cuda.synchronize()
    results = []
    for stream in streams * 5:
        with torch.cuda.stream(stream):
            results.append(model(given))
    torch.cuda.synchronize()
    assert all(torch.equal(result.cpu(), expected) for result in results)


@pytest.mark.parametrize("shape", CONVOLUTIONS)
def test_convolution_and_pooling_are_those_of_the_cpu(shape: tuple[Any, ...]) -> None:
    torch.manual_seed(0)
    batch, height, width, c, n, kernel, stride, padding, groups = shape
    call = torch.ops.onebit
    x = ops.pack(torch.randn(batch, height, width, c))
    pixels = torch.randint(0, 256, (batch, height, width, c), dtype=torch.uint8)
    handle = ops.pack_conv_weights(ops.pack(torch.randn(n, *kernel, c // groups)), c, groups, kernel)
    threshold, direction = (
        torch.randint(-9, 9, (n,), dtype=torch.int32),
        torch.randint(0, 2, (n,)).to(torch.int8) * 2 - 1,
    )
    for pad_value in (0, 1, -1):
        sizes = (n, c, kernel, stride, padding, (1, 1), groups, pad_value)
        expected = call.conv2d_bits(x, handle, *sizes, threshold, direction)
        on_device = (threshold.cuda(), direction.cuda())
        assert torch.equal(call.conv2d_bits(x.cuda(), handle.cuda(), *sizes, *on_device).cpu(), expected)
        op = next(op for op in CONV2D if op.op == "conv2d_bits")
        for force in engine.conv_kernels(0, op.sizes((*sizes, threshold, direction))[0]):
            got = engine.conv2d(op, x.cuda(), handle.cuda(), *sizes, *on_device, force=force)
            assert isinstance(got, Tensor)
            assert torch.equal(got.cpu(), expected)
        for by_bytes, given in ((call.conv2d_u8_int32, pixels), (call.conv2d_s8_int32, pixels.view(torch.int8))):
            expected = by_bytes(given, handle, *sizes, 2, -255)
            assert torch.equal(by_bytes(given.cuda(), handle.cuda(), *sizes, 2, -255).cpu(), expected)
    minimum = ops.pack(torch.randn(c))
    pool = (c, (2, 2), (2, 2), (1, 0, 0, 1))
    assert torch.equal(call.max_pool2d(x.cuda(), *pool, minimum.cuda()).cpu(), call.max_pool2d(x, *pool, minimum))
