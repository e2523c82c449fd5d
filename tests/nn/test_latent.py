from torch import nn as torch_nn

from onebit.nn import BinaryConv2d, BinaryLinear, binary_layers, latent_weights


def test_latent_weights_are_those_with_a_weight_quantizer_in_order_and_once():
    shared = BinaryLinear(8, 8)
    model = torch_nn.Sequential(
        BinaryConv2d(1, 2, 3, bias=True),
        torch_nn.BatchNorm2d(2),
        torch_nn.Linear(4, 4),
        BinaryLinear(4, 4, weight_quantizer=None, input_quantizer="sign"),
        shared,
        torch_nn.Sequential(shared),
    )
    assert [id(weight) for weight in latent_weights(model)] == [id(model[0].weight), id(shared.weight)]
    assert [name for name, _ in binary_layers(model)] == ["0", "4"]


def test_tied_weights_of_two_layers_count_once():
    a, b = BinaryLinear(8, 8), BinaryLinear(8, 8)
    b.weight = a.weight
    assert len(list(latent_weights(torch_nn.Sequential(a, b)))) == 1
