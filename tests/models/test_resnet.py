import pytest
import torch
from torch import nn as torch_nn
from torch.nn import functional as F

import onebit
from onebit import models
from onebit._errors import OptionError
from onebit.nn import latent_weights

CIFAR = {"depth": 14, "widths": (8, 12, 16), "classes": 7}
IMAGENET = {"depth": 18, "widths": (4, 6, 8, 10), "classes": 7}


def pictures(n, side, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=generator)


def trained(name, **options):
    torch.manual_seed(1)
    small, side = (CIFAR, 32) if name == "cifar10-resnet" else (IMAGENET, 64)
    model = models.create(name, **small, **options)
    model(pictures(6, side))
    return model.eval(), side


@pytest.mark.parametrize(("depth", "published"), [(18, 4_338_030), (20, 6_759_470), (32, 11_602_350), (56, 21_288_110)])
def test_the_networks_for_cifar10_have_the_published_sizes(depth, published):
    """Published with a batch norm of 320 channels that nothing uses, and with biases of the ten scores."""
    with torch.device("meta"):
        model = models.cifar10_resnet(depth)
    assert sum(parameter.numel() for parameter in model.parameters()) == published - 2 * 320 - 10


@pytest.mark.parametrize(("depth", "layers", "weights"), [(18, 21, 11_678_912), (34, 37, 21_779_648)])
def test_the_networks_for_imagenet_have_their_layers_and_sizes(depth, layers, weights):
    """Two layers, and three shortcuts that convolve, are not in a block: 1 + 2 * 8 + 1 + 3."""
    with torch.device("meta"):
        model = models.imagenet_resnet(depth)
        maps = torch_nn.Sequential(*list(model)[:-5])(torch.zeros(2, 3, 224, 224, dtype=torch.uint8))
    latent = list(latent_weights(model))
    assert len(latent) == layers
    assert sum(weight.numel() for weight in latent) == weights
    assert maps.shape == (2, 512, 7, 7)


def signed(h):
    return torch.where(h < 0, -1.0, 1.0)


@pytest.mark.parametrize("name", ["cifar10-resnet", "imagenet-resnet"])
def test_evaluation_is_the_chain_of_signs_with_real_shortcuts_exactly(name):
    model, side = trained(name)
    x = pictures(3, side, seed=1)

    def conv(layer, h):
        return F.conv2d(h, signed(layer.weight), stride=layer.stride, padding=layer.weight.shape[-1] // 2)

    blocks = [module for key, module in model.named_children() if key.startswith("stage")]
    with torch.no_grad():
        h = conv(model.stem.conv, 2 * x.float() - 255)
        h = h if side == 32 else F.max_pool2d(h, 3, 2, 1)
        h = model.stem.norm(h).clamp(-1, 1)
        for block in blocks:
            y = conv(block.conv2, signed(block.norm1(conv(block.conv1, signed(h)))))
            convolves = block.conv1.stride != (1, 1) or block.conv1.in_channels != block.conv1.out_channels
            y = y + (block.shortcut.norm(conv(block.shortcut.conv, signed(h))) if convolves else h)
            h = y if block is blocks[-1] else block.end.norm(y).clamp(-1, 1)
        h = signed(model.norm(h.mean((2, 3))))
        assert torch.equal(model(x), model.output.norm(h @ signed(model.output.linear.weight).T))


@pytest.mark.parametrize("name", ["cifar10-resnet", "imagenet-resnet"])
def test_every_parameter_gets_a_gradient(name):
    model, side = trained(name)
    model.train()
    model(pictures(4, side)).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


@pytest.mark.parametrize("name", ["cifar10-resnet", "imagenet-resnet"])
def test_it_converts_to_bits_throughout_with_equal_classes(name):
    model, side = trained(name)
    x = pictures(5, side, seed=2)
    packed = onebit.convert(model, x[:2])
    assert "stays float" not in str(packed.explain())
    assert torch.equal(packed(x).argmax(1), model(x).argmax(1))
    torch.testing.assert_close(packed(x), model(x), rtol=0, atol=1e-4)


@pytest.mark.parametrize("options", [{"depth": 7}, {"widths": (8, 8)}, {"classes": 0}])
def test_sizes_out_of_range_are_refused_for_cifar10(options):
    with pytest.raises(OptionError, match=r"cifar10-resnet: .*Expected"):
        models.cifar10_resnet(**(CIFAR | options))


@pytest.mark.parametrize("options", [{"depth": 50}, {"widths": (8, 8, 8)}])
def test_sizes_out_of_range_are_refused_for_imagenet(options):
    with pytest.raises(OptionError, match=r"imagenet-resnet: .*Expected"):
        models.imagenet_resnet(**(IMAGENET | options))
