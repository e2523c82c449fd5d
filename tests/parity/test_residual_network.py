"""A residual network of floats and their bits: torch, the loaded file and ONNX Runtime, with and without our kernels,
give what the reference gives, bit for bit, through every sequence of steps."""

from __future__ import annotations

from collections.abc import Callable
from operator import getitem

import onnx
import pytest
import torch
from torch import fx, nn

from onebit import bits, ops
from onebit._errors import ConversionError, FormatError
from onebit.bits import _reference, _reference_conv
from onebit.bits._reference import Steps
from onebit.bits._window import Padding, Window
from onebit.ops import native
from onebit.runtime import InputSpec, OrtSession, PackedModel, load

C, SIZE = 70, 5
WINDOW = Window((3, 3), padding=Padding(1, 1, 1, 1))
SIZES = ([3, 3], [1, 1], [1, 1, 1, 1], [1, 1], 1, 0)
# activation arrays, residual, residual last: every sequence of steps that there is
SEQUENCES = [(a, r, last) for a in (0, 1, 2) for r, last in ((0, False), (1, False), (1, True)) if a or not last]


class Build:
    """x (N, 5, 5, 70) floats -> layers of floats and bits -> the floats, or with end="bits" the bits, of the last one.

    Each layer takes the bits of the one before, and its floats as the residual.
    """

    def __init__(self, family: str, sequences: list[tuple[int, int, bool]], end: str = "floats") -> None:
        self.generator, self.family = torch.Generator().manual_seed(3), family
        self.root, self.graph = nn.Module(), fx.Graph()
        self.layers: list[Callable[[torch.Tensor, bits.Packed], tuple[torch.Tensor, bits.Packed]]] = []
        floats = self.graph.placeholder("x")
        words = self.graph.call_function(torch.ops.onebit.pack.default, (floats,))
        for index, sequence in enumerate(sequences):
            both = index < len(sequences) - 1 or end != "fused"
            node = self.layer(index, words, floats, *sequence, both)
            floats, words = (self.graph.call_function(getitem, (node, i)) for i in (0, 1)) if both else (node, node)
        if end == "bits":
            floats = self.graph.call_function(torch.ops.onebit.unpack.default, (words, C))
        self.end = end
        self.graph.output(floats)
        self.packed = PackedModel(
            fx.GraphModule(self.root, self.graph), InputSpec((None, *self.lead, C), torch.float32)
        )

    @property
    def lead(self) -> tuple[int, ...]:
        return (SIZE, SIZE) if self.family == "conv2d" else ()

    def keep(self, name: str, value: torch.Tensor) -> fx.Node:
        self.root.register_buffer(name, value)
        return self.graph.get_attr(name)

    def draw(self) -> torch.Tensor:
        return torch.randn(C, generator=self.generator)

    def layer(
        self, index: int, words: fx.Node, floats: fx.Node, count: int, adds: int, last: bool, both: bool
    ) -> fx.Node:
        conv = self.family == "conv2d"
        w = bits.pack(torch.randn(C, *((3, 3) if conv else ()), C, generator=self.generator))
        handle = ops.pack_conv_weights(w.words, C, 1, [3, 3]) if conv else ops.pack_weights(w.words, C)
        scale, bias, threshold = 0.1 * self.draw(), self.draw(), 0.3 * self.draw()
        activation = [self.draw() for _ in range(count)]
        if count == 2:
            activation[1] = activation[0] + activation[1].abs()
        direction = torch.where(self.draw() < 0, -1, 1).to(torch.int8)
        named = {"weights": handle, "scale": scale, "bias": bias, "threshold": threshold, "direction": direction}
        kept = {name: self.keep(f"{name}{index}", value) for name, value in named.items()}
        arrays = [self.keep(f"activation{index}{i}", value) for i, value in enumerate(activation)]
        sizes, meaning = ((C, C, *SIZES), (WINDOW, 1, 0)) if conv else ((C, C), ())
        signs = (kept["threshold"], kept["direction"]) if both else ()
        arguments = (words, kept["weights"], *sizes, kept["scale"], kept["bias"], arrays, [floats] * adds, last, *signs)
        define = getattr(_reference_conv if conv else _reference, f"{self.family}_both")

        def reference(f: torch.Tensor, p: bits.Packed) -> tuple[torch.Tensor, bits.Packed]:
            return define(
                p, w, *meaning, scale, bias, Steps(activation, f if adds else None, last), threshold, direction
            )

        self.layers.append(reference)
        operator = getattr(torch.ops.onebit, f"{self.family}_{'both' if both else 'fused'}").default
        return self.graph.call_function(operator, arguments)

    def input(self, batch: int) -> torch.Tensor:
        return torch.randn(batch, *self.lead, C, generator=torch.Generator().manual_seed(batch))

    def reference(self, x: torch.Tensor) -> torch.Tensor:
        p = bits.pack(x)
        for layer in self.layers:
            x, p = layer(x, p)
        return bits.unpack(p) if self.end == "bits" else x


