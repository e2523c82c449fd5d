import pytest
import torch

from onebit import quantizers
from onebit._errors import OptionError
from onebit.quantizers import Quantizer, Sign, checked


class Cube(Quantizer):
    """q(x) = x**3, dq/dx := 7: a slope that is not the derivative, so that one sees which of them acts."""

    def quantize(self, x):
        return x**3

    def slope(self, x):
        return torch.full_like(x, 7)


def test_forward_is_quantize_and_backward_is_slope():
    x = torch.tensor([-2.0, 0.5, 3.0], requires_grad=True)
    y = Cube()(x)
    assert torch.equal(y, x.detach() ** 3)
    y.backward(torch.tensor([1.0, 10.0, 100.0]))
    assert torch.equal(x.grad, torch.tensor([7.0, 70.0, 700.0]))


def test_slope_acts_in_evaluation_mode_too():
    x = torch.ones(3, requires_grad=True)
    Cube().eval()(x).sum().backward()
    assert torch.equal(x.grad, torch.full((3,), 7.0))


def test_a_quantizer_without_formulas_says_which_is_missing():
    with pytest.raises(NotImplementedError, match=r"Quantizer must define quantize\(x\)"):
        Quantizer()(torch.ones(1))
    with pytest.raises(NotImplementedError, match=r"slope\(x\)"):
        Quantizer().slope(torch.ones(1))


@pytest.mark.parametrize("name", quantizers.names())
def test_checked_mode_refuses_nan_and_ends_with_the_context(name):
    quantizer, x = quantizers.get(name).eval(), torch.tensor([1.0, float("nan"), float("nan")])
    with checked(), pytest.raises(OptionError, match="2 of 3 inputs are NaN"):
        quantizer(x)
    with checked():
        quantizer(torch.zeros(3))
    assert torch.equal(quantizer(x), torch.ones(3))


@pytest.mark.parametrize("name", quantizers.names())
def test_values_are_the_levels_and_dtype_is_kept(name):
    for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16):
        quantizer = quantizers.get(name)
        x = torch.linspace(-3, 3, 301).to(dtype)
        for y in (quantizer(x), quantizer.eval()(x)):
            assert y.dtype == dtype
            assert set(y.tolist()) == set(quantizer.levels)
        assert quantizer.slope(x).dtype == dtype


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's, about its own tracing
def test_compiled_without_graph_break_the_gradient_is_the_same():
    x = torch.linspace(-2, 2, 41)
    results = []
    for call in (Sign(), torch.compile(Sign(), fullgraph=True, backend="aot_eager")):
        leaf = x.clone().requires_grad_()
        y = call(leaf)
        (y * x).sum().backward()
        results.append((y.detach(), leaf.grad))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
