"""Every form of pack, and first layers on signed bytes: torch, and ONNX Runtime with our kernels and without."""

from __future__ import annotations

import pytest
import torch
from torch import fx, nn

from onebit import bits, load
from onebit.bits import _reference_s8
from onebit.bits._window import Padding, Window
from onebit.export._operators import OPERATORS
from onebit.ops import pack_conv_weights, pack_weights
from onebit.runtime import InputSpec, OrtSession, PackedModel

C = 70
PACKS = {operator.torch_name: operator for operator in OPERATORS if operator.row == "pack"}


def channels(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    direction = 1 - 2 * torch.randint(0, 2, (C,), generator=generator)
    return {
        "threshold": torch.randint(-3, 200, (C,), generator=generator).float(),
        "direction": direction.to(torch.int8),
    }


def model(name: str, dtype: torch.dtype) -> PackedModel:
    """x -> pack -> unpack: the signs, channels last."""
    root, graph = nn.Module(), fx.Graph()
    x = graph.placeholder("x")
    limits = channels(1) if PACKS[name].is_compared else {}
    for role, value in limits.items():
        root.register_buffer(role, value)
    words = graph.call_function(
        getattr(torch.ops.onebit, name).default, (x, *(graph.get_attr(role) for role in limits))
    )
    graph.output(graph.call_function(torch.ops.onebit.unpack.default, (words, C)))
    shape = (None, C, 5, 3) if PACKS[name].is_nchw else (None, 5, 3, C)
    return PackedModel(fx.GraphModule(root, graph), InputSpec(shape, dtype))


CASES = [(name, torch.float32) for name in sorted(PACKS)]
CASES += [(name, torch.uint8) for name in sorted(PACKS) if PACKS[name].is_compared]


@pytest.mark.parametrize(("name", "dtype"), CASES, ids=str)
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_a_saved_pack_gives_the_same_signs_everywhere(name, dtype, batch, tmp_path):
    packed, operator = model(name, dtype), PACKS[name]
    packed.save(tmp_path / "model.onnx")
    x = packed.input_spec.example(batch) + torch.randint(0, 256, packed.input_spec.example(batch).shape)
    x = (x - 100 if dtype.is_floating_point else x).to(dtype)
    if batch and dtype.is_floating_point:
        x.view(-1)[:4] = torch.tensor([-0.0, 0.0, float("nan"), -1.0])
    limits = channels(1) if operator.is_compared else {}
    expected = bits.unpack(bits.pack(x, axis=1 if operator.is_nchw else -1, **limits))
    ours, bare = OrtSession(tmp_path / "model.onnx"), OrtSession(tmp_path / "model.onnx", native=False)
    assert ours.executed()[operator.onnx_name] == 1
    assert operator.onnx_name not in bare.executed()
    for run in (packed, load(tmp_path / "model.onnx"), ours, bare):
        assert torch.equal(run(x), expected)


@pytest.mark.parametrize("batch", [0, 1, 5])
def test_a_saved_network_on_signed_bytes_gives_the_same_sums_everywhere(batch, tmp_path):
    """int8 (N, 3, 4, 5) -> conv2d_s8_bits -> dense; and its flattened input -> dense_s8 beside it."""
    generator, root, graph = torch.Generator().manual_seed(0), nn.Module(), fx.Graph()
    x = graph.placeholder("x")
    conv, dense = torch.randn(70, 3, 3, 5, generator=generator), torch.randn(8, 60, generator=generator)
    root.register_buffer("w0", pack_conv_weights(bits.pack(conv).words, 5, 1, [3, 3]))
    root.register_buffer("w1", pack_weights(bits.pack(dense).words, 60))
    root.register_buffer("threshold", torch.randint(-99, 99, (70,), generator=generator, dtype=torch.int32))
    root.register_buffer("direction", torch.where(torch.arange(70) % 2 == 0, 1, -1).to(torch.int8))
    sizes = (70, 5, [3, 3], [1, 1], [1, 1, 1, 1], [1, 1], 1, -1, 2, 1)
    channels = (graph.get_attr("threshold"), graph.get_attr("direction"))
    words = graph.call_function(torch.ops.onebit.conv2d_s8_bits.default, (x, graph.get_attr("w0"), *sizes, *channels))
    signs = graph.call_function(torch.ops.onebit.unpack.default, (words, 70))
    row = graph.call_function(torch.ops.aten.reshape.default, (x, [-1, 60]))
    sums = graph.call_function(torch.ops.onebit.dense_s8_int32.default, (row, graph.get_attr("w1"), 8, 60))
    floats = graph.call_function(torch.ops.aten.to.dtype, (sums, torch.float32))
    wide = graph.call_function(torch.ops.aten.reshape.default, (floats, [-1, 8, 1, 1]))
    flat = graph.call_function(torch.ops.aten.reshape.default, (signs, [-1, 1, 1, 840]))
    graph.output(graph.call_function(torch.ops.aten.add.Tensor, (wide, flat)))
    packed = PackedModel(fx.GraphModule(root, graph), InputSpec((None, 3, 4, 5), torch.int8))
    assert [layer.bits_in for layer in packed.layers()] == ["s8", "1", "s8"]
    packed.save(tmp_path / "model.onnx")
    given = torch.randint(-128, 128, (batch, 3, 4, 5), generator=generator).to(torch.int8)
    window = Window((3, 3), padding=Padding(1, 1, 1, 1))
    bits_out = _reference_s8.conv2d_s8_bits(given, bits.pack(conv), window, 1, -1, 2, 1, root.threshold, root.direction)
    total = _reference_s8.dense_s8_int32(given.reshape(-1, 60), bits.pack(dense)).float()
    expected = total.reshape(-1, 8, 1, 1) + bits.unpack(bits_out).reshape(-1, 1, 1, 840)
    ours, bare = OrtSession(tmp_path / "model.onnx"), OrtSession(tmp_path / "model.onnx", native=False)
    apart = OrtSession(tmp_path / "model.onnx", chains=False)
    assert {"Conv2dS8Bits", "DenseS8Int32"} <= set(apart.executed())
    for run in (packed, load(tmp_path / "model.onnx"), ours, apart, bare):
        assert torch.equal(run(given), expected)
