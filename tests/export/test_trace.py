"""What is and what is not a packed graph."""

from __future__ import annotations

import pytest
import torch
from torch import fx, nn

from onebit import ops
from onebit._errors import ConversionError
from onebit.runtime import InputSpec, PackedModel

aten, onebit = torch.ops.aten, torch.ops.onebit


def model(build, features: int = 70, dtype: torch.dtype = torch.float32) -> PackedModel:
    """build(graph, x) -> the node that is the output."""
    root, graph = nn.Module(), fx.Graph()
    root.register_buffer("weights", ops.pack_weights(torch.zeros(65, 2, dtype=torch.int64), 70))
    graph.output(build(graph, graph.placeholder("x")))
    return PackedModel(fx.GraphModule(root, graph), InputSpec((None, features), dtype))


def packed(graph, x):
    return graph.call_function(onebit.pack.default, (x,))


def test_an_unknown_operator_is_named_with_the_near_miss():
    with pytest.raises(ConversionError, match=r"'aten.relu6.default'. Did you mean 'aten.relu.default'"):
        model(lambda graph, x: graph.call_function(aten.relu6.default, (x,)))


def test_methods_and_modules_are_refused():
    with pytest.raises(ConversionError, match="functions only, not call_method 'relu'"):
        model(lambda graph, x: graph.call_method("relu", (x,)))


def test_packed_bits_are_never_read_as_numbers():
    with pytest.raises(ConversionError, match="takes numbers, but pack_default gives packed bits"):
        model(lambda graph, x: graph.call_function(aten.relu.default, (packed(graph, x),)))


def test_regrouped_words_stay_packed_and_their_tails_become_signs():
    def build(features):
        def inner(graph, x):
            images = graph.call_function(aten.reshape.default, (x, [-1, 2, 2, 70]))
            words = graph.call_function(aten.flatten.using_ints, (packed(graph, images), 1))
            return graph.call_function(onebit.unpack.default, (words, features))

        return inner

    assert model(build(2 * 2 * 128), features=280).values["unpack_default"].shape == (512,)
    with pytest.raises(ConversionError, match="has k=280, but flatten_using_ints gives 512 bits"):
        model(build(280), features=280)


def test_numbers_are_never_read_as_packed_bits():
    with pytest.raises(ConversionError, match="takes packed bits, but x gives numbers"):
        model(lambda graph, x: graph.call_function(onebit.unpack.default, (x, 70)))


def test_k_is_the_count_that_was_packed():
    def build(graph, x):
        return graph.call_function(onebit.dense_int32.default, (packed(graph, x), graph.get_attr("weights"), 65, 70))

    assert model(build, features=70).layers()[1].k == 70
    with pytest.raises(
        ConversionError, match="has k=70, but pack_default gives 71 bits"
    ):  # 71 bits have the same words
        model(build, features=71)


def test_the_output_is_numbers():
    with pytest.raises(ConversionError, match="takes numbers, but pack_default gives packed bits"):
        model(packed)


def test_a_batch_baked_into_a_shape_is_found():
    with pytest.raises(ConversionError, match=r"gives \(5, 42\) for a batch of 3; dimension 0 must stay the batch"):
        model(lambda graph, x: graph.call_function(aten.reshape.default, (x, [5, 42])))


def test_a_missing_buffer_is_named(packed_mlp):
    packed = packed_mlp()
    del packed.graph_module.weights1
    with pytest.raises(ConversionError, match="reads 'weights1', which the module does not have"):
        PackedModel(packed.graph_module, packed.input_spec)


def test_a_graph_that_computes_nothing_is_refused():
    with pytest.raises(ConversionError, match="one output from one input"):
        model(lambda _, x: x)


def test_two_inputs_are_refused():
    with pytest.raises(ConversionError, match="one output from one input"):
        model(lambda graph, x: graph.call_function(aten.add.Tensor, (x, graph.placeholder("second"))))


def test_sizes_that_do_not_fit_the_weights_are_refused():
    def build(graph, x):
        return graph.call_function(onebit.dense_int32.default, (packed(graph, x), graph.get_attr("weights"), 9000, 70))

    with pytest.raises(ConversionError, match="dense_int32"):
        model(build)
