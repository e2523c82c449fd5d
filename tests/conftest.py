"""Fixtures that several folders share."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import pytest
import torch
from torch import fx, nn

if TYPE_CHECKING:
    from onebit.runtime import PackedModel

Build = Callable[..., "PackedModel"]


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> Iterator[None]:
    """Tests work on small tensors, where torch's threads wait for each other longer than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> None:
    """A shell starts what it runs in the background with Ctrl-C ignored, and its children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def packed_mlp() -> Build:
    """packed_mlp(widths, last="float", seed=0): a random packed MLP on uint8, built directly, without training."""
    return _packed_mlp


@pytest.fixture(scope="session")
def packed_mlp_builder() -> Build:
    """The same with the session's scope, which hypothesis asks for."""
    return _packed_mlp


def _packed_mlp(widths: Sequence[int] = (70, 65, 130, 10), last: str = "float", seed: int = 0) -> PackedModel:
    from onebit import bits, ops  # here: a test that needs no kernel runs without the native library
    from onebit.runtime import InputSpec, PackedModel

    generator = torch.Generator().manual_seed(seed)
    root, graph = nn.Module(), fx.Graph()
    value = graph.placeholder("x")
    for layer, (k, n) in enumerate(itertools.pairwise(widths)):
        output = last if layer == len(widths) - 2 else "bits"
        signs = torch.rand(n, k, generator=generator) - 0.5
        root.register_buffer(f"weights{layer}", ops.pack_weights(bits.pack(signs).words, k))
        constants = [graph.get_attr(f"weights{layer}"), n, k]
        for role, channels in _channels(output, n, k * (255 if layer == 0 else 1), generator).items():
            root.register_buffer(f"{role}{layer}", channels)
            constants.append(graph.get_attr(f"{role}{layer}"))
        name = f"dense_{'u8_' if layer == 0 else ''}{output}"
        value = graph.call_function(getattr(torch.ops.onebit, name).default, (value, *constants))
        value.meta["onebit"] = {"name": f"layers.{layer}", "note": f"layer {layer} is exact"}
    graph.output(value)
    return PackedModel(fx.GraphModule(root, graph), InputSpec((None, widths[0]), torch.uint8))


def _channels(output: str, n: int, largest: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
    if output == "float":
        return {"scale": torch.randn(n, generator=generator), "bias": torch.randn(n, generator=generator)}
    if output == "int32":
        return {}
    width = max(1, int(largest**0.5))  # thresholds where sums are, so that both answers occur
    threshold = torch.randint(-width, width + 1, (n,), generator=generator, dtype=torch.int32)
    direction = torch.where(torch.rand(n, generator=generator) < 0.5, -1, 1).to(torch.int8)
    threshold[0], direction[0] = -(2**31), 1  # a constant channel: always +1
    return {"threshold": threshold, "direction": direction}
