"""A convolutional network that stays in bits: torch, the loaded file and ONNX Runtime, with and without our kernels,
give what the reference gives, bit for bit."""

from __future__ import annotations

import onnx
import pytest
import torch
from torch import fx, nn

from onebit import bits, ops
from onebit._errors import FormatError, NativeError
from onebit.bits import _reference, _reference_conv
from onebit.bits._window import Padding, Window
from onebit.export._onnx import to_onnx
from onebit.ops import native
from onebit.runtime import InputSpec, OrtSession, PackedModel, load
from onebit.runtime._inlined import without_chains

# c, n, kernel, stride, padding, dilation, groups, pad_value of each convolution; pixels come first, sums last.
CONVOLUTIONS = (
    (3, 70, [3, 3], [1, 1], [1, 1, 1, 1], [1, 1], 1, 0),
    (70, 130, [3, 3], [1, 1], [1, 1, 1, 1], [1, 1], 1, 0),
    (130, 65, [2, 3], [2, 1], [0, 2, 1, 0], [1, 2], 5, -1),
)
POOL = ([2, 3], [2, 2], [1, 0, 1, 1])
CLASSES, SIZE = 10, 11


class Build:
    """Makes the packed graph and, beside it, the reference's calls on the same numbers."""

    def __init__(self, last: str) -> None:
        self.generator = torch.Generator().manual_seed(7)
        self.root, self.graph, self.definition = nn.Module(), fx.Graph(), []
        x = self.call(torch.ops.aten.permute.default, self.graph.placeholder("x"), [0, 2, 3, 1])
        for layer, sizes in enumerate(CONVOLUTIONS):
            x = self.convolution(x, layer, sizes, "bits" if layer < 2 or last == "dense" else last)
            if layer == 1:
                x = self.pool(x, sizes[1])
        if last == "dense":
            x = self.classifier(x)
        self.graph.output(x)
        spec = InputSpec((None, 3, SIZE, SIZE), torch.uint8)
        self.packed = PackedModel(fx.GraphModule(self.root, self.graph), spec)

    def call(self, target, *arguments) -> fx.Node:
        return self.graph.call_function(target, arguments)

    def keep(self, name: str, value: torch.Tensor) -> fx.Node:
        self.root.register_buffer(name, value)
        return self.graph.get_attr(name)

    def channels(self, layer: int, output: str, n: int) -> dict[str, torch.Tensor]:
        if output == "int32":
            return {}
        if output == "float":
            return {"scale": torch.randn(n, generator=self.generator), "bias": torch.randn(n, generator=self.generator)}
        width = 400 if layer == 0 else 9
        threshold = torch.randint(-width, width, (n,), generator=self.generator, dtype=torch.int32)
        direction = torch.where(torch.rand(n, generator=self.generator) < 0.5, -1, 1).to(torch.int8)
        return {"threshold": threshold, "direction": direction}

    def convolution(self, x: fx.Node, layer: int, sizes: tuple, output: str) -> fx.Node:
        c, n, kernel, stride, padding, dilation, groups, pad = sizes
        w = bits.pack(torch.randn(n, *kernel, c // groups, generator=self.generator))
        handle = self.keep(f"weights{layer}", ops.pack_conv_weights(w.words, c, groups, kernel))
        channels = self.channels(layer, output, n)
        kept = [self.keep(f"{role}{layer}", value) for role, value in channels.items()]
        name, extra = (f"conv2d_u8_{output}", (2, -255)) if layer == 0 else (f"conv2d_{output}", ())
        node = self.call(getattr(torch.ops.onebit, name).default, x, handle, n, c, *sizes[2:], *extra, *kept)
        node.meta["onebit"] = {"name": f"features.{layer}", "note": "exact"}
        window = Window(tuple(kernel), tuple(stride), Padding(*padding), tuple(dilation))
        define = getattr(_reference_conv, name)
        self.definition.append(lambda v: define(v, w, window, groups, pad, *extra, *channels.values()))
        return node

    def pool(self, x: fx.Node, c: int) -> fx.Node:
        minimum = bits.pack(torch.randn(c, generator=self.generator)).words
        kernel, stride, padding = POOL
        window = Window(tuple(kernel), tuple(stride), Padding(*padding))
        self.definition.append(lambda v: _reference_conv.max_pool2d(v, window, minimum))
        return self.call(torch.ops.onebit.max_pool2d.default, x, c, *POOL, self.keep("minimum", minimum))

    def classifier(self, x: fx.Node) -> fx.Node:
        """Flattened words: a row's tail bits are signs +1, which zero bits in the weights' tails meet."""
        places, c = 4 * 3, CONVOLUTIONS[-1][1]
        k = places * 128
        signs = torch.randn(CLASSES, places, c, generator=self.generator)
        w = bits.pack(torch.nn.functional.pad(signs, (0, 128 - c), value=1.0).flatten(1))
        x = self.call(torch.ops.aten.flatten.using_ints, x, 1)
        channels = self.channels(3, "float", CLASSES)
        kept = [self.keep(f"{role}3", value) for role, value in channels.items()]
        self.definition.append(lambda v: bits.Packed(v.words.flatten(1), k))
        self.definition.append(lambda v: _reference.dense_float(v, w, *channels.values()))
        handle = self.keep("weights3", ops.pack_weights(w.words, k))
        return self.call(torch.ops.onebit.dense_float.default, x, handle, CLASSES, k, *kept)

    def reference(self, pixels: torch.Tensor) -> torch.Tensor:
        value = pixels.permute(0, 2, 3, 1)
        for define in self.definition:
            value = define(value)
        return value


@pytest.fixture(scope="module", params=["dense", "int32", "float"])
def net(request) -> Build:
    return Build(request.param)


def pixels(batch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(batch)
    return torch.randint(0, 256, (batch, 3, SIZE, SIZE), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("isa", native.available_isas("conv2d"))
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_every_way_to_run_it_is_the_reference(net, isa, batch, tmp_path):
    net.packed.save(tmp_path / "model.onnx")
    x = pixels(batch)
    expected = net.reference(x)
    with native.force(isa):
        ours = OrtSession(tmp_path / "model.onnx", native=True, threads=2)
        apart = OrtSession(tmp_path / "model.onnx", chains=False, threads=2)
        stock = OrtSession(tmp_path / "model.onnx", native=False, threads=1)
        for run in (net.packed, load(tmp_path / "model.onnx"), ours, apart, stock):
            got = run(x)
            assert got.dtype == expected.dtype
            assert torch.equal(got, expected)


@pytest.mark.parametrize("isa", native.available_isas("conv2d"))
def test_the_kernel_that_is_named_is_the_one_that_runs(isa, tmp_path):
    packed = Build("dense").packed
    packed.save(tmp_path / "model.onnx")
    rows = ("conv2d", "conv2d_u8", "dense", "max_pool2d")
    # An operator without a kernel of that instruction set takes its best other.
    isas = {row: native.available_isas(row) for row in rows}
    expected = {row: isa if isa in known else known[0] for row, known in isas.items()}
    with native.force(isa):
        packed(pixels(2))
        named = {row: isas.split(" and ") for row, isas in packed.kernels().items()}
        ran = {row: native.ran(row) for row in rows}
        assert isa in named["conv2d"]  # amx leaves groups that share words to another
        assert isa == "amx" or named == {row: [expected[row]] for row in rows}
        assert {row: ran[row] in named[row] for row in rows} == dict.fromkeys(rows, True)
        session = OrtSession(tmp_path / "model.onnx")
        assert session.kernels() == ran
        assert session.executed()["Chain1"] == 1
        apart = OrtSession(tmp_path / "model.onnx", chains=False)
        assert apart.kernels() == ran
        executed = apart.executed()
    assert {name: executed[name] for name in ("Conv2dU8Bits", "Conv2dBits", "MaxPool2d", "DenseFloat")} == {
        "Conv2dU8Bits": 1, "Conv2dBits": 2, "MaxPool2d": 1, "DenseFloat": 1,
    }  # fmt: skip


def test_without_the_library_the_definitions_run(tmp_path):
    Build("dense").packed.save(tmp_path / "model.onnx")
    session = OrtSession(tmp_path / "model.onnx", native=False)
    assert set(session.kernels().values()) == {"function body"}
    executed = session.executed()
    assert executed["ConvInteger"] == 3 + 2  # two more for the pixels' offset
    assert sum(count for name, count in executed.items() if name.endswith("MaxPool")) == 1  # or NhwcMaxPool


def test_layers_say_what_runs():
    first, second, pool, third, last = Build("dense").packed.layers()
    assert (first.name, first.operator, first.n, first.k) == ("features.0", "conv2d_u8_bits", 70, 27)
    assert (first.bits_in, first.bits_out, first.macs) == ("u8", "1", SIZE * SIZE * 70 * 27)
    assert (second.k, second.bits_in, second.macs) == (9 * 70, "1", SIZE * SIZE * 130 * 9 * 70)
    assert (pool.operator, pool.n, pool.macs, pool.bits_out) == ("max_pool2d", 0, 0, "1")
    assert (third.n, third.k, third.macs) == (65, 6 * 130 // 5, 4 * 3 * 65 * 6 * 130 // 5)
    assert (last.operator, last.k, last.bits_out) == ("dense_float", 4 * 3 * 128, "f32")


def test_a_loaded_model_saves_the_same_bytes(net, tmp_path):
    net.packed.save(tmp_path / "first.onnx")
    loaded = load(tmp_path / "first.onnx")
    loaded.save(tmp_path / "second.onnx")
    assert (tmp_path / "second.onnx").read_bytes() == (tmp_path / "first.onnx").read_bytes()
    assert loaded.layers() == net.packed.layers()


def test_the_file_is_valid_onnx(net):
    model = to_onnx(net.packed.graph_module, net.packed.input_spec)
    onnx.checker.check_model(model, full_check=True)
    node = operator_of(model, "Conv2dBits")
    values = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    assert values == {"n": 130, "c": 70, "kernel": [3, 3], "stride": [1, 1], "padding": [1, 1, 1, 1],
                      "dilation": [1, 1], "groups": 1, "pad_value": 0}  # fmt: skip


def operator_of(model: onnx.ModelProto, op_type: str) -> onnx.NodeProto:
    """The first such node, in the graph or in a chain."""
    chains = (node for function in model.functions if function.name.startswith("Chain") for node in function.node)
    return next(node for node in (*model.graph.node, *chains) if node.op_type == op_type)


def change(path, op_type: str, name: str, value, *, apart: bool = False) -> None:
    """Gives an attribute of the file's first such node another value; apart: it then stands in no chain."""
    model = without_chains(onnx.load(path)) if apart else onnx.load(path)
    node = operator_of(model, op_type)
    kept = [attribute for attribute in node.attribute if attribute.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute(name, value)])
    onnx.save(model, path)


@pytest.mark.parametrize(
    ("op_type", "name", "value", "match"),
    [
        ("Conv2dBits", "kernel", [3], r"onebit::Conv2dBits: kernel has 1 values; expected 2"),
        ("Conv2dBits", "kernel", [2, 3], r"weights have 1 dimensions, the last \d+; expected a handle of \d+ bytes"),
        ("Conv2dBits", "kernel", [2**40, 3], "kernel holds 1099511627776, out of range"),
        ("Conv2dBits", "groups", 3, r"groups=3, kernel=\[3, 3\] are out of range"),
        ("Conv2dBits", "pad_value", 2**40, "pad_value=1099511627776 is out of range"),
        ("MaxPool2d", "c", 0, "c=0; expected at least 1"),
    ],
)
def test_the_native_kernel_refuses_attributes_that_do_not_fit_with_text(op_type, name, value, match, tmp_path):
    Build("dense").packed.save(tmp_path / "model.onnx")
    change(tmp_path / "model.onnx", op_type, name, value, apart=True)
    with pytest.raises(FormatError, match=match):
        OrtSession(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("op_type", "name", "value", "match"),
    [
        ("Conv2dBits", "stride", [0, 1], "Conv2dBits"),
        ("Conv2dBits", "pad_value", 2, "Conv2dBits: the pad value"),
        ("Conv2dBits", "padding", [0, 0, 0, -9], "Conv2dBits"),
        ("Conv2dU8Bits", "offset", 2**31 - 1, "Conv2dU8Bits"),
        ("MaxPool2d", "padding", [2, 0, 0, 0], "MaxPool2d"),
        ("MaxPool2d", "kernel", [99, 1], "MaxPool2d"),
    ],
)
def test_the_native_kernel_refuses_values_at_the_first_run_with_text(op_type, name, value, match, tmp_path):
    Build("dense").packed.save(tmp_path / "model.onnx")
    change(tmp_path / "model.onnx", op_type, name, value, apart=True)
    session = OrtSession(tmp_path / "model.onnx")
    with pytest.raises(NativeError, match=f"onebit::{match}"):
        session(pixels(1))


@pytest.mark.parametrize(
    ("op_type", "name", "value", "match"),
    [
        ("Conv2dBits", "kernel", [3], "expected positive integers"),
        ("Conv2dBits", "kernel", [2, 3], r"is no handle for n=130, .* and kernel=\[2, 3\]: .*weights has shape"),
        ("Conv2dBits", "groups", 3, "groups"),
        ("Conv2dBits", "c", 71, "is no handle for n=130, c=71"),
        ("Conv2dBits", "pad_value", 2, "pad_value is 2"),
        ("Conv2dU8Bits", "multiplier", 10**9, "fits in 32 bits"),
        ("MaxPool2d", "padding", [2, 0, 0, 0], "padding below the size of the kernel"),
        ("MaxPool2d", "c", 129, "bits set past"),
        ("MaxPool2d", "c", 131, r"gives 130 bits"),
    ],
)
def test_a_changed_attribute_is_refused_or_named(op_type, name, value, match, tmp_path):
    path = tmp_path / "model.onnx"
    Build("dense").packed.save(path)
    change(path, op_type, name, value)
    with pytest.raises(FormatError, match=match):
        load(path)
