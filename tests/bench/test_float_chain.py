import pytest
import torch

import onebit
from onebit import models, nn
from onebit._errors import OptionError
from onebit.bench._float_chain import float_chain
from onebit.bench._model import balance, random_mlp


def perceptron(hidden):
    model = models.mlp(hidden=hidden).eval()
    generator = torch.Generator().manual_seed(1)
    balance(model, generator)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):  # both directions, and channels that are constant
            module.weight.data.copy_(torch.randn(module.num_features, generator=generator))
            module.weight.data[:2] = 0
            module.running_mean[2:4] = torch.tensor([1e9, -1e9])
    return model


@torch.inference_mode()
@pytest.mark.parametrize("hidden", [(70, 65), (64,), (128, 5, 40)])
def test_the_chain_computes_the_scores_of_the_packed_network_exactly(hidden):
    x = torch.randint(0, 256, (200, 1, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    packed = onebit.convert(perceptron(hidden), x[:4])
    assert torch.equal(float_chain(packed)(x), packed(x))


def test_the_chain_has_a_product_for_each_layer():
    chain = float_chain(random_mlp(hidden=(9, 8)))
    assert [type(module).__name__ for module in chain] == [
        "Flat", "Linear", "Sign", "Linear", "Sign", "Linear", "Affine"
    ]  # fmt: skip


def test_a_model_that_is_no_perceptron_is_refused():
    model = torch.nn.Sequential(nn.Pixels(), nn.BinaryConv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).eval()
    packed = onebit.convert(model, torch.zeros(1, 3, 5, 5, dtype=torch.uint8))
    with pytest.raises(OptionError, match="onebit demo"):
        float_chain(packed)
