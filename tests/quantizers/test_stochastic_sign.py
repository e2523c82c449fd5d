import copy
import math

import pytest
import torch

from onebit.quantizers import Sign, StochasticSign, hard_sigmoid

DRAWS = 20_000


def test_hard_sigmoid_is_a_clipped_line():
    x = torch.tensor([-math.inf, -2, -1, -0.5, 0, 0.5, 1, 2, math.inf])
    assert hard_sigmoid(x).tolist() == [0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1]


@pytest.mark.parametrize("x", [-0.9, -0.5, -0.1, 0.0, 0.3, 0.75, 0.99])
def test_frequency_of_plus_one_is_the_hard_sigmoid(x):
    quantizer = StochasticSign(torch.Generator().manual_seed(7))
    p = float(hard_sigmoid(torch.tensor(x)))
    hits = int((quantizer(torch.full((DRAWS,), x)) == 1).sum())
    assert abs(hits - DRAWS * p) <= 4.5 * math.sqrt(DRAWS * p * (1 - p))  # 4.5 sigma of the binomial


@pytest.mark.parametrize(("x", "sign"), [(1.0, 1), (3.0, 1), (-1.0, -1), (-3.0, -1)])
def test_outside_the_window_nothing_is_left_to_chance(x, sign):
    assert torch.equal(StochasticSign()(torch.full((DRAWS,), x)), torch.full((DRAWS,), float(sign)))


def test_evaluation_is_the_deterministic_sign_and_draws_nothing():
    quantizer, x = StochasticSign().eval(), torch.linspace(-1, 1, 101)
    before = quantizer.get_extra_state().clone()
    assert torch.equal(quantizer(x), Sign()(x))
    assert torch.equal(quantizer.get_extra_state(), before)


def test_slope_is_the_inclusive_window():
    x = torch.tensor([-1.5, -1, 0, 1, 1.5], requires_grad=True)
    StochasticSign()(x).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]


def test_draws_come_from_the_own_generator_alone():
    x = torch.zeros(1000)
    a, b = (StochasticSign().manual_seed(3) for _ in range(2))
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = a(x)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    assert torch.equal(b(x), first)
    assert not torch.equal(b(x), first)


def test_seed_of_the_own_generator_follows_the_global_one():
    def draw():
        torch.manual_seed(11)
        return StochasticSign()(torch.zeros(1000)), StochasticSign()(torch.zeros(1000))

    (a, other), (b, _) = draw(), draw()
    assert torch.equal(a, b)
    assert not torch.equal(a, other)


def test_state_dict_continues_the_draws():
    x, quantizer = torch.zeros(1000), StochasticSign()
    quantizer(x)
    state = copy.deepcopy(quantizer.state_dict())
    expected = quantizer(x)
    resumed = StochasticSign()
    resumed.load_state_dict(state)
    assert torch.equal(resumed(x), expected)


def test_state_of_another_kind_of_device_is_left_aside():
    quantizer, x = StochasticSign().manual_seed(1), torch.zeros(100)
    expected = StochasticSign().manual_seed(1)(x)
    quantizer.set_extra_state(torch.zeros(16, dtype=torch.uint8))
    assert torch.equal(quantizer(x), expected)


def test_copy_draws_the_same_signs_on_its_own():
    quantizer, x = StochasticSign(), torch.zeros(1000)
    twin = copy.deepcopy(quantizer)
    assert torch.equal(quantizer(x), twin(x))
