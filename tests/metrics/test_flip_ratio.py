import torch
from torch import nn as torch_nn

from onebit.metrics import FlipRatio
from onebit.nn import BinaryLinear


def make_model():
    model = torch_nn.Sequential(BinaryLinear(4, 2), BinaryLinear(2, 5), torch_nn.Linear(5, 1))
    with torch.no_grad():
        for layer in model:
            layer.weight.fill_(0.5)
    return model


def test_flip_ratio_counts_changed_signs_since_the_last_update():
    model = make_model()
    flips = FlipRatio(model)
    with torch.no_grad():
        model[0].weight[0, :3] = -0.1
        model[0].weight[1, 0] = -0.0  # zero is +1, on either side
        model[2].weight.neg_()
    assert flips.update() == {"0": 0.375, "1": 0.0}
    assert flips.update() == {"0": 0.0, "1": 0.0}


def test_a_restored_state_continues():
    model = make_model()
    state = FlipRatio(model).state_dict()
    with torch.no_grad():
        model[1].weight.neg_()
    flips = FlipRatio(model)
    flips.load_state_dict(state)
    assert flips.update() == {"0": 0.0, "1": 1.0}
