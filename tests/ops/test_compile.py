"""opcheck, torch.compile and torch.export see the operators as torch's own: one graph, no break, dynamic batch."""

from __future__ import annotations

import io

import pytest
import torch

from onebit import ops
from onebit.bits import pack

N, K = 70, 130
NAMES = ["pack", "unpack", "pack_weights", "unpack_weights"]
NAMES += [f"{family}_{output}" for family in ("dense", "dense_u8") for output in ("int32", "float", "bits")]


def arguments(name: str) -> tuple[object, ...]:
    x, rows = torch.randn(3, 2, K), pack(torch.randn(N, K)).words
    weights = (ops.pack_weights(rows, K), N, K)
    plain = {"pack": (x,), "unpack": (pack(x).words, K), "pack_weights": (rows, K), "unpack_weights": weights}
    if name in plain:
        return plain[name]
    operand = torch.randint(0, 256, x.shape, dtype=torch.uint8) if "u8" in name else pack(x).words
    epilogues = {
        "int32": (),
        "float": (torch.randn(N), torch.randn(N)),
        "bits": (torch.zeros(N, dtype=torch.int32), torch.ones(N, dtype=torch.int8)),
    }
    return (operand, *weights, *epilogues[name.split("_")[-1]])


class Net(torch.nn.Module):
    """uint8 pixels -> bits -> bits -> float: what a converted network looks like."""

    def __init__(self, public: bool) -> None:
        super().__init__()
        self.calls = ops if public else torch.ops.onebit
        generator = torch.Generator().manual_seed(7)
        for layer, (n, k) in enumerate(((N, K), (N, N), (10, N))):
            rows = pack(torch.randn(n, k, generator=generator)).words
            self.register_buffer(f"weights{layer}", ops.pack_weights(rows, k))
        self.register_buffer("threshold", torch.randint(-9, 9, (N,), generator=generator, dtype=torch.int32))
        self.register_buffer("direction", torch.ones(N, dtype=torch.int8))
        self.register_buffer("scale", torch.rand(10, generator=generator))
        self.register_buffer("bias", torch.rand(10, generator=generator))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.calls.dense_u8_bits(x, self.weights0, N, K, self.threshold, self.direction)
        x = self.calls.pack(self.calls.unpack(x, N))
        x = self.calls.dense_bits(x, self.weights1, N, N, self.threshold, self.direction)
        return self.calls.dense_float(x, self.weights2, 10, N, self.scale, self.bias)


def batch(m: int) -> torch.Tensor:
    return torch.randint(0, 256, (m, K), dtype=torch.uint8, generator=torch.Generator().manual_seed(m))


@pytest.mark.parametrize("name", NAMES)
def test_opcheck_passes(name):
    torch.library.opcheck(getattr(torch.ops.onebit, name).default, arguments(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_fake_tells_the_shape_and_dtype(name):
    given = arguments(name)
    real = getattr(torch.ops.onebit, name)(*given)
    fake = getattr(torch.ops.onebit, name)(*(g.to("meta") if isinstance(g, torch.Tensor) else g for g in given))
    assert (fake.shape, fake.dtype, fake.stride()) == (real.shape, real.dtype, real.stride())


@pytest.mark.parametrize("public", [False, True], ids=["torch.ops", "onebit.ops"])
def test_the_compiled_network_is_one_graph_for_every_batch(public):
    torch._dynamo.reset()
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph

    net = Net(public)
    compiled = torch.compile(net, fullgraph=True, dynamic=True, backend=backend)
    for m in (4, 2, 33):
        assert torch.equal(compiled(batch(m)), net(batch(m)))
    assert len(graphs) == 1


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch's own, while it imports inductor
def test_inductor_runs_the_operators():
    torch._dynamo.reset()
    net = Net(public=False)
    compiled = torch.compile(net, fullgraph=True)
    assert torch.equal(compiled(batch(4)), net(batch(4)))


def test_a_wrong_shape_is_found_while_tracing():
    torch._dynamo.reset()
    compiled = torch.compile(Net(public=True), fullgraph=True, backend="eager")
    with pytest.raises(Exception, match=rf"dense_u8_bits: x has shape \(4, {K - 1}\); expected \(\.\.\., {K}\)"):
        compiled(batch(4)[:, 1:])


def test_export_round_trips_with_a_dynamic_batch():
    net = Net(public=True)
    exported = torch.export.export(net, (batch(4),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    called = [node.target for node in exported.graph.nodes if node.op == "call_function"]
    assert torch.ops.onebit.dense_u8_bits.default in called
    file = io.BytesIO()
    torch.export.save(exported, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    for m in (2, 4, 33):
        assert torch.equal(loaded(batch(m)), net(batch(m)))
