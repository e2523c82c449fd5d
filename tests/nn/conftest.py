"""What the tests of layers on bits share."""

import copy

import pytest
import torch

from onebit.nn import use_bits


@pytest.fixture
def reals():
    """Real numbers around the window, with its edges and both zeros among them."""

    def make(*shape, seed=0):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 0.9
        x.view(-1)[:6] = torch.tensor([0.0, -0.0, 1.0, -1.0, 1.5, -1e-40])
        return x

    return make


@pytest.fixture
def assert_same():
    """Asserts that a layer and its twin on bits have equal outputs and gradients.

    The upstream gradient holds small whole numbers, so all sums are exact in every order and dtype; for int8 its
    steps are 1.
    """

    def run(layer, x, bytes_back):
        layer.zero_grad()
        x = x.clone().requires_grad_()
        y = layer(x)
        draw = torch.Generator().manual_seed(1)
        upstream = torch.randint(-3, 4, y.shape, generator=draw)
        y.backward((upstream.sign() * 127 if bytes_back else upstream).to(y.dtype))
        return [y.detach(), x.grad, *(parameter.grad for parameter in layer.parameters())]

    def compare(layer, x, backward=torch.float32):
        twin = copy.deepcopy(layer)
        bytes_back = backward == torch.int8
        assert use_bits(twin, backward) == [""]
        for expected, found in zip(run(layer, x, bytes_back), run(twin, x, bytes_back), strict=True):
            assert torch.equal(expected, found)

    return compare
