"""The functions of chains: what they take and give, and what stays outside of them."""

from __future__ import annotations

import onnx
import torch
from torch import fx, nn

from onebit import bits, ops
from onebit.export._chain_functions import NAMES
from onebit.export._onnx import to_onnx
from onebit.runtime import InputSpec, OrtSession, PackedModel, load

onebit_ops, aten = torch.ops.onebit, torch.ops.aten


def regrouping_model() -> PackedModel:
    """float (N, 2, 35) -> rows of 70, packed -> two layers -> (N, 5, 13), read as it is and in another shape."""
    generator, root, graph = torch.Generator().manual_seed(0), nn.Module(), fx.Graph()
    scale = torch.ones(65)
    for name, (n, k) in {"first": (64, 70), "second": (65, 64)}.items():
        root.register_buffer(name, ops.pack_weights(bits.pack(torch.randn(n, k, generator=generator)).words, k))
    for name, value in {
        "threshold": torch.zeros(64, dtype=torch.int32),
        "direction": torch.ones(64, dtype=torch.int8),
        "scale": scale,
    }.items():
        root.register_buffer(name, value)
    x = graph.call_function(aten.reshape.default, (graph.placeholder("x"), [-1, 70]))
    words = graph.call_function(onebit_ops.pack.default, (x,))
    channels = (graph.get_attr("threshold"), graph.get_attr("direction"))
    words = graph.call_function(onebit_ops.dense_bits.default, (words, graph.get_attr("first"), 64, 70, *channels))
    floats = (graph.get_attr("scale"), graph.get_attr("scale"))  # one tensor in two places
    y = graph.call_function(onebit_ops.dense_float.default, (words, graph.get_attr("second"), 65, 64, *floats))
    wide = graph.call_function(aten.reshape.default, (y, [-1, 5, 13]))
    sums = graph.call_function(aten.sum.dim_IntList, (wide, [2]))
    first = graph.call_function(aten.sum.dim_IntList, (y, [1], True))
    graph.output(graph.call_function(aten.add.Tensor, (sums, first)))
    return PackedModel(fx.GraphModule(root, graph), InputSpec((None, 2, 35), torch.float32))


def test_a_chain_takes_and_gives_values_in_the_shapes_that_the_graph_has(tmp_path):
    packed = regrouping_model()
    model = to_onnx(packed.graph_module, packed.input_spec)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Chain1", "Reshape", "ReduceSum", "ReduceSum", "Add"]
    assert [node.op_type for node in model.functions[-1].node] == [
        "Constant", "Reshape", "Pack", "DenseBits", "DenseFloat",
    ]  # fmt: skip
    packed.save(tmp_path / "model.onnx")
    x = torch.randn(4, 2, 35, generator=torch.Generator().manual_seed(1))
    for run in (load(tmp_path / "model.onnx"), *(OrtSession(tmp_path / "model.onnx", native=n) for n in (True, False))):
        torch.testing.assert_close(run(x), packed(x))


def test_a_loaded_model_saves_the_same_bytes(tmp_path):
    regrouping_model().save(tmp_path / "first.onnx")
    load(tmp_path / "first.onnx").save(tmp_path / "second.onnx")
    assert (tmp_path / "second.onnx").read_bytes() == (tmp_path / "first.onnx").read_bytes()


def test_chains_beyond_the_last_name_stay_operator_by_operator(packed_mlp, monkeypatch):
    monkeypatch.setattr("onebit.export._onnx.NAMES", NAMES[:0])
    packed = packed_mlp()
    model = to_onnx(packed.graph_module, packed.input_spec)
    assert [node.op_type for node in model.graph.node] == ["DenseU8Bits", "DenseBits", "DenseFloat"]
