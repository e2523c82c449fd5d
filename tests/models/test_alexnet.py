import pytest
import torch
from torch.nn import functional as F

import onebit
from onebit import models
from onebit._errors import DtypeError, OptionError, ShapeError
from onebit.nn import latent_weights

SMALL = {"widths": (8, 9, 10, 11, 12), "hidden": (20, 13), "classes": 7, "side": 63}


def pictures(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, 63, 63), dtype=torch.uint8, generator=generator)


def trained(**options):
    torch.manual_seed(1)
    model = models.imagenet_alexnet(**SMALL, **options)
    model(pictures(6))
    return model.eval()


@pytest.mark.parametrize(
    ("widths", "weights"),
    [
        ((192, 576, 1152, 768, 256), 77_160_512),
        ((64, 192, 384, 256, 256), 61_090_496),
        ((64, 192, 384, 384, 256), 61_827_776),  # Larq's
    ],
)
def test_the_published_networks_have_their_sizes(widths, weights):
    with torch.device("meta"):
        model = models.imagenet_alexnet(widths)
    assert sum(weight.numel() for weight in latent_weights(model)) == weights
    assert model.dense1.linear.in_features == 256 * 6 * 6


def test_evaluation_is_the_published_chain_exactly():
    model, x = trained(), pictures(3, seed=1)
    with torch.no_grad():
        h = 2 * x.float() - 255
        for depth, (stride, padding) in enumerate([(4, 2), (1, 2), (1, 1), (1, 1), (1, 1)], start=1):
            block = getattr(model, f"conv{depth}")
            h = F.conv2d(h, torch.where(block.conv.weight < 0, -1.0, 1.0), stride=stride, padding=padding)
            h = F.max_pool2d(h, 3, 2) if depth in (1, 2, 5) else h
            h = torch.where(block.norm(h) < 0, -1.0, 1.0)
        h = h.flatten(1)
        for name in ("dense1", "dense2", "output"):
            block = getattr(model, name)
            h = block.norm(h @ torch.where(block.linear.weight < 0, -1.0, 1.0).T)
            h = h if name == "output" else torch.where(h < 0, -1.0, 1.0)
        assert torch.equal(model(x), h)


def test_every_weight_gets_a_gradient():
    model = trained().train()
    model(pictures(4)).square().mean().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in latent_weights(model))


def test_it_converts_to_bits_throughout_with_equal_classes():
    model, x = trained(), pictures(5, seed=2)
    packed = onebit.convert(model, x[:2])
    assert "stays float" not in str(packed.explain())
    assert torch.equal(packed(x).argmax(1), model(x).argmax(1))
    torch.testing.assert_close(packed(x), model(x), rtol=0, atol=1e-4)


@pytest.mark.parametrize("options", [{"widths": (8,) * 4}, {"hidden": (0,)}, {"classes": 0}, {"side": 62}])
def test_sizes_out_of_range_are_refused(options):
    with pytest.raises(OptionError, match="imagenet-alexnet: widths is"):
        models.imagenet_alexnet(**(SMALL | options))


def test_wrong_pictures_are_refused_by_the_layer_that_sees_them():
    model = trained()
    with pytest.raises(DtypeError, match="without normalisation"):
        model(torch.rand(2, 3, 63, 63))
    with pytest.raises(ShapeError, match="BinaryLinear"):
        model(torch.zeros(2, 3, 96, 96, dtype=torch.uint8))
