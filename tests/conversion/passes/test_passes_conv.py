"""Binary convolutions: the operators give conv2d's numbers, and what is refused says why."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx
from torch.nn import functional as F

from onebit.conversion import passes
from onebit.conversion._layer import layer_of

GENERATOR = torch.Generator().manual_seed(0)


def signs(x: Tensor) -> Tensor:
    return torch.where(x < 0, -1.0, 1.0)


@functools.cache
def drawn(*shape: int) -> Tensor:
    """Random signs, the same at every call."""
    return signs(torch.randn(shape, generator=GENERATOR))


X = torch.randn(4, 70, 6, 5, generator=GENERATOR)
PIXELS = torch.randint(0, 256, (4, 6, 7, 8), dtype=torch.uint8, generator=GENERATOR)
W, W2, WU = drawn(9, 70, 3, 2), drawn(10, 35, 2, 2), drawn(5, 6, 3, 3)
BIAS = torch.randn(9, generator=GENERATOR)


def matched(captured: Any, function: Callable[[Tensor], Tensor], x: Tensor) -> fx.GraphModule:
    module = captured(function, x)
    for step in (*passes.CLEANING, *passes.RECOGNITION, passes.match_conv):
        module = step(module)
    return module


def real(p: Tensor) -> Tensor:
    return p.float() * 2 - 255


EXACT: list[tuple[Callable[[Tensor], Tensor], Tensor]] = [
    (lambda x: F.conv2d(signs(x), W), X),
    (lambda x: F.conv2d(signs(x), W, padding=(2, 1), stride=(2, 1), dilation=(1, 2)), X),
    (lambda x: F.conv2d(signs(x), drawn(3, 70, 1, 1), BIAS[:3].mul(8).round()), X),
    (lambda x: F.conv2d(signs(x), W * 0.25, padding=1), X),
    (lambda x: F.conv2d(-signs(x), W, padding="same", dilation=2), X),
    (lambda x: F.conv2d(signs(x), W2, groups=2, padding=1), X),
    (lambda x: F.conv2d(signs(x), drawn(70, 1, 3, 3), groups=70, padding=1), X),
    (lambda x: F.conv2d(F.pad(signs(x), (1, 0, 2, 3), value=1.0), W), X),
    (lambda x: F.conv2d(F.pad(-signs(x), (1, 0, 2, 3), value=1.0), W), X),
    (lambda x: F.conv2d(F.pad(signs(x), (1, 0, 2, 3)), W, padding=1), X),
    (lambda x: F.conv2d(signs(x), drawn(2, 70, 9, 9), padding=4), X),
    (lambda x: F.conv2d(signs(x[:, :, 0, 0]).view(-1, 70, 1, 1), drawn(3, 70, 2, 2), padding=1), X),
    (lambda x: F.conv2d(real(x), WU, padding=1), PIXELS),
    (lambda x: F.conv2d(F.pad(real(x), (1, 1, 0, 2), value=-1.0), WU), PIXELS),
    (lambda x: F.conv2d(x.float() - 128, drawn(6, 2, 3, 3) * 2, groups=3, stride=2), PIXELS),
    (lambda x: F.conv2d(real(x.permute(0, 3, 1, 2)), drawn(5, 8, 2, 2), padding=1), PIXELS),
    (lambda x: F.conv2d(255 - x.float() * 2, WU, padding=1), PIXELS),
    (lambda x: F.conv2d(signs(x[:, :3]), drawn(4, 3, 3, 3), padding=1), X),  # a missing place changes the parity
]


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("case", range(len(EXACT)))
def test_exact_layers_keep_every_bit(case: int, captured: Any) -> None:
    function, x = EXACT[case]
    module = matched(captured, function, x)
    assert torch.equal(module(x), function(x))
    layers = [layer for layer in map(layer_of, module.graph.nodes) if layer is not None]
    assert [layer.sums.exact for layer in layers] == [True]


def test_all_sums_are_among_those_that_thresholds_are_found_on(captured: Any) -> None:
    for function, x in [EXACT[0], EXACT[1], EXACT[7], EXACT[12], EXACT[13], EXACT[16], EXACT[17]]:
        module = matched(captured, function, x)
        (layer,) = [layer for layer in map(layer_of, module.graph.nodes) if layer is not None]
        sums = layer.sums
        index = (function(x).permute(0, 2, 3, 1).long() - sums.lowest) / sums.step
        assert torch.equal(index, index.round())
        assert 0 <= int(index.min()) <= int(index.max()) < sums.count


ROUNDING: list[tuple[Callable[[Tensor], Tensor], Tensor, str]] = [
    (lambda x: F.conv2d(signs(x), W, BIAS), X, "rounds its bias"),
    (lambda x: F.conv2d(signs(x), W * 0.3, padding=1), X, "rounds sums of scaled weights"),
    (lambda x: F.conv2d((signs(x) - x) + x, W), X, "signs miss -1 and +1"),
    (lambda x: F.conv2d(x.float() / 255, WU, padding=1), PIXELS, "normalised pixels"),
    (lambda x: F.conv2d((x.float() / 255 - 0.5) / 0.25, WU, padding=1), PIXELS, "normalised pixels"),
    (lambda x: F.conv2d(x.float() * 9999, WU), PIXELS, "float32 sums of 54 pixels round"),
]


@pytest.mark.parametrize("case", range(len(ROUNDING)))
def test_layers_where_the_float_model_rounds_say_so(case: int, captured: Any) -> None:
    function, x, note = ROUNDING[case]
    module = matched(captured, function, x)
    (layer,) = [layer for layer in map(layer_of, module.graph.nodes) if layer is not None]
    assert not layer.sums.exact
    assert note in layer.note
    assert torch.allclose(module(x), function(x), rtol=1e-5, atol=1e-5 * float(function(x).abs().max()))


CHANNELS = torch.tensor([1.0, 2.0, 3.0, 1.0, 2.0, 3.0]).reshape(6, 1, 1)
REFUSED: list[tuple[Callable[[Tensor], Tensor], Tensor, str]] = [
    (lambda x: F.conv2d(signs(x), W + 0.5), X, "weights are not binary: output 0"),
    (lambda x: F.conv2d(x, W), X, "the model takes torch.float32"),
    (lambda x: F.conv2d(torch.tanh(x), W), X, "is not binary; put a sign"),
    (lambda x: F.conv2d(signs(x), signs(x[:1, :, :2, :2])), X, "weights depend on the input"),
    (lambda x: F.conv2d(F.pad(signs(x), (1, 1), value=0.5), W), X, "it pads with 0.5"),
    (lambda x: F.conv2d(F.pad(signs(x), (1, 1), value=1.0), W, padding=1), X, "pad once"),
    (lambda x: F.conv2d(signs(x).permute(0, 1, 3, 2), W), X, "places were moved after the sign"),
    (lambda x: F.conv2d(signs(x).permute(0, 2, 1, 3), drawn(3, 6, 2, 2)), X, "not a map of signs"),
    (lambda x: F.conv2d(real(x) / CHANNELS, WU), PIXELS, "differs between pixels or channels"),
    (lambda x: F.conv2d((x.float() - 127.0001) / 3, WU), PIXELS, "no form in small integers"),
    (lambda x: F.conv2d(F.pad(x.float() / 255, (1, 1), value=1.0), WU), PIXELS, "it pads normalised pixels"),
    (lambda x: F.conv2d(x.float() * 1e6, WU), PIXELS, "more than 32 bits hold"),
]


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_what_stays_float_knows_why(case: int, captured: Any) -> None:
    function, x, reason = REFUSED[case]
    module = matched(captured, function, x)
    (convolution,) = [node for node in module.graph.nodes if str(node.target).startswith("aten.conv2d")]
    assert reason in convolution.meta["why"]
