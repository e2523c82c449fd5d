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
BUFFER, X, SQUARE, BIAS = "the buffer", "x again", "a matrix", "the bias"
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
CASES |= {
    "abs": (aten.abs.default, []),
    "maximum": (aten.maximum.default, [BUFFER]),
}
ALONE = {f"aten.{name}" for name in ("linear.default", "mean.dim", "sum.dim_IntList")}  # have tests of their own
ALONE |= {f"aten.{name}" for name in ("matmul.default", "lt.Scalar", "where.ScalarSelf")}
ALONE |= {f"aten.{name}.default" for name in ("conv2d", "max_pool2d", "avg_pool2d", "sqrt", "tanh", "sigmoid", "cat")}


def model(*calls: tuple) -> PackedModel:
    """x -> pack -> unpack -> plus x -> the calls."""
    root, graph = nn.Module(), fx.Graph()
    root.register_buffer("offset", torch.linspace(-1, 1, 70))
    root.register_buffer("matrix", torch.linspace(-1, 1, 4900).reshape(70, 70))
    x = graph.placeholder("x")
    signs = graph.call_function(torch.ops.onebit.pack.default, (x,))
    value = graph.call_function(aten.add.Tensor, (graph.call_function(torch.ops.onebit.unpack.default, (signs, 70)), x))
    for target, arguments, *keywords in calls:
        found = {
            BUFFER: lambda: graph.get_attr("offset"),
            SQUARE: lambda: graph.get_attr("matrix"),
            X: lambda before=value: before,
        }
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
@pytest.mark.parametrize("target", [aten.mean.dim, aten.sum.dim_IntList])
def test_a_mean_or_sum_is_written_and_read(target, keep, tmp_path):
    """Of two numbers, whose sum has one order: of more, ONNX Runtime and torch add in orders of their own."""
    packed = model((aten.reshape.default, [[-1, 35, 2]]), (target, [[-1], keep]))
    packed.save(tmp_path / "model.onnx")
    x = torch.randn(3, 70, generator=torch.Generator().manual_seed(0))
    expected = packed(x)
    assert expected.shape == ((3, 35, 1) if keep else (3, 35))
    for run in (load(tmp_path / "model.onnx"), OrtSession(tmp_path / "model.onnx", native=False, threads=1)):
        assert torch.equal(run(x), expected)


IMAGE = (aten.reshape.default, [[-1, 2, 5, 7]])


@pytest.mark.parametrize(
    "calls",
    [
        [IMAGE, (aten.max_pool2d.default, [[2, 2]])],
        [IMAGE, (aten.max_pool2d.default, [[3, 2], [2, 1], [1, 0]])],
        [IMAGE, (aten.avg_pool2d.default, [[2, 2]])],
        [IMAGE, (aten.avg_pool2d.default, [[3], [2], [1], False, False])],
        [(aten.abs.default, []), (aten.sqrt.default, [])],
        [(aten.tanh.default, [])],
        [(aten.sigmoid.default, [])],
        [(aten.reshape.default, [[-1, 1, 70]]), (aten.matmul.default, [SQUARE])],
    ],
)
def test_what_rounds_differently_elsewhere_is_written_and_read(calls, tmp_path):
    packed = model(*calls)
    packed.save(tmp_path / "model.onnx")
    x = torch.randn(3, 70, generator=torch.Generator().manual_seed(0))
    expected = packed(x)
    assert torch.equal(load(tmp_path / "model.onnx")(x), expected)
    torch.testing.assert_close(OrtSession(tmp_path / "model.onnx", native=False)(x), expected)


