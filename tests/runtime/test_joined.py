"""One call gives what the graph gives step by step, bit for bit, and follows the model's buffers."""

from __future__ import annotations

import copy
import os
import pickle
import random
import threading
from operator import getitem
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, fx, nn

from onebit import ops
from onebit.ops import native
from onebit.runtime import InputSpec, OrtSession, PackedModel, load

onebit_ops, aten = torch.ops.onebit, torch.ops.aten


class RandomGraph:
    """A packed graph on pictures (N, 5, 6, 3) of uint8, int8 or float32: convolutions, pools, layers, branches."""

    def __init__(self, seed: int) -> None:
        self.choose, self.graph, self.module = random.Random(seed), fx.Graph(), nn.Module()
        self.generator = torch.Generator().manual_seed(seed)
        self.dtype = self.choose.choice([torch.uint8, torch.int8, torch.float32])
        self.first = self.choose.random() < 0.5  # channels first
        self.node, self.channels, self.size = self.graph.placeholder("x"), 3, (5, 6)
        if self.first:
            self.node = self.call(aten.permute.default, [0, 2, 3, 1])
        self.kind = {torch.uint8: "u8", torch.int8: "s8", torch.float32: "f32"}[self.dtype]
        self.floats: dict[tuple[int, ...], fx.Node] = {}

    def build(self) -> PackedModel:
        for _ in range(self.choose.randint(2, 7)):
            self.step()
        if self.kind == "1":
            self.node = self.call(onebit_ops.unpack.default, self.channels)
        self.graph.output(self.node)
        return PackedModel(
            fx.GraphModule(self.module, self.graph),
            InputSpec((None, *((3, 5, 6) if self.first else (5, 6, 3))), self.dtype),
        )

    def step(self) -> None:
        if self.kind == "i32":
            self.node, self.kind = self.call(aten.to.dtype, torch.float32), "f32"
        elif self.kind == "f32":
            self.floats[(*self.size, self.channels)] = self.node
            if self.choose.random() < 0.3:
                self.node = self.graph.call_function(aten.mul.Tensor, (self.node, 0.5))
            self.node, self.kind = self.call(onebit_ops.pack.default), "1"
        elif self.kind == "1" and self.choose.random() < 0.2:
            self.join()
        elif self.kind == "1" and self.choose.random() < 0.25:
            minimum = ops.pack(torch.randn(1, self.channels, generator=self.generator))[0]
            self.node = self.call(
                onebit_ops.max_pool2d.default, self.channels, [2, 1], [1, 1], [1, 0, 0, 0], self.buffer(minimum)
            )
        else:
            self.convolution()

    def convolution(self) -> None:
        n, kernel = self.choose.choice([64, 64, 70, 9]), self.choose.choice([1, 3])
        output = self.choose.choice(["bits", "bits", "float", "fused", "both", "int32"])
        family = "conv2d" if self.kind == "1" else f"conv2d_{self.kind}"
        rows = ops.pack(torch.randn(n, kernel, kernel, self.channels, generator=self.generator))
        weights = self.buffer(ops.pack_conv_weights(rows, self.channels, 1, [kernel, kernel]))
        pads, pad_value = [kernel // 2] * 4, self.choose.choice([0, 1, -1])
        sizes: tuple[Any, ...] = (n, self.channels, [kernel] * 2, [1, 1], pads, [1, 1], 1, pad_value)
        sizes = sizes if family == "conv2d" else (*sizes, 2, -255)
        target = getattr(onebit_ops, f"{family}_{output}").default
        spread = int((kernel * kernel * self.channels) ** 0.5 * (1 if family == "conv2d" else 150)) + 2
        result = self.call(target, weights, *sizes, *self.epilogue(output, n, spread))
        self.channels, self.node = n, result
        if output == "both":
            self.floats[(*self.size, n)] = self.part(result, 0)
            self.node = self.part(result, 1)
        self.kind = {"bits": "1", "both": "1", "int32": "i32"}.get(output, "f32")

    def epilogue(self, output: str, n: int, spread: int) -> tuple[Any, ...]:
        signs = (self.buffer(torch.randint(0, 2, (n,), generator=self.generator).to(torch.int8) * 2 - 1),)
        if output == "int32":
            return ()
        if output == "bits":
            return self.buffer(
                torch.randint(-spread, spread, (n,), dtype=torch.int32, generator=self.generator)
            ), *signs
        scale, bias = (self.buffer(torch.randn(n, generator=self.generator)) for _ in range(2))
        if output == "float":
            return scale, bias
        slopes = [self.buffer(torch.randn(n, generator=self.generator).abs()) for _ in range(self.choose.randint(0, 1))]
        residual = [self.floats[(*self.size, n)]] if (*self.size, n) in self.floats else []
        if output == "fused" and not slopes and not residual:  # that is the float operator
            slopes = [self.buffer(torch.randn(n, generator=self.generator).abs())]
        threshold = (self.buffer(torch.randn(n, generator=self.generator)), *signs) if output == "both" else ()
        last = bool(slopes and residual and self.choose.random() < 0.5)
        return scale, bias, slopes, residual, last, *threshold

    def part(self, node: fx.Node, index: int) -> fx.Node:
        return self.graph.call_function(getitem, (node, index))

    def join(self) -> None:
        """The bits with themselves, as words where they are whole, else through numbers."""
        count = self.choose.randint(2, 3)
        if self.channels % 64 == 0 and self.choose.random() < 0.8:
            self.node = self.graph.call_function(aten.cat.default, ([self.node] * count, -1))
        else:
            signs = [self.call(onebit_ops.unpack.default, self.channels) for _ in range(count)]
            self.node = self.graph.call_function(aten.cat.default, (signs, 3))
            self.node = self.call(onebit_ops.pack.default)
        self.channels *= count

    def call(self, target: Any, *rest: Any) -> fx.Node:
        return self.graph.call_function(target, (self.node, *rest))

    def buffer(self, value: Tensor) -> fx.Node:
        name = f"buffer{len(self.module._buffers)}"
        self.module.register_buffer(name, value)
        return self.graph.get_attr(name)


def example(packed: PackedModel, batch: int) -> Tensor:
    generator, spec = torch.Generator().manual_seed(batch), packed.input_spec
    shape = (batch, *[size for size in spec.shape[1:] if size is not None])
    if spec.dtype == torch.float32:
        return torch.randn(shape, generator=generator)
    low = 0 if spec.dtype == torch.uint8 else -128
    return torch.randint(low, low + 256, shape, generator=generator).to(spec.dtype)


def agree(packed: PackedModel, x: Tensor) -> bool:
    return torch.equal(packed(x).nan_to_num(), packed.graph_module(x).nan_to_num())


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.integers(0, 10**6), st.permutations([0, 1, 2, 5, 33]))
def test_one_call_is_the_steps(seed, batches):
    packed = RandomGraph(seed).build()
    for batch in batches:
        assert agree(packed, example(packed, batch))


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.integers(0, 10**6))
def test_onnx_runtime_runs_the_same_chains(tmp_path_factory, seed):
    packed, path = RandomGraph(seed).build(), tmp_path_factory.mktemp("chains") / "model.onnx"
    packed.save(path)
    chains, apart, stock = (
        OrtSession(path, threads=threads, **how)
        for threads, how in ((2, {}), (2, {"chains": False}), (1, {"native": False}))
    )
    assert sum(name.startswith("Chain") for name in chains.executed()) == len(packed.chains())
    assert load(path).chains() == packed.chains()
    for batch in (3, 1, 0):
        x = example(packed, batch)
        expected = packed.graph_module(x).nan_to_num()
        for run in (chains, apart, stock, load(path)):
            assert torch.equal(run(x).nan_to_num(), expected)


