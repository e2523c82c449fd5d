import pytest
import torch

from onebit import models
from onebit._errors import OptionError, UnknownName
from onebit.nn import BinaryConv2d, BinaryLinear

MNIST = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
CIFAR = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
IMAGENET = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
CONVOLUTIONS = {"widths": (4, 5, 6, 7, 8, 9), "hidden": (32, 32)}
SMALL = {
    "mlp": (MNIST, {"hidden": (32, 32)}),
    "mlp-small": (MNIST, {}),
    "cifar10-convnet": (CIFAR, CONVOLUTIONS),
    "cifar10-resnet": (CIFAR, {"depth": 8, "widths": (4, 5, 6)}),
    "cifar10-vgg": (CIFAR, CONVOLUTIONS),
    "imagenet-alexnet": (IMAGENET, {"widths": (4, 5, 6, 7, 8), "hidden": (32, 32), "classes": 10, "side": 64}),
    "imagenet-googlenet": (IMAGENET, {"divide": 16, "classes": 10}),
    "imagenet-resnet": (IMAGENET, {"widths": (4, 5, 6, 7), "classes": 10}),
    "larq-vgg": (CIFAR, CONVOLUTIONS),
}


def test_the_names():
    assert set(SMALL) == set(models.names())


@pytest.mark.parametrize("name", models.names())
def test_every_model_scores_pictures_and_has_only_binary_weights(name):
    pictures, options = SMALL[name]
    model = models.create(name, **options).eval()
    assert model(pictures).shape == (2, 10)
    for module in model.modules():
        assert not isinstance(module, torch.nn.Linear) or isinstance(module, BinaryLinear)
        assert not isinstance(module, torch.nn.Conv2d) or isinstance(module, BinaryConv2d)


def test_unknown_model_suggests_the_near_miss():
    with pytest.raises(UnknownName, match=r"No model is called 'mpl'. Did you mean 'mlp'\?"):
        models.create("mpl")


def test_unknown_option_suggests_the_near_miss():
    with pytest.raises(UnknownName, match=r"No option of model 'mlp' is called 'hiden'. Did you mean 'hidden'\?"):
        models.create("mlp", hiden=(8,))


@pytest.mark.parametrize("options", [{"hidden": 3}, {"dropout": 0.5}])
def test_a_value_of_another_type_is_told_with_what_the_model_takes(options):
    with pytest.raises(OptionError, match=r"Model 'mlp' cannot be made with \w+=.* It is mlp\(hidden: "):
        models.create("mlp", **options)
