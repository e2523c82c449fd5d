"""Thresholds: found by running, they say of every integer what the function says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from onebit.conversion import _thresholds, passes
from onebit.conversion._channels import ChannelFunction, chain_behind
from onebit.conversion._graph import DENSE, calls
from onebit.conversion._layer import layer_of
from onebit.conversion._thresholds import NEVER, NotBinary, find_thresholds


def signs(x: Tensor) -> Tensor:
    return torch.where(x < 0, -1.0, 1.0)


@pytest.fixture
def channel_function(captured: Any) -> Callable[..., ChannelFunction]:
    """channel_function(f, n, k): f behind a dense layer of n channels and k signs, with f as the network's output."""

    def make(function: Callable[[Tensor], Tensor], n: int, k: int) -> ChannelFunction:
        weight = signs(torch.randn(n, k, generator=torch.Generator().manual_seed(0)))
        module = captured(lambda x: function(F.linear(signs(x), weight)) + 0, torch.zeros(2, k))
        for step in (*passes.CLEANING, passes.recognise_binarize, passes.match_dense):
            module = step(module)
        dense = next(node for node in module.graph.nodes if calls(node, DENSE["float"]))
        chain = chain_behind(module, dense)
        layer = layer_of(dense)
        assert layer is not None
        return ChannelFunction(module, chain, chain[-2], layer.sums)  # the last is the + 0

    return make


def holds(function: ChannelFunction, found: Any) -> bool:
    """True if the thresholds and the function agree on every integer of every channel."""
    y = function.sums.integers(0, function.sums.count)
    plus = torch.where(found.direction > 0, y >= found.threshold, y <= found.threshold)
    return torch.equal(plus, function(y) > 0)


def tie_norm(n: int, k: int) -> dict[str, Tensor]:
    """Batch norms whose mean is an attainable sum and whose shift is 0: rounding decides every boundary."""
    generator = torch.Generator().manual_seed(k)
    mean = torch.randint(-k // 4, k // 4 + 1, (n,), generator=generator) * 2 + k % 2
    gamma = torch.randn(n, generator=generator)
    var = torch.rand(n, generator=generator) * k + 0.1
    return {"running_mean": mean.float(), "running_var": var, "weight": gamma, "bias": torch.zeros(n)}


@pytest.mark.parametrize("k", [1, 64, 65, 513])
@pytest.mark.parametrize("bisect", [False, True])
def test_thresholds_agree_with_batch_norm_at_every_tie(
    k: int, bisect: bool, channel_function: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    norm = tie_norm(300, k)
    function = channel_function(lambda y: signs(F.batch_norm(y, **norm)), 300, k)
    monkeypatch.setattr(_thresholds, "SMALL", 0 if bisect else 10**6)
    found = find_thresholds(function)
    assert holds(function, found)
    assert ("bisected" in found.how) is bisect
    if k < 63:
        return
    mean, gamma = norm["running_mean"], norm["weight"]
    textbook = torch.where(found.direction > 0, found.threshold >= mean, found.threshold <= mean)
    moved = (found.threshold != mean) & textbook & (gamma != 0)
    assert int(moved.sum()) > 20  # the formula mean - beta * sigma / gamma is wrong in these channels


@pytest.mark.parametrize("bisect", [False, True])
def test_directions_and_constants_are_seen_by_running(
    bisect: bool, channel_function: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gamma, shift = torch.tensor([2.0, -2.0, 0.0, 0.0]), torch.tensor([0.5, 0.5, 0.5, -0.5])
    function = channel_function(lambda y: signs(y * gamma + shift), 4, 9)
    monkeypatch.setattr(_thresholds, "SMALL", 0 if bisect else 10**6)
    found = find_thresholds(function)
    assert holds(function, found)
    assert found.direction.tolist() == [1, -1, 1, 1]
    assert found.threshold.tolist() == [1, -1, -(2**31), NEVER]
    assert found.threshold.dtype == torch.int32
    assert found.direction.dtype == torch.int8


def test_what_changes_its_sign_twice_is_refused(channel_function: Any) -> None:
    function = channel_function(lambda y: signs(y.abs() - 2.5), 4, 9)
    with pytest.raises(NotBinary, match="channel 0 changes its sign 2 times"):
        find_thresholds(function)


def test_what_takes_a_third_value_is_refused(channel_function: Any) -> None:
    function = channel_function(torch.sign, 4, 10)
    with pytest.raises(NotBinary, match="channel 0 gives 0 for the sum 0"):
        find_thresholds(function)
    function = channel_function(torch.sign, 4, 9)  # odd sums are never 0
    assert holds(function, find_thresholds(function))


def test_large_ranges_without_a_proof_are_refused(channel_function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_thresholds, "SMALL", 0)
    monkeypatch.setattr(_thresholds, "ENUMERATE_UNPROVEN", 10)
    function = channel_function(lambda y: signs(torch.tanh(y) - 0.5), 4, 9)
    with pytest.raises(NotBinary, match=r"too many to run one by one, and no proof that tanh .* is monotone"):
        find_thresholds(function)


def test_chunks_do_not_change_the_answer(channel_function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    norm = tie_norm(30, 64)
    function = channel_function(lambda y: signs(F.batch_norm(y, **norm)), 30, 64)
    whole = find_thresholds(function)
    monkeypatch.setattr(_thresholds, "_CHUNK", 30)  # one row at a time
    rows = find_thresholds(function)
    assert torch.equal(whole.threshold, rows.threshold)
    assert torch.equal(whole.direction, rows.direction)