def check(build: Build, path, isa: str, batch: int) -> None:
    build.packed.save(path)
    x = build.input(batch)
    expected = build.reference(x)
    with native.force(isa):
        ours, apart = (OrtSession(path, threads=2, chains=chains) for chains in (True, False))
        for run in (build.packed, load(path), ours, apart, OrtSession(path, native=False, threads=1)):
            got = run(x)
            assert got.dtype == expected.dtype
            assert torch.equal(got.view(torch.int32), expected.view(torch.int32))


@pytest.mark.parametrize("isa", native.available_isas("conv2d"))
@pytest.mark.parametrize("family", ["dense", "conv2d"])
@pytest.mark.parametrize("end", ["floats", "bits", "fused"])
def test_every_way_to_run_every_sequence_of_steps_is_the_reference(family, end, isa, tmp_path):
    for batch in (0, 2):
        check(Build(family, SEQUENCES, end), tmp_path / "model.onnx", isa, batch)


@pytest.mark.parametrize("sequence", [s for s in SEQUENCES if s[0] or s[1]], ids=str)
def test_floats_without_bits_run_every_sequence(sequence, tmp_path):
    check(Build("dense", [(0, 0, False), sequence], "fused"), tmp_path / "model.onnx", "scalar", 3)


def test_our_kernels_run_them_all(tmp_path):
    Build("conv2d", SEQUENCES).packed.save(tmp_path / "model.onnx")
    executed = OrtSession(tmp_path / "model.onnx", chains=False).executed()
    names = ["", "Add", "Prelu", "AddPrelu", "PreluAdd", "Clamp", "AddClamp", "ClampAdd"]
    assert {name: executed[name] for name in executed if name.startswith("Conv2d")} == {
        f"Conv2dFloat{name}Bits": 1 for name in names
    }
    assert set(OrtSession(tmp_path / "model.onnx", native=False).kernels().values()) == {"function body"}


def test_a_loaded_model_saves_the_same_bytes_and_describes_the_same_layers(tmp_path):
    packed = Build("conv2d", SEQUENCES).packed
    packed.save(tmp_path / "first.onnx")
    loaded = load(tmp_path / "first.onnx")
    loaded.save(tmp_path / "second.onnx")
    assert (tmp_path / "second.onnx").read_bytes() == (tmp_path / "first.onnx").read_bytes()
    assert [(layer.operator, layer.n, layer.k, layer.bits_in, layer.bits_out) for layer in loaded.layers()] == [
        (layer.operator, layer.n, layer.k, layer.bits_in, layer.bits_out) for layer in packed.layers()
    ]
    assert loaded.layers()[1].bits_out == "f32+1"
    onnx.checker.check_model(onnx.load(tmp_path / "first.onnx"), full_check=True)


def test_a_graph_that_takes_floats_for_bits_is_refused():
    graph, root = fx.Graph(), nn.Module()
    build = Build("dense", [(0, 0, False)])
    for name, value in build.root.named_buffers():
        root.register_buffer(name, value)
    kept: dict[fx.Node, fx.Node] = {}
    for node in build.graph.nodes:
        kept[node] = graph.node_copy(node, lambda old: kept[old])
    node = next(node for node in graph.nodes if "both" in str(node.target))
    floats = next(user for user in node.users if user.args[1] == 0)
    with graph.inserting_after(floats):
        wrong = graph.call_function(torch.ops.onebit.unpack.default, (floats, C))
    floats.replace_all_uses_with(wrong, lambda user: user is not wrong)
    with pytest.raises(ConversionError, match=r"int64|takes packed bits"):
        PackedModel(fx.GraphModule(root, graph), build.packed.input_spec)


@pytest.mark.parametrize(
    ("name", "change", "match"),
    [
        ("threshold0.value", lambda a: a.astype("int32"), r"float_threshold\) is torch\.int32"),
        ("activation00.value", lambda a: a[:-1], r"slope\) is torch\.float32 \(69,\)"),
        ("direction0.value", lambda a: a * 0, "values other than"),
    ],
)
def test_a_damaged_constant_is_named(name, change, match, tmp_path):
    Build("dense", [(1, 1, False)]).packed.save(tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    tensor.CopyFrom(onnx.numpy_helper.from_array(change(onnx.numpy_helper.to_array(tensor)), name))
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(FormatError, match=match):
        load(tmp_path / "model.onnx")
