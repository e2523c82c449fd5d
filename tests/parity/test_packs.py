"""Every form of pack as a packed model: torch, ONNX Runtime with our kernels, ONNX Runtime with the definitions."""

from __future__ import annotations

import pytest
import torch
from torch import fx, nn

from onebit import bits, load
from onebit.export._operators import OPERATORS
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
