from __future__ import annotations

import copy

import pytest
import torch

from onebit import bits, ops
from onebit._errors import DtypeError, ShapeError
from onebit.bits import _reference
from onebit.runtime import PackedModel


def reference(packed, x: torch.Tensor) -> torch.Tensor:
    """The model of packed_mlp by the definitions: unpacked, float64, layer by layer."""
    module, value = packed.graph_module, x
    for layer, info in enumerate(packed.layers()):
        rows = ops.unpack_weights(getattr(module, f"weights{layer}"), info.n, info.k)
        roles = ("threshold", "direction") if info.operator.endswith("bits") else ("scale", "bias")
        channels = [getattr(module, f"{role}{layer}") for role in roles]
        value = getattr(_reference, info.operator)(value, bits.Packed(rows, info.k), *channels)
    return value


def test_the_model_is_the_reference(packed_mlp):
    packed = packed_mlp()
    for batch in (0, 1, 3, 64):
        x = torch.randint(0, 256, (batch, 70), dtype=torch.uint8, generator=torch.Generator().manual_seed(batch))
        assert torch.equal(packed(x), reference(packed, x))


def test_a_copy_of_the_model_describes_itself(packed_mlp):
    packed = packed_mlp()
    assert copy.deepcopy(packed).layers() == packed.layers()


def test_the_model_follows_its_buffers(packed_mlp):
    """Whatever replaces them: a state dict, a copy to another device, a new buffer."""
    packed, other, x = packed_mlp(seed=1), packed_mlp(seed=2), torch.randint(0, 256, (3, 70), dtype=torch.uint8)
    assert not torch.equal(packed(x), other(x))
    packed.load_state_dict(other.state_dict())
    assert torch.equal(packed(x), other(x))
    moved = copy.deepcopy(packed)
    moved.to(torch.device("meta"))
    assert moved(x.to("meta")).is_meta
    packed.graph_module.register_buffer("bias2", packed.graph_module.bias2 + 1)
    assert torch.equal(packed(x), packed.graph_module(x))
    assert not torch.equal(packed(x), other(x))


def test_a_graph_may_read_the_buffers_of_its_parts(packed_mlp):
    packed, x = packed_mlp(), torch.randint(0, 256, (3, 70), dtype=torch.uint8)
    module, part = copy.deepcopy(packed.graph_module), torch.nn.Module()
    part.register_buffer("bias", module.bias2)
    module.add_module("part", part)
    for node in module.graph.nodes:
        if node.op == "get_attr" and node.target == "bias2":
            node.target = "part.bias"
    module.recompile()
    del module.bias2
    assert torch.equal(PackedModel(module, packed.input_spec)(x), packed(x))


def test_the_weights_are_held_once_at_one_bit(packed_mlp):
    packed = packed_mlp((784, 1024, 10))
    held = sum(tensor.numel() * tensor.element_size() for tensor in packed.state_dict().values())
    assert held < (784 * 1024 + 1024 * 10) / 8 * 1.2


def test_a_float_image_is_refused_with_advice(packed_mlp):
    with pytest.raises(DtypeError, match=r"raw 0..255 pixels as uint8, without normalisation"):
        packed_mlp()(torch.zeros(1, 70))


def test_a_wrong_shape_is_refused(packed_mlp):
    with pytest.raises(ShapeError, match=r"takes \(N, 70\) uint8, got shape \(1, 71\)"):
        packed_mlp()(torch.zeros(1, 71, dtype=torch.uint8))


def test_layers_say_what_runs(packed_mlp):
    first, hidden, last = packed_mlp().layers()
    assert (first.operator, first.bits_in, first.bits_out) == ("dense_u8_bits", "u8", "1")
    assert (hidden.n, hidden.k, hidden.macs, hidden.bits_in) == (130, 65, 65 * 130, "1")
    assert (last.name, last.note, last.bits_out) == ("layers.2", "layer 2 is exact", "f32")


@pytest.mark.parametrize("isa", ops.native.available_isas("dense"))
def test_the_kernel_that_is_named_is_the_one_that_runs(packed_mlp, isa):
    packed = packed_mlp()
    with ops.native.force(isa):
        packed(packed.input_spec.example(2))
        bytes_isa = ops.native.active("dense_u8")  # amx leaves it to another
        assert packed.kernels() == {"dense": isa, "dense_u8": bytes_isa}
        assert {layer.kernel for layer in packed.layers()} == {isa, bytes_isa}
        assert (ops.native.ran("dense"), ops.native.ran("dense_u8")) == (isa, bytes_isa)


def test_explain_is_an_aligned_table_with_totals(packed_mlp):
    lines = packed_mlp().explain().splitlines()
    assert lines.pop() == "On the CPU one call of the library runs the 3 operators from layers.0 to layers.2."
    assert [line.split()[0] for line in lines] == ["layer", "layers.0", "layers.1", "layers.2", "total"]
    column = lines[0].index("operator")
    assert all(line[column - 1] == " " for line in lines)
    assert f"{70 * 65 + 65 * 130 + 130 * 10:,}" in lines[-1]
    assert "100.0 % of the MACs are binary" in lines[-1]
