from typing import Any

import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from onebit.training._adam import Adam

SHAPES = [(5, 3, 3, 3), (64, 64, 3, 3), (7, 5, 1, 3), (33, 17), (9,), ()]


def parameters(order: torch.memory_format) -> list[torch.nn.Parameter]:
    torch.manual_seed(3)
    values = (torch.randn(shape) for shape in SHAPES)
    return [torch.nn.Parameter(v.to(memory_format=order) if v.ndim == 4 else v) for v in values]


def trained(kind: type[torch.optim.Adam], order: torch.memory_format, **options: Any) -> list[Tensor]:
    values = parameters(order)
    optimizer = kind(values, lr=0.01, **options)
    for step in range(5):
        torch.manual_seed(step)
        for value in values:  # one in four gradients in another order than its weight
            g = torch.randn(value.shape)
            value.grad = g if step == 2 else torch.empty_like(value).copy_(g)
        if step == 3:  # resumed
            state = optimizer.state_dict()
            optimizer = kind(values, lr=0.01, **options)
            optimizer.load_state_dict(state)
        optimizer.step()
    averages = [optimizer.state[value][name] for value in values for name in ("exp_avg", "exp_avg_sq")]
    return [value.detach() for value in values] + averages


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last], ids=["plain", "channels last"])
@pytest.mark.parametrize("options", [{"fused": True}, {"fused": True, "amsgrad": True}, {}, {"foreach": True}], ids=str)
def test_every_bit_is_that_of_torchs_adam(order: torch.memory_format, options: dict[str, Any]) -> None:
    for own, expected in zip(trained(Adam, order, **options), trained(torch.optim.Adam, order, **options), strict=True):
        assert own.stride() == expected.stride()
        assert torch.equal(own, expected)


def test_no_gradient_in_channels_last_order_is_copied() -> None:
    def clones(kind: type[torch.optim.Adam]) -> int:
        values = parameters(torch.channels_last)
        optimizer = kind(values, lr=0.01, fused=True)
        for _ in range(2):
            for value in values:
                value.grad = torch.ones_like(value)
            with profile(activities=[ProfilerActivity.CPU]) as recorded:
                optimizer.step()
        return sum(event.count for event in recorded.key_averages() if event.key == "aten::clone")

    assert clones(Adam) == 0
    assert clones(torch.optim.Adam) > 0  # else there is nothing left for this class to do