def test_random_graphs_have_chains_branches_and_floats_between():
    made = [RandomGraph(seed).build() for seed in range(60)]
    assert sum(len(packed.chains()) for packed in made) > 30
    assert any(len(packed.chains()) > 1 for packed in made)
    nodes = [node for packed in made for node in packed.graph_module.graph.nodes]
    assert any(str(node.target) == "aten.mul.Tensor" for node in nodes)
    targets = [str(node.target) for node in nodes]
    assert targets.count("aten.permute.default") > 10
    assert targets.count("aten.cat.default") > 10
    assert any(node.args[-2] for node in nodes if str(node.target).endswith("_fused.default"))  # a residual


@pytest.mark.parametrize("isa", native.available_isas("conv2d"))
def test_every_instruction_set_gives_the_same(isa):
    for seed in range(8):
        packed = RandomGraph(seed).build()
        expected = packed.graph_module(example(packed, 4))
        with native.force(isa):
            assert torch.equal(packed(example(packed, 4)).nan_to_num(), expected.nan_to_num())
        assert torch.equal(packed(example(packed, 4)).nan_to_num(), expected.nan_to_num())


def test_every_number_of_threads_gives_the_same():
    before = torch.get_num_threads()
    try:
        for seed in range(6):
            packed = RandomGraph(seed).build()
            expected = packed.graph_module(example(packed, 9))
            for threads in (1, 3, 2, 8):
                torch.set_num_threads(threads)
                assert torch.equal(packed(example(packed, 9)).nan_to_num(), expected.nan_to_num())
    finally:
        torch.set_num_threads(before)


