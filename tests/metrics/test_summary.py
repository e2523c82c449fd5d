import torch
from torch import nn

from onebit import models
from onebit.metrics import summary
from onebit.nn import BinaryConv2d, BinaryLinear

PICTURE = torch.zeros((1, 1, 28, 28), dtype=torch.uint8)


def test_the_papers_network_has_its_published_size():
    table = summary(models.mlp(), PICTURE)
    linear = [layer for layer in table.layers if layer.kind == "BinaryLinear"]
    assert sum(layer.parameters for layer in linear) == 36_806_656
    assert sum(layer.bits for layer in linear) == 36_806_656  # one bit each: 4.39 MiB
    assert sum(layer.macs for layer in table.layers) == 36_806_656


def test_precision_is_what_each_layer_sees():
    table = summary(models.mlp(hidden=(8, 8), inputs=784), PICTURE)
    seen = [(layer.input_precision, layer.weight_precision) for layer in table.layers if layer.kind == "BinaryLinear"]
    assert seen == [("8", "1"), ("1", "1"), ("1", "1")]
    assert all(layer.weight_precision == "32" for layer in table.layers if layer.kind == "BatchNorm1d")


def test_the_binary_share_counts_operations_with_both_operands_binary():
    table = summary(models.mlp(hidden=(8, 8)), PICTURE)
    assert table.binary_share == (8 * 8 + 8 * 10) / (784 * 8 + 8 * 8 + 8 * 10)


def test_a_convolution_counts_every_position():
    model = nn.Sequential(BinaryConv2d(3, 5, 3, padding=1, input_quantizer="sign"), nn.Flatten(), nn.Linear(80, 2))
    conv, dense = summary(model, torch.randn(1, 3, 4, 4)).layers
    assert conv.macs == 3 * 5 * 9 * 16
    assert (conv.input_precision, conv.weight_precision, conv.bits) == ("1", "1", 135)
    assert (dense.macs, dense.bits, dense.input_precision) == (160, 162 * 32, "32")


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(BinaryLinear(4, 4), nn.BatchNorm1d(4)).train()
    model[1].eval()  # as one that is held while the rest trains
    before = {name: value.clone() for name, value in model.state_dict().items()}
    summary(model, torch.randn(1, 4))
    assert (model.training, *(module.training for module in model)) == (True, True, False)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_the_text_has_a_line_per_layer_and_the_totals():
    text = str(summary(models.mlp(hidden=(8,)), PICTURE))
    layers, costs = text.split("\n\n")
    assert len(layers.splitlines()) == 2 + 4 + 1
    assert "x smaller" in layers.splitlines()[-1]
    assert costs.startswith("one inference")
