"""opcheck, torch.compile and torch.export see the operators as torch's own: one graph, no break, dynamic batch."""

from __future__ import annotations

import io

import pytest
import torch
from torch.utils._pytree import tree_map_only

from onebit import ops
from onebit.bits import pack

N, K = 70, 130
NAMES = ["pack", "pack_nchw", "pack_threshold", "pack_nchw_threshold", "unpack", "pack_weights", "unpack_weights"]
FAMILIES = ("dense", "dense_u8", "dense_s8", "conv2d", "conv2d_u8", "conv2d_s8")
NAMES += [f"{family}_{output}" for family in FAMILIES for output in ("int32", "float", "bits", "fused", "both")]
NAMES += ["pack_conv_weights", "unpack_conv_weights", "max_pool2d"]


def arguments(name: str) -> tuple[object, ...]:
    x, rows = torch.randn(3, 2, K), pack(torch.randn(N, K)).words
    weights = (ops.pack_weights(rows, K), N, K)
    if "conv" in name or "pool" in name:
        return conv_arguments(name)
    if name.startswith("pack") and name != "pack_weights":
        c = x.shape[1 if "nchw" in name else -1]
        return (x, torch.randn(c), torch.ones(c, dtype=torch.int8)) if "threshold" in name else (x,)
    plain = {"unpack": (pack(x).words, K), "pack_weights": (rows, K), "unpack_weights": weights}
    if name in plain:
        return plain[name]
    return (some_bytes(name, x.shape) if "8" in name else pack(x).words, *weights, *epilogue(name))


def some_bytes(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8).view(torch.uint8 if "u8" in name else torch.int8)


def epilogue(name: str) -> tuple[object, ...]:
    shape = (2, 4, 5, N) if "conv" in name else (3, 2, N)
    steps = (torch.randn(N), torch.randn(N), [torch.zeros(N), torch.ones(N)], [torch.randn(*shape)], True)
    return {
        "fused": steps,
        "both": (*steps, torch.randn(N), torch.ones(N, dtype=torch.int8)),
        "int32": (),
        "float": (torch.randn(N), torch.randn(N)),
        "bits": (torch.zeros(N, dtype=torch.int32), torch.ones(N, dtype=torch.int8)),
    }[name.split("_")[-1]]


def conv_arguments(name: str) -> tuple[object, ...]:
    """Two groups, every list with values of its own, so that none can be taken for another."""
    x, rows = pack(torch.randn(2, 7, 6, K)).words, pack(torch.randn(N, 3, 2, K // 2)).words
    weights = ops.pack_conv_weights(rows, K, 2, [3, 2])
    if name == "max_pool2d":
        return x, K, [3, 2], [2, 1], [1, 2, 0, 1], pack(torch.randn(K)).words
    if "weights" in name:
        return (weights, N, K, 2, [3, 2]) if name.startswith("un") else (rows, K, 2, [3, 2])
    sizes = (N, K, [3, 2], [2, 1], [1, 2, 0, 1], [1, 2], 2, -1)
    if "8" not in name:
        return (x, weights, *sizes, *epilogue(name))
    return (some_bytes(name, (2, 7, 6, K)), weights, *sizes, 2, -255, *epilogue(name))


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
    fake = getattr(torch.ops.onebit, name)(*tree_map_only(torch.Tensor, lambda tensor: tensor.to("meta"), given))
    pairs = zip(fake, real, strict=True) if name.endswith("both") else [(fake, real)]
    for one, other in pairs:
        assert (one.shape, one.dtype, one.stride()) == (other.shape, other.dtype, other.stride())


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


class ConvNet(torch.nn.Module):
    """NCHW pixels -> bits -> pooled bits -> sums: any batch, height and width."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        for layer, (n, c) in enumerate(((K, 3), (N, K))):
            rows = pack(torch.randn(n, 3, 3, c, generator=generator)).words
            self.register_buffer(f"weights{layer}", ops.pack_conv_weights(rows, c, 1, [3, 3]))
        self.register_buffer("threshold", torch.randint(-9, 9, (K,), generator=generator, dtype=torch.int32))
        self.register_buffer("direction", torch.ones(K, dtype=torch.int8))
        self.register_buffer("minimum", pack(torch.randn(K, generator=generator)).words)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        same = ([3, 3], [1, 1], [1, 1, 1, 1], [1, 1], 1, 0)
        x = x.permute(0, 2, 3, 1)
        x = ops.conv2d_u8_bits(x, self.weights0, K, 3, *same, 2, -255, self.threshold, self.direction)
        x = ops.max_pool2d(x, K, [2, 2], [2, 2], [0, 0, 0, 0], self.minimum)
        return ops.conv2d_int32(x, self.weights1, N, K, *same)


def pictures(batch: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(batch)
    return torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8, generator=generator)


def test_the_compiled_conv_network_is_one_graph_for_every_size():
    torch._dynamo.reset()
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph

    net = ConvNet()
    compiled = torch.compile(net, fullgraph=True, dynamic=True, backend=backend)
    for size in ((4, 6, 9), (2, 8, 5), (5, 13, 12)):
        assert torch.equal(compiled(pictures(*size)), net(pictures(*size)))
    assert len(graphs) == 1


def test_the_conv_network_exports_with_dynamic_batch_height_and_width():
    dim = torch.export.Dim
    sizes = ({0: dim("batch"), 2: dim("height", min=4, max=99), 3: dim("width", min=4, max=99)},)
    exported = torch.export.export(ConvNet(), (pictures(4, 6, 9),), dynamic_shapes=sizes)
    file = io.BytesIO()
    torch.export.save(exported, file)
    file.seek(0)
    loaded, net = torch.export.load(file).module(), ConvNet()
    for size in ((4, 6, 9), (2, 8, 5), (5, 13, 12)):
        assert torch.equal(loaded(pictures(*size)), net(pictures(*size)))


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