@pytest.mark.parametrize("arguments", [[None, [2, 1], [1, 2], [1, 2], 2], [BIAS], [None]])
def test_a_convolution_that_stays_float_is_written_and_read(arguments, tmp_path):
    root, graph = nn.Module(), fx.Graph()
    groups = arguments[-1] if len(arguments) == 5 else 1
    generator = torch.Generator().manual_seed(0)
    root.weight = nn.Parameter(torch.randn(4, 2 // groups, 3, 3, generator=generator))
    root.bias = nn.Parameter(torch.randn(4, generator=generator))
    image = graph.call_function(aten.reshape.default, (graph.placeholder("x"), [-1, 2, 5, 7]))
    given = [graph.get_attr("bias") if argument == BIAS else argument for argument in arguments]
    conv = graph.call_function(aten.conv2d.default, (image, graph.get_attr("weight"), *given))
    conv.meta["onebit"] = {"name": "stem", "note": "stays float: its weights are not binary"}
    graph.output(graph.call_function(torch.ops.onebit.unpack.default, (signs_of(graph, conv), 4)))
    packed = PackedModel(fx.GraphModule(root, graph), InputSpec((None, 70), torch.float32))
    packed.save(tmp_path / "model.onnx")
    loaded = load(tmp_path / "model.onnx")
    assert loaded.layers() == packed.layers()
    stem = loaded.layers()[0]
    assert (stem.name, stem.operator, stem.kernel, stem.n, stem.k) == ("stem", "conv2d", "torch", 4, 18 // groups)
    x = torch.randn(3, 70, generator=generator)
    y = packed(x)
    assert stem.macs == y[0, ..., 0].numel() * 4 * (18 // groups)
    assert torch.equal(loaded(x), y)
    assert torch.equal(OrtSession(tmp_path / "model.onnx", native=False)(x), y)


def signs_of(graph: fx.Graph, value: fx.Node) -> fx.Node:
    """The packed signs of (N, C, H, W), channels last."""
    last = graph.call_function(aten.permute.default, (value, [0, 2, 3, 1]))
    return graph.call_function(torch.ops.onebit.pack.default, (last,))


def test_a_choice_between_floats_is_written_and_read(tmp_path):
    root, graph = nn.Module(), fx.Graph()
    x = graph.placeholder("x")
    signs = graph.call_function(torch.ops.onebit.pack.default, (x,))
    value = graph.call_function(aten.add.Tensor, (graph.call_function(torch.ops.onebit.unpack.default, (signs, 70)), x))
    small = graph.call_function(aten.lt.Scalar, (value, 0.25))
    graph.output(graph.call_function(aten.where.ScalarSelf, (small, 1.0, value)))
    packed = PackedModel(fx.GraphModule(root, graph), InputSpec((None, 70), torch.float32))
    packed.save(tmp_path / "model.onnx")
    x = torch.randn(3, 70, generator=torch.Generator().manual_seed(0))
    assert (packed(x) == 1).any()
    for run in (load(tmp_path / "model.onnx"), OrtSession(tmp_path / "model.onnx", native=False)):
        assert torch.equal(run(x), packed(x))


def joined(*sizes, words, dim=1):
    """x -> the signs of its columns, `sizes` of them at a time, joined as packed words or as numbers."""
    root, graph = nn.Module(), fx.Graph()
    call, total = graph.call_function, sum(sizes)
    x = graph.placeholder("x")
    parts, start = [], 0
    for number, size in enumerate(sizes):
        columns = torch.zeros(size, total)
        columns[range(size), range(start, start + size)] = 1
        root.register_buffer(f"columns{number}", columns)
        parts.append(
            call(torch.ops.onebit.pack.default, (call(aten.linear.default, (x, graph.get_attr(f"columns{number}"))),))
        )
        start += size
    unpack = torch.ops.onebit.unpack.default
    if not words:
        parts = [call(unpack, (part, size)) for part, size in zip(parts, sizes, strict=True)]
    result = call(aten.cat.default, (parts, dim))
    graph.output(call(unpack, (result, total)) if words else result)
    return PackedModel(fx.GraphModule(root, graph), InputSpec((None, total), torch.float32))


@pytest.mark.parametrize(("sizes", "words"), [((64, 128, 5), True), ((64, 64), True), ((7, 64, 3), False)])
def test_what_is_joined_is_written_and_read(sizes, words, tmp_path):
    packed = joined(*sizes, words=words)
    x = torch.randn(4, sum(sizes), generator=torch.Generator().manual_seed(0))
    packed.save(tmp_path / "model.onnx")
    for run in (packed, load(tmp_path / "model.onnx"), OrtSession(tmp_path / "model.onnx", native=False)):
        assert torch.equal(run(x), torch.where(x < 0, -1.0, 1.0))


@pytest.mark.parametrize(("sizes", "words", "dim"), [((7, 64), True, 1), ((64, 64), True, 0), ((64, 64), False, 0)])
def test_words_are_joined_whole_and_batches_never(sizes, words, dim, tmp_path):
    with pytest.raises(ConversionError, match=r"aten\.cat\.default.*expected|batch"):
        joined(*sizes, words=words, dim=dim).save(tmp_path / "model.onnx")


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
        ([(aten.reshape.default, [[-1, 1, 70]]), (aten.linear.default, [SQUARE, BUFFER])], r"expected \(N, features\)"),
        ([IMAGE, (aten.max_pool2d.default, [[2, 2], [2, 2], [0, 0], [1, 1], True])], r"ceil_mode=True"),
        ([IMAGE, (aten.avg_pool2d.default, [[2, 2], [2, 2], [0, 0], True])], r"has ceil_mode"),
    ],
)
def test_what_onnx_cannot_say_is_refused(calls, match, tmp_path):
    with pytest.raises(ConversionError, match=match):
        model(*calls).save(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_every_allowed_float_operator_has_a_writer_and_a_case():
    assert set(WRITERS) == FLOAT_TARGETS
    assert {str(target) for target, *_ in CASES.values()} == FLOAT_TARGETS - ALONE
