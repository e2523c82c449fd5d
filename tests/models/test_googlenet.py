import pytest
import torch
from torch.nn import functional as F

import onebit
from onebit import models
from onebit._errors import OptionError
from onebit.models._googlenet import BLOCKS
from onebit.nn import BinaryConv2d, latent_weights

SIDE = 48


def pictures(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator)


def trained(divide=8, **options):
    torch.manual_seed(1)
    model = models.imagenet_googlenet(divide, classes=7, **options)
    model(pictures(6))
    return model.eval()


def test_the_published_network_has_its_size():
    """6,998,552 parameters without the auxiliary classifiers, of which 8,280 are biases."""
    with torch.device("meta"):
        model = models.imagenet_googlenet()
        maps = torch.nn.Sequential(*list(model)[:-4])(torch.zeros(2, 3, 224, 224, dtype=torch.uint8))
    weights = list(latent_weights(model))
    assert sum(weight.numel() for weight in weights) == 6_998_552 - 8_280
    assert sum(weight.shape[0] for weight in weights) == 8_280
    assert maps.shape == (2, 1024, 7, 7)


def test_evaluation_is_the_published_chain_exactly():
    model, x = trained(), pictures(3, seed=1)

    def signed(h):
        return torch.where(h < 0, -1.0, 1.0)

    def layer(block, h, stride=1):
        weight = signed(block.conv.weight)
        return F.conv2d(h, weight, stride=stride, padding=weight.shape[-1] // 2)

    with torch.no_grad():
        h = layer(model.conv1, 2 * x.float() - 255, 2)
        h = model.conv1.norm(F.max_pool2d(h, 3, 2, 1))
        h = model.conv2.norm(layer(model.conv2, signed(h)))
        h = model.conv3.norm(F.max_pool2d(layer(model.conv3, signed(h)), 3, 2, 1))
        for depth, channels in enumerate(BLOCKS, start=1):
            if channels is None:
                h = F.max_pool2d(h, 3, 2, 1)
                continue
            block = getattr(model, f"block{depth}")
            branches = []
            for path in ([block.branch1], block.branch3, block.branch5, [block.branch_pool[1]]):
                y = F.max_pool2d(h, 3, 1, 1) if path[0] is block.branch_pool[1] else h
                for one in path:
                    y = one.norm(layer(one, signed(y)))
                branches.append(y)
            h = torch.cat(branches, 1)
        h = signed(model.norm(h.mean((2, 3))))
        h = model.output.norm(h @ signed(model.output.linear.weight).T)
        assert torch.equal(model(x), h)


def test_every_weight_gets_a_gradient():
    model = trained(16).train()
    model(pictures(4)).square().mean().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in latent_weights(model))


def test_it_converts_to_bits_throughout_with_equal_classes():
    model, x = trained(), pictures(4, seed=2)
    packed = onebit.convert(model, x[:2])
    assert "stays float" not in str(packed.explain())
    assert sum(one.operator.startswith("conv2d") for one in packed.layers()) == 57  # each once
    assert torch.equal(packed(x).argmax(1), model(x).argmax(1))
    torch.testing.assert_close(packed(x), model(x), rtol=0, atol=1e-4)


def test_all_convolutions_are_binary_and_all_but_the_first_see_signs():
    with torch.device("meta"):
        model = models.imagenet_googlenet(8)
    convolutions = [module for module in model.modules() if isinstance(module, torch.nn.Conv2d)]
    assert len(convolutions) == 57
    assert all(isinstance(module, BinaryConv2d) and module.weight_quantizer is not None for module in convolutions)
    assert [module for module in convolutions if module.input_quantizer is None] == [model.conv1.conv]


@pytest.mark.parametrize("options", [{"divide": 0}, {"divide": 17}, {"divide": 1.5}, {"classes": 0}])
def test_sizes_out_of_range_are_refused(options):
    with pytest.raises(OptionError, match="imagenet-googlenet: divide is"):
        models.imagenet_googlenet(**options)
