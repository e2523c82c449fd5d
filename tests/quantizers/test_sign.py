import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit.quantizers import Sign

FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


@pytest.mark.parametrize("dtype", FLOATS)
def test_sign_is_minus_one_below_zero_and_plus_one_elsewhere(dtype):
    tiny = torch.finfo(dtype).tiny
    x = torch.tensor([0.0, -0.0, math.nan, tiny, -tiny, math.inf, -math.inf, 2.0, -2.0], dtype=dtype)
    expected = torch.tensor([1, 1, 1, 1, -1, 1, -1, 1, -1], dtype=dtype)
    assert torch.equal(Sign()(x), expected)
    assert torch.equal(Sign()(x.requires_grad_()), expected)


@pytest.mark.parametrize("dtype", FLOATS)
def test_window_includes_exactly_one_and_nothing_beyond(dtype):
    one = torch.ones((), dtype=dtype)
    beyond = one + torch.finfo(dtype).eps
    x = torch.stack([-beyond, -one, -one / 2, 0 * one, one / 2, one, beyond]).requires_grad_()
    Sign()(x).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 1, 1, 0]


@given(st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=40))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_autograd_slope_is_the_formula_of_the_docstring(values):
    assert "-1 if x < 0 else +1" in Sign.__doc__
    assert "1 if |x| <= 1 else 0" in Sign.__doc__
    x = torch.tensor(values, requires_grad=True)
    upstream = torch.arange(1.0, len(values) + 1)
    y = Sign()(x)
    y.backward(upstream)
    assert y.tolist() == [-1 if value < 0 else +1 for value in values]
    window = [1 if abs(value) <= 1 else 0 for value in values]
    assert torch.equal(x.grad, upstream * torch.tensor(window))


def test_input_is_left_as_it_was():
    x = torch.tensor([-0.5, 0.5])
    Sign()(x)
    assert x.tolist() == [-0.5, 0.5]


@pytest.mark.parametrize("grad", [True, False])
def test_exported_graph_is_one_comparison_and_one_where(grad):
    batch = {0: torch.export.Dim.DYNAMIC}
    x = torch.randn(3, 5, requires_grad=grad)
    program = torch.export.export(Sign().eval(), (x,), dynamic_shapes=(batch,))
    nodes = [node for node in program.graph.nodes if node.op == "call_function"]
    assert [node.target for node in nodes] == [torch.ops.aten.lt.Scalar, torch.ops.aten.where.Scalar]
    assert nodes[0].args[1] == 0
    assert nodes[1].args == (nodes[0], -1.0, 1.0)
    special = torch.tensor([[0.0, -0.0, math.nan, -1.0, 1.0]])
    assert torch.equal(program.module()(special), Sign()(special))
