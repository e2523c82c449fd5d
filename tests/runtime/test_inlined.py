"""Files with their chains opened: the same operators in the same order, and names that stay apart."""

from __future__ import annotations

import onnx
import pytest
import torch
from onnx import helper

from onebit._errors import FormatError
from onebit.runtime import load
from onebit.runtime._inlined import check_functions, inlined, without_chains


@pytest.fixture
def model(packed_mlp, tmp_path):
    packed_mlp().save(tmp_path / "model.onnx")
    return onnx.load(tmp_path / "model.onnx")


def test_a_chain_gives_its_operators_in_order(model):
    found = [(node.op_type, chain) for node, chain in inlined(model)]
    assert found == [("DenseU8Bits", "Chain1"), ("DenseBits", "Chain1"), ("DenseFloat", "Chain1")]


def test_a_model_without_chains_is_valid_and_loads_to_the_same_numbers(model, packed_mlp, tmp_path):
    opened = without_chains(model)
    check_functions(opened)
    onnx.checker.check_model(opened, full_check=True)
    onnx.save(opened, tmp_path / "opened.onnx")
    x = torch.randint(0, 256, (3, 70), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(load(tmp_path / "opened.onnx")(x), packed_mlp()(x))


def test_names_of_a_chain_that_the_graph_has_too_stay_apart(model):
    chain = model.functions[-1]
    inner = chain.node[0].output[0]
    model.graph.node.append(helper.make_node("Relu", ["output"], [inner]))
    names = [name for node, _ in inlined(model) for name in node.output]
    assert len(names) == len(set(names)) == 4
    assert f"Chain1.{inner}" in names


def test_a_chain_inside_a_chain_is_refused(model):
    model.functions[-1].node.append(model.graph.node[0])
    with pytest.raises(FormatError, match="inside of chains"):
        check_functions(model)
