"""Every float operator of a packed graph: torch, the loaded file and ONNX Runtime give equal outputs."""

from __future__ import annotations

import pytest
import torch
from torch import fx, nn

from onebit._errors import ConversionError
from onebit.export._float_ops import WRITERS
from onebit.export._operators import FLOAT_TARGETS
from onebit.runtime import InputSpec, OrtSession, PackedModel, load

aten = torch.ops.aten
BUFFER, X = "the buffer", "x again"
CASES: dict[str, tuple] = {  # what is called on x: operator, arguments after x, keywords
    "add number": (aten.add.Tensor, [0.1]),
    "add buffer": (aten.add.Tensor, [BUFFER]),
    "add itself": (aten.add.Tensor, [X]),
    "sub": (aten.sub.Tensor, [BUFFER]),
    "mul": (aten.mul.Tensor, [3]),
    "div": (aten.div.Tensor, [0.3]),
    "relu": (aten.relu.default, []),
    "clamp": (aten.clamp.default, [-0.5, 0.25]),
    "clamp below": (aten.clamp.default, [0.1]),
    "clamp above": (aten.clamp.default, [None, 0.1]),
    "clamp by name": (aten.clamp.default, [], {"max": 0.1}),
    "hardtanh": (aten.hardtanh.default, []),
    "hardtanh bounds": (aten.hardtanh.default, [-0.5, 0.75]),
    "flatten": (aten.flatten.using_ints, [1]),
    "reshape": (aten.reshape.default, [[-1, 2, 35]]),
    "view": (aten.view.default, [[-1, 35, 2]]),
    "_unsafe_view": (aten._unsafe_view.default, [[-1, 70]]),
    "permute": (aten.permute.default, [[0, 1]]),
    "to": (aten.to.dtype, [torch.int32]),
    "_to_copy": (aten._to_copy.default, [], {"dtype": torch.int64}),
    "argmax": (aten.argmax.default, [-1]),
    "argmax keepdim": (aten.argmax.default, [1, True]),
}
ALONE = {"aten.linear.default", "aten.mean.dim"}  # have tests of their own


def model(*calls: tuple) -> PackedModel:
    """x -> pack -> unpack -> plus x -> the calls."""
    root, graph = nn.Module(), fx.Graph()
    root.register_buffer("offset", torch.linspace(-1, 1, 70))
    x = graph.placeholder("x")
    signs = graph.call_function(torch.ops.onebit.pack.default, (x,))
    value = graph.call_function(aten.add.Tensor, (graph.call_function(torch.ops.onebit.unpack.default, (signs, 70)), x))
    for target, arguments, *keywords in calls:
        found = {BUFFER: lambda: graph.get_attr("offset"), X: lambda before=value: before}
        given = [found[a]() if isinstance(a, str) else a for a in arguments]
        value = graph.call_function(target, (value, *given), *keywords)
    graph.output(value)
    return PackedModel(fx.GraphModule(root, graph), InputSpec((None, 70), torch.float32))


@pytest.mark.parametrize("case", CASES)
def test_a_float_operator_gives_the_same_in_torch_and_in_onnx(case, tmp_path):
    packed = model(CASES[case])
    packed.save(tmp_path / "model.onnx")
    loaded, stock = load(tmp_path / "model.onnx"), OrtSession(tmp_path / "model.onnx", native=False, threads=1)
    for batch in (1, 4) if "argmax" in case else (0, 1, 4):  # ONNX Runtime does not reduce an empty batch
        x = torch.randn(batch, 70, generator=torch.Generator().manual_seed(batch))
        expected = packed(x)
        for got in (loaded(x), stock(x)):
            assert got.dtype == expected.dtype
            assert torch.equal(got, expected)


@pytest.mark.parametrize("keep", [False, True])
def test_a_mean_is_written_and_read(keep, tmp_path):
    """Of two numbers, whose sum has one order: of more, ONNX Runtime and torch add in orders of their own."""
    packed = model((aten.reshape.default, [[-1, 35, 2]]), (aten.mean.dim, [[-1], keep]))
    packed.save(tmp_path / "model.onnx")
    x = torch.randn(3, 70, generator=torch.Generator().manual_seed(0))
    expected = packed(x)
    assert expected.shape == ((3, 35, 1) if keep else (3, 35))
    for run in (load(tmp_path / "model.onnx"), OrtSession(tmp_path / "model.onnx", native=False, threads=1)):
        assert torch.equal(run(x), expected)


def test_a_layer_that_stays_float_is_written_and_read(tmp_path):
    root, graph = nn.Module(), fx.Graph()
    root.weight, root.bias = nn.Parameter(torch.randn(5, 70)), nn.Parameter(torch.randn(5))
    x = graph.placeholder("x")
    linear = graph.call_function(aten.linear.default, (x, graph.get_attr("weight"), graph.get_attr("bias")))
    linear.meta["onebit"] = {"name": "head", "note": "stays float: the weights are not binary"}
    signs = graph.call_function(torch.ops.onebit.pack.default, (linear,))
    graph.output(graph.call_function(torch.ops.onebit.unpack.default, (signs, 5)))
    packed = PackedModel(fx.GraphModule(root, graph), InputSpec((None, 70), torch.float32))
    packed.save(tmp_path / "model.onnx")
    loaded = load(tmp_path / "model.onnx")
    assert loaded.layers() == packed.layers()
    info = loaded.layers()[0]
    assert (info.name, info.operator, info.kernel, info.bits_in, info.weight_bytes) == (
        "head",
        "linear",
        "torch",
        "f32",
        1400,
    )
    x = torch.randn(4, 70)
    assert torch.equal(loaded(x), packed(x))
    assert torch.equal(OrtSession(tmp_path / "model.onnx", native=False)(x), packed(x))


@pytest.mark.parametrize(
    ("calls", "match"),
    [
        ([(aten.add.Tensor, [BUFFER], {"alpha": 2})], r"alpha=2; expected 1"),
        ([(aten.to.dtype, [torch.int32]), (aten.relu.default, [])], r"takes torch.int32; convert it to float32"),
        ([(aten.to.dtype, [torch.float64])], r"casts to torch.float64"),
        ([(aten.reshape.default, [[-1, 1, 70]]), (aten.linear.default, [BUFFER])], r"expected \(N, features\)"),
    ],
)
def test_what_onnx_cannot_say_is_refused(calls, match, tmp_path):
    with pytest.raises(ConversionError, match=match):
        model(*calls).save(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_every_allowed_float_operator_has_a_writer_and_a_case():
    assert set(WRITERS) == FLOAT_TARGETS
    assert {str(target) for target, *_ in CASES.values()} == FLOAT_TARGETS - ALONE
