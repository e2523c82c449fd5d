"""The models' Flatten is torch's; only where its gradient lies in memory differs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from onebit.models._flatten import Flatten


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_it_is_torchs_flatten_and_its_gradient_lies_as_the_maps_do(memory):
    seen, found = [], []
    for flatten in (Flatten(), nn.Flatten()):
        leaf = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(1)).requires_grad_()
        maps = leaf.to(memory_format=memory) * 2
        y = flatten(maps)
        maps.register_hook(seen.append)
        y.backward(torch.arange(120.0).view(2, 60))
        found.append((y.detach(), leaf.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    assert seen[0].is_contiguous(memory_format=memory)


def test_rows_stay_as_they_are():
    x = torch.randn(2, 3).requires_grad_()
    assert torch.equal(Flatten()(x), x)
