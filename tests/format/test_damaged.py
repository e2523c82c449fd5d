"""Each MUST of the file has a file here that breaks it: load refuses, and says what is wrong in which file."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from onebit._errors import FormatError
from onebit.runtime import load


@pytest.fixture
def path(packed_mlp, tmp_path):
    packed_mlp().save(tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def refused(path, match: str) -> None:
    with pytest.raises(FormatError, match=match) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")


def broken(path, change: Callable[[onnx.ModelProto], object], match: str) -> None:
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())
    refused(path, match)


def chain_of(model: onnx.ModelProto) -> onnx.FunctionProto:
    return next(function for function in model.functions if function.name == "Chain1")


def node_of(model: onnx.ModelProto, op_type: str = "DenseBits") -> onnx.NodeProto:
    return next(node for node in chain_of(model).node if node.op_type == op_type)


def tensor_of(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name == f"{name}.value")


def set_size(model: onnx.ModelProto, name: str, value: int) -> None:
    next(a for a in node_of(model).attribute if a.name == name).i = value


def set_tensor(model: onnx.ModelProto, name: str, value: torch.Tensor) -> None:
    tensor_of(model, name).CopyFrom(numpy_helper.from_array(value.numpy(), f"{name}.value"))


def test_a_file_cut_anywhere_is_refused(path):
    data = path.read_bytes()
    cuts = {*range(64), *range(0, len(data), max(1, len(data) // 150)), *range(len(data) - 64, len(data))}
    for cut in sorted(cuts):
        path.write_bytes(data[:cut])
        refused(path, "truncated|missing|is damaged")


def test_a_file_cut_between_two_of_its_parts_is_refused(path):
    """Protocol buffers do not know their own length: these cuts parse without an error."""
    whole = onnx.load(path)
    for last in ("graph", "opset_import", "metadata_props", "functions"):
        cut = onnx.ModelProto()
        cut.CopyFrom(whole)
        for field in ("opset_import", "metadata_props", "functions"):
            if last == "graph" or (last == "opset_import" and field != "opset_import") or field == "functions":
                cut.ClearField(field)
        if last == "functions":
            cut.functions.extend(whole.functions[:-1])
        path.write_bytes(cut.SerializeToString())
        refused(path, "truncated")


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n", b"PK\x03\x04 a zip file", b"{}", bytes(1000)])
def test_a_file_of_another_kind_is_refused(path, data):
    path.write_bytes(data)
    refused(path, "is not an ONNX file|holds no ONNX graph|without operators of domain")


def test_an_onnx_file_of_another_program_is_told_to_be_converted(path):
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", 3])],
    )
    onnx.save(helper.make_model(graph, producer_name="pytorch"), path)
    refused(path, "is an ONNX file by pytorch without operators of domain 'onebit'.*onebit.convert")


@pytest.mark.parametrize("version", [0, 2])
def test_another_version_of_the_domain_is_refused(path, version):
    def change(model):
        next(o for o in model.opset_import if o.domain == "onebit").version = version

    broken(path, change, f"uses version {version} of domain 'onebit'; this onebit knows version 1")


def test_another_opset_is_refused(path):
    broken(path, lambda m: setattr(m.opset_import[0], "version", 7), "opset 7; onebit writes opset 18")


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("k", 64, r"layers.1 \(onebit::DenseBits\): 'weights1.value' is no .*weights has shape \(2240,\).*\(1152,\)"),
        ("k", 66, "'weights1.value' is no handle for n=130 and k=66: .*the weights were not made by"),
        ("k", 128, "'weights1.value' is no handle for n=130 and k=128"),
        ("k", 0, "expected positive integers"),
        ("n", 131, "'weights1.value' is no handle for n=131 and k=65"),
        ("n", -1, "expected positive integers"),
    ],
)
def test_a_wrong_size_is_refused(path, name, value, match):
    broken(path, lambda m: set_size(m, name, value), match)


def test_a_missing_attribute_is_refused(path):
    broken(path, lambda m: node_of(m).attribute.pop(), "layers.1 .* has attributes .*expected positive integers")


def test_a_missing_initializer_is_named(path):
    broken(path, lambda m: m.graph.initializer.remove(tensor_of(m, "weights1")), "initializer 'weights1.value', which")


def test_an_initializer_given_twice_is_refused(path):
    broken(path, lambda m: m.graph.initializer.append(m.graph.initializer[0]), "two initializers called")


def test_an_initializer_with_too_few_bytes_is_refused(path):
    def change(model):
        tensor = tensor_of(model, "weights1")
        tensor.raw_data = tensor.raw_data[:-1]

    broken(path, change, "initializer 'weights1.value' is damaged")


def test_data_in_another_file_is_never_read(path):
    def change(model):
        tensor = tensor_of(model, "weights1")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../../etc/passwd")

    broken(path, change, "keeps 'weights1.value' in another file")


@pytest.mark.parametrize(
    ("at", "match"),
    [
        (64 + 64 * 2 + 64 + 8, "has bits set where there are no weights"),  # bit 64 + 2 of channel 9: k is 65
        (-(64 - 8 * 3), "has bits set where there are no weights"),  # channel 128 + 3 of 130
        (0, "the weights were not made by"),  # the magic
        (40, "has bits set where there are no weights"),  # the zeros of the header
    ],
)
def test_a_handle_with_a_wrong_bit_is_refused(path, at, match):
    def change(model):
        handle = torch.tensor(numpy_helper.to_array(tensor_of(model, "weights1")))
        handle[at] ^= 1 << 2
        set_tensor(model, "weights1", handle)

    broken(path, change, f"'weights1.value'.*{match}")


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        (
            "threshold1",
            torch.zeros(129, dtype=torch.int32),
            r"\(threshold\) is torch.int32 \(129,\); expected .*\(130,\)",
        ),
        ("threshold1", torch.zeros(130), r"\(threshold\) is torch.float32"),
        ("direction1", torch.zeros(130, dtype=torch.int8), r"values other than \+1 and -1"),
        ("scale2", torch.ones(1), r"\(scale\) is torch.float32 \(1,\); expected torch.float32 \(10,\)"),
    ],
)
def test_wrong_channel_values_are_refused(path, name, value, match):
    broken(path, lambda m: set_tensor(m, name, value), match)


def test_an_unknown_operator_of_the_domain_is_refused(path):
    def change(model):
        node_of(model).op_type = "DenseTernary"
        next(f for f in model.functions if f.name == "DenseBits").name = "DenseTernary"

    broken(path, change, "unknown operator; known: Pack, PackNchw")


def test_an_unknown_float_operator_is_refused_with_the_near_miss(path):
    def change(model):
        model.graph.node.append(helper.make_node("Relu6", ["output"], ["clipped"]))
        model.graph.output[0].name = "clipped"

    broken(path, change, "'Relu6'. Did you mean 'Relu'")


def test_a_node_of_a_third_domain_is_refused(path):
    broken(path, lambda m: setattr(node_of(m), "domain", "com.microsoft"), "truncated|not one that onebit writes")


def test_a_definition_too_many_is_refused(path):
    broken(path, lambda m: m.functions.append(m.functions[0]), "every used one must be defined once")


def test_a_definition_of_another_name_is_refused(path):
    broken(path, lambda m: setattr(m.functions[0], "name", "DenseInt32"), "but defines .*DenseInt32")


def test_nodes_out_of_order_are_refused(path):
    def change(model):
        nodes = [chain_of(model).node[i] for i in (1, 0, 2)]
        copied = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
        del chain_of(model).node[:]
        chain_of(model).node.extend(copied)

    broken(path, change, "layers.1 .* reads 'dense_u8_bits_default.out', which nothing before it computes")


def test_a_chain_that_tells_the_library_something_else_is_refused(path):
    def change(at: int) -> Callable[[onnx.ModelProto], object]:
        return lambda model: model.graph.node[0].attribute[0].ints.__setitem__(at, 7)

    model = onnx.load(path)
    for at in range(0, len(model.graph.node[0].attribute[0].ints), 5):
        onnx.save(model, path)
        if model.graph.node[0].attribute[0].ints[at] != 7:
            broken(path, change(at), "tells the library other steps than its definition has")
    onnx.save(model, path)
    broken(path, lambda m: m.graph.node[0].attribute.pop(), "tells the library other steps")


def test_a_chain_with_other_ends_than_its_definition_is_refused(path):
    broken(path, lambda m: m.graph.node[0].input.pop(), "has other inputs or outputs than its definition")


def test_a_chain_that_runs_twice_is_refused(path):
    def change(model):
        copied = model.graph.node.add()
        copied.CopyFrom(model.graph.node[0])
        copied.output[0] = "again"

    broken(path, change, "more than once")


def test_an_output_that_nothing_computes_is_refused(path):
    broken(path, lambda m: setattr(m.graph.output[0], "name", "elsewhere"), r"has outputs \['elsewhere'\]")


def test_a_second_input_is_refused(path):
    broken(path, lambda m: m.graph.input.append(helper.make_tensor_value_info("y", 1, [1])), "expected one tensor")


def test_a_fixed_batch_is_refused(path):
    def change(model):
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1

    broken(path, change, "expected None .the batch. first")


def test_an_input_of_another_type_is_refused(path):
    def change(model):
        model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE

    broken(path, change, "expected uint8, int8 or float32")


@pytest.mark.parametrize("name", ["class", "forward", "graph", "a b; import os", "\u00e9t\u00e9", "0", "training", "x"])
def test_names_in_the_file_are_only_names(path, packed_mlp, name):
    """Names become attributes and variables of generated Python, so they must never be read as code."""
    model = onnx.load(path)
    tensor_of(model, "weights1").name = name
    (chain,) = model.graph.node
    chain.input[list(chain.input).index("weights1.value")] = name
    node_of(model).output[0] = name + ".out"
    node_of(model, "DenseFloat").input[0] = name + ".out"
    path.write_bytes(model.SerializeToString())
    x = torch.randint(0, 256, (3, 70), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(load(path)(x), packed_mlp()(x))


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("onebit.classes", '["cat", "dog"]', "2 classes are named, but the network has"),
        ("onebit.classes", '["cat", "cat"]', "expected names, each another one"),
        ("onebit.classes", "cat", "damaged metadata"),
        ("onebit.keep", "2", "expected a share"),
    ],
)
def test_wrong_facts_are_refused(path, key, value, match):
    broken(path, lambda m: m.metadata_props.add(key=key, value=value), match)
