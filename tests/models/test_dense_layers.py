import torch
from torch import nn

from onebit.models._activation import Activation
from onebit.models._dense_layers import add_dense_layers


def dense(activation: str) -> nn.Sequential:
    model = nn.Sequential()
    active = Activation.named("test", activation)
    add_dense_layers(model, 12, (8, 6), 5, active, "sign", lambda width, last: nn.BatchNorm1d(width, affine=not last))
    return model


def test_hidden_layers_are_numbered_and_the_last_is_the_output():
    model = dense("sign")
    assert list(dict(model.named_children())) == ["flatten", "dense1", "dense2", "output"]
    assert [tuple(block.linear.weight.shape) for block in model[1:]] == [(8, 12), (6, 8), (5, 6)]
    assert [block.norm.affine for block in model[1:]] == [True, True, False]
    assert model(torch.randn(2, 3, 2, 2)).shape == (2, 5)


def test_a_float_activation_stands_behind_every_norm_but_the_last_and_takes_the_signs_away():
    blocks = dense("relu")[1:]
    assert [isinstance(block[-1], nn.ReLU) for block in blocks] == [True, True, False]
    assert all(block.linear.input_quantizer is None for block in blocks)
    assert all(block.linear.input_quantizer is not None for block in dense("sign")[1:])
