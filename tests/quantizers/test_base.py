import pytest
import torch
from torch.func import functional_call, grad, vmap

from onebit import quantizers
from onebit._errors import OptionError
from onebit.nn import BinaryConv2d
from onebit.quantizers import Quantizer, Sign, StochasticSign, checked


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


# torch says of some of its operations that vmap has no fast way for them.
slow_vmap = pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")


@slow_vmap
@pytest.mark.parametrize("name", quantizers.names())
def test_gradients_of_single_samples_under_vmap_are_those_of_each_alone(name):
    layer = BinaryConv2d(3, 4, 3, padding=1, input_quantizer=quantizers.get(name), weight_quantizer="sign").eval()
    parameters = {key: value.detach() for key, value in layer.named_parameters()}
    pictures = torch.randn(5, 3, 6, 6, generator=torch.Generator().manual_seed(0))

    def loss(given, picture):
        return functional_call(layer, given, (picture.unsqueeze(0),)).square().sum()  # whole numbers: exact

    together = vmap(grad(loss, argnums=(0, 1)), in_dims=(None, 0))(parameters, pictures)
    for i, picture in enumerate(pictures):
        leaf = picture.clone().requires_grad_()
        layer.zero_grad()
        layer(leaf.unsqueeze(0)).square().sum().backward()
        for key, value in layer.named_parameters():
            assert torch.equal(together[0][key][i], value.grad)
        assert torch.equal(together[1][i], leaf.grad)
        assert leaf.grad.any()


@slow_vmap
def test_under_vmap_a_draw_follows_the_randomness_that_was_asked_for():
    quantizer, zeros = StochasticSign().manual_seed(3), torch.zeros(4, 50)
    with pytest.raises(RuntimeError, match="randomness error mode"):
        vmap(quantizer)(zeros)
    same = vmap(quantizer, randomness="same")(zeros)
    assert set(same.flatten().tolist()) == {-1, 1}
    assert torch.equal(same, same[:1].expand_as(same))
    different = vmap(quantizer, randomness="different")(zeros)
    assert len({tuple(sample.tolist()) for sample in different}) == 4
    upstream = vmap(grad(lambda x: quantizer(x).sum()), randomness="same")(zeros)
    assert torch.equal(upstream, torch.ones(4, 50))


class DrawsInPlace(Quantizer):
    """A draw that changes what vmap holds once with what it holds for every sample."""

    def quantize(self, x):
        return torch.zeros(x.shape).add_(torch.rand(()))


def test_a_formula_that_vmap_cannot_compute_says_what_to_do():
    with pytest.raises(OptionError, match=r'DrawsInPlace cannot .* samples of shape \(3,\) .*randomness="same"'):
        vmap(DrawsInPlace(), randomness="different")(torch.zeros(2, 3))
