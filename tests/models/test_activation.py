import pytest
import torch

from onebit import models
from onebit._errors import OptionError, UnknownName
from onebit.models._activation import Activation
from onebit.nn import BinaryLayer
from onebit.quantizers import Sign


def test_a_quantizer_goes_into_the_next_layer_and_a_float_activation_stands_before_it():
    sign, relu = Activation.named("net", "sign"), Activation.named("net", "relu")
    assert isinstance(sign.quantizer(), Sign)
    assert sign.module() is None
    assert relu.quantizer() is None
    assert isinstance(relu.module(), torch.nn.ReLU)


def test_a_wrong_name_is_refused():
    with pytest.raises(OptionError, match="net: activation is None"):
        Activation.named("net", None)
    with pytest.raises(UnknownName, match="Did you mean 'relu'"):
        Activation.named("net", "rleu")


CONVOLUTIONS = {"widths": (4,) * 6, "hidden": (8, 8)}
SMALL = {
    "mlp": {"hidden": (8, 8)},
    "cifar10-convnet": CONVOLUTIONS,
    "cifar10-resnet": {"depth": 8, "widths": (4, 5, 6)},
    "cifar10-vgg": CONVOLUTIONS,
    "imagenet-alexnet": {"widths": (4,) * 5, "hidden": (8, 8), "side": 63},
    "imagenet-googlenet": {"divide": 16},
    "imagenet-resnet": {"widths": (4,) * 4},
    "larq-vgg": CONVOLUTIONS,
}


@pytest.mark.parametrize("name", sorted(SMALL))
@pytest.mark.parametrize("activation", ["relu", "hardtanh"])
def test_the_float_twin_of_a_network_has_the_same_parameters_and_no_signs(name, activation):
    options = {"activation": activation, "weights": None}
    twin, binary = (models.create(name, **SMALL[name], **more) for more in (options, {}))
    assert {key: value.shape for key, value in twin.state_dict().items()} == {
        key: value.shape for key, value in binary.state_dict().items()
    }
    layers = [module for module in twin.modules() if isinstance(module, BinaryLayer)]
    assert all(layer.input_quantizer is None and layer.weight_quantizer is None for layer in layers)
    assert not any(isinstance(module, Sign) for module in twin.modules())
