"""The file: small, standard, readable by a person, one node for each node of the graph."""

from __future__ import annotations

import onnx
import torch

import onebit
from onebit.export._onnx import to_onnx
from onebit.export._operators import BY_ONNX_NAME


def model_of(packed) -> onnx.ModelProto:
    return to_onnx(packed.graph_module, packed.input_spec)


def test_the_mlp_of_the_paper_is_under_5_megabytes(packed_mlp, tmp_path):
    packed = packed_mlp((784, 4096, 4096, 4096, 10))
    packed.save(tmp_path / "mlp.onnx")
    parameters = 784 * 4096 + 2 * 4096 * 4096 + 4096 * 10
    assert parameters / 8 < (tmp_path / "mlp.onnx").stat().st_size < 5_000_000


def test_the_model_is_valid_onnx_with_shapes_that_infer(packed_mlp):
    onnx.checker.check_model(model_of(packed_mlp()), full_check=True)


def test_a_chain_is_one_node_whose_function_has_its_operators_one_to_one(packed_mlp):
    model = model_of(packed_mlp())
    (node,), chain = model.graph.node, model.functions[-1]
    assert (node.domain, node.op_type, node.name) == ("onebit", "Chain1", "layers.0 to layers.2")
    assert (chain.name, list(chain.input), list(chain.output)) == ("Chain1", list(node.input), list(node.output))
    assert [(node.domain, node.op_type, node.name, node.doc_string) for node in chain.node] == [
        ("onebit", "DenseU8Bits", "layers.0", "layer 0 is exact"),
        ("onebit", "DenseBits", "layers.1", "layer 1 is exact"),
        ("onebit", "DenseFloat", "layers.2", "layer 2 is exact"),
    ]


def test_a_lone_operator_is_a_node_of_the_graph(packed_mlp):
    model = model_of(packed_mlp((70, 10)))
    assert [(node.op_type, node.name) for node in model.graph.node] == [("DenseU8Float", "layers.0")]
    assert [function.name for function in model.functions] == ["DenseU8Float"]


def test_each_used_operator_is_defined_once_and_no_other(packed_mlp):
    *operators, chain = model_of(packed_mlp()).functions
    assert [f.name for f in operators] == ["DenseFloat", "DenseBits", "DenseU8Bits"]
    assert {node.domain for node in chain.node} == {"onebit"}
    for function in operators:
        assert list(function.input) == list(BY_ONNX_NAME[function.name].inputs)
        assert {node.domain for node in function.node} == {""}


def test_the_file_says_what_made_it_and_what_it_takes(packed_mlp):
    model = model_of(packed_mlp())
    assert (model.producer_name, model.producer_version) == ("onebit", onebit.__version__)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts["onebit.input"] == "(N, 70) uint8"
    assert facts["onebit.operators"] == "DenseBits DenseFloat DenseU8Bits"
    batch, features = model.graph.input[0].type.tensor_type.shape.dim
    assert (batch.dim_param, features.dim_value) == ("N", 70)


def test_weights_are_the_handle_that_the_kernels_stream(packed_mlp):
    packed = packed_mlp()
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model_of(packed).graph.initializer}
    assert torch.equal(torch.tensor(stored["weights1.value"]), packed.graph_module.weights1)


def test_edges_between_chains_are_annotated_with_the_bytes_that_flow(packed_mlp):
    assert list(model_of(packed_mlp()).graph.value_info) == []  # nothing flows outside of the chain
    packed = packed_mlp((70, 65, 70, 130, 10))
    graph = packed.graph_module.graph
    _, middle, last, _ = [node for node in graph.nodes if node.op == "call_function"]
    with graph.inserting_after(middle):  # no chain goes through numbers
        signs = graph.call_function(torch.ops.onebit.unpack.default, (middle, 70))
    with graph.inserting_after(signs):
        last.args = (graph.call_function(torch.ops.onebit.pack.default, (signs,)), *last.args[1:])
    packed.graph_module.recompile()
    model = model_of(packed)
    assert [node.op_type for node in model.graph.node] == ["Chain1", "Unpack", "Chain2"]
    sizes = [[d.dim_param or d.dim_value for d in info.type.tensor_type.shape.dim] for info in model.graph.value_info]
    assert sizes == [["N", 16], ["N", 70]]  # 70 bits are 2 words
    onnx.checker.check_model(model, full_check=True)
