import pytest
import torch

from onebit import models
from onebit._errors import UnknownName
from onebit.nn import BinaryLinear

MNIST = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)


def test_the_names():
    assert {"mlp", "mlp-small"} <= set(models.names())


@pytest.mark.parametrize("name", models.names())
def test_every_model_scores_pictures_and_has_only_binary_weights(name):
    model = models.create(name, **({"hidden": (32, 32)} if name == "mlp" else {})).eval()
    assert model(MNIST).shape == (2, 10)
    for module in model.modules():
        assert not isinstance(module, torch.nn.Linear) or isinstance(module, BinaryLinear)


def test_unknown_model_suggests_the_near_miss():
    with pytest.raises(UnknownName, match=r"No model is called 'mpl'. Did you mean 'mlp'\?"):
        models.create("mpl")


def test_unknown_option_suggests_the_near_miss():
    with pytest.raises(UnknownName, match=r"No option of model 'mlp' is called 'hiden'. Did you mean 'hidden'\?"):
        models.create("mlp", hiden=(8,))
