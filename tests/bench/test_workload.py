import torch
from torch import nn

from onebit.bench import _workload
from onebit.nn import Pixels


def test_centre_is_pixels_in_any_floating_point_type():
    pixels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(_workload.Centre()(pixels), Pixels()(pixels))
    narrow = _workload.Centre().to(torch.bfloat16)(pixels)
    assert narrow.dtype == torch.bfloat16
    assert torch.equal(narrow.float(), Pixels()(pixels))


def test_sign_has_the_sign():
    assert _workload.Sign()(torch.tensor([-3.0, 2.0])).tolist() == [-1, 1]


def test_signs_are_both_and_the_same_every_time():
    x = _workload.signs(50, 3, seed=1)
    assert set(x.unique().tolist()) == {-1, 1}
    assert torch.equal(x, _workload.signs(50, 3, seed=1))


def test_linear_has_the_weights_it_is_given():
    weight, bias = _workload.signs(5, 3, seed=0), torch.arange(5.0)
    x = _workload.signs(2, 3, seed=2)
    assert torch.equal(_workload.linear(weight, bias)(x), nn.functional.linear(x, weight, bias))
    assert torch.equal(_workload.linear(weight)(x), x @ weight.T)