def test_threads_may_call_one_model_together(packed_mlp):
    packed, wrong = packed_mlp(), []
    inputs = [torch.randint(0, 256, (batch, 70), dtype=torch.uint8) for batch in (1, 2, 7, 1)]
    expected = [packed.graph_module(x) for x in inputs]

    def call(x: Tensor, y: Tensor) -> None:
        wrong.extend(1 for _ in range(50) if not torch.equal(packed(x), y))

    threads = [threading.Thread(target=call, args=pair) for pair in zip(inputs, expected, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_runs_it_too(packed_mlp):
    packed, x = packed_mlp(), torch.randint(0, 256, (3, 70), dtype=torch.uint8)
    expected = packed(x)
    child = os.fork()
    if child == 0:
        os._exit(0 if torch.equal(packed(x), expected) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_weights_changed_in_place_are_seen():
    """Tables made of them are made anew."""
    packed = RandomGraph(3).build()
    x = example(packed, 3)
    before = packed(x)
    for buffer in packed.graph_module.buffers():
        if buffer.dtype == torch.uint8:
            buffer[64:72].bitwise_xor_(1)
    assert agree(packed, x)
    assert not torch.equal(packed(x), before)


def test_weights_of_inference_mode_are_looked_at_every_time():
    with torch.inference_mode():
        packed = RandomGraph(3).build()
        x = example(packed, 3)
        packed(x)
        for buffer in packed.graph_module.buffers():
            if buffer.dtype == torch.uint8:
                buffer[64:72].bitwise_xor_(1)
        assert agree(packed, x)


def test_weights_that_move_are_followed(packed_mlp):
    packed, x = packed_mlp(), torch.randint(0, 256, (3, 70), dtype=torch.uint8)
    expected = packed(x)
    for buffer in packed.buffers():
        buffer.share_memory_()
    assert torch.equal(packed(x), expected)


def test_copies_pickles_and_files_run_by_themselves(packed_mlp, tmp_path):
    packed, x = packed_mlp(), torch.randint(0, 256, (3, 70), dtype=torch.uint8)
    expected = packed(x)
    packed.save(tmp_path / "model.onnx")
    loaded = load(tmp_path / "model.onnx")
    assert loaded.chains() == packed.chains()
    others = [copy.deepcopy(packed), pickle.loads(pickle.dumps(packed)), loaded]
    del packed
    for other in others:
        assert torch.equal(other(x), expected)


def test_a_graph_compiled_anew_is_followed(packed_mlp):
    packed, x = packed_mlp(), torch.randint(0, 256, (3, 70), dtype=torch.uint8)
    packed(x)
    module = packed.graph_module
    last = next(node for node in reversed(module.graph.nodes) if node.op == "call_function")
    with module.graph.inserting_after(last):
        twice = module.graph.call_function(aten.mul.Tensor, (last, 2.0))
    last.replace_all_uses_with(twice, delete_user_cb=lambda user: user is not twice)
    packed.values[twice.name] = packed.values[last.name]
    before = packed(x)
    module.recompile()
    assert torch.equal(packed(x), 2 * before)


def test_what_looks_on_sees_the_steps(packed_mlp):
    packed, x = packed_mlp(), torch.randint(0, 256, (3, 70), dtype=torch.uint8)
    expected = packed(x)
    exported = torch.export.export(packed, (x,))
    seen = {str(node.target) for node in exported.graph.nodes if node.op == "call_function"}
    assert "onebit.network.default" not in seen
    assert "onebit.dense_bits.default" in seen
    assert torch.equal(exported.module()(x), expected)
    with torch.utils.flop_counter.FlopCounterMode(display=False):
        assert torch.equal(packed(x), expected)
