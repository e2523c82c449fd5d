import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit._errors import DtypeError, ShapeError
from onebit.nn import SquaredHinge
from onebit.nn.functional import squared_hinge


@given(st.integers(1, 6), st.integers(1, 7), st.integers(0, 10**6))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_loss_and_gradient_are_the_formula(n, classes, seed):
    rng = torch.Generator().manual_seed(seed)
    o = (2 * torch.randn(n, classes, generator=rng, dtype=torch.float64)).requires_grad_()
    labels = torch.randint(classes, (n,), generator=rng)
    loss = squared_hinge(o, labels)
    loss.backward()
    expected = 0.0
    for i in range(n):
        for c in range(classes):
            t = 1 if c == labels[i] else -1
            rest = max(0.0, 1 - t * float(o.detach()[i, c]))
            expected += rest**2 / (n * classes)
            assert float(o.grad[i, c]) == pytest.approx(-2 * t * rest / (n * classes), abs=1e-12)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_a_margin_of_one_costs_nothing():
    assert float(squared_hinge(torch.tensor([[1.0, -1.0], [-1.0, 1.0]]), torch.tensor([0, 1]))) == 0
    assert float(squared_hinge(torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64))) == 1


def test_module_is_the_function():
    o, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 0, 1])
    assert torch.equal(SquaredHinge()(o, labels), squared_hinge(o, labels))


def test_wrong_shapes_and_dtypes_are_refused():
    with pytest.raises(ShapeError, match=r"outputs have shape \(4, 3\), labels \(3,\)"):
        squared_hinge(torch.zeros(4, 3), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ShapeError, match=r"Expected \(N, classes\) and \(N,\)"):
        squared_hinge(torch.zeros(4, 3), torch.zeros(4, 3, dtype=torch.int64))
    with pytest.raises(DtypeError, match=r"labels have dtype torch\.float32"):
        squared_hinge(torch.zeros(4, 3), torch.zeros(4))
