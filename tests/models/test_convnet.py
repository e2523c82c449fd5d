import pytest
import torch
from torch import nn as torch_nn
from torch.nn import functional as F

from onebit import models
from onebit._errors import OptionError, ShapeError
from onebit.nn import latent_weights

SMALL = {"widths": (4, 6, 5, 7, 8, 9), "hidden": (20, 11)}


def pictures(n, seed=0):
    return torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_the_papers_network_has_its_size():
    with torch.device("meta"):
        model, half = models.cifar10_convnet(), models.cifar10_convnet(widths=(64, 64, 128, 128, 256, 256))
    assert sum(weight.numel() for weight in latent_weights(model)) == 14_022_016
    assert sum(weight.numel() for weight in latent_weights(half)) == 6_397_632
    norms = [m for m in model.modules() if isinstance(m, torch_nn.BatchNorm2d | torch_nn.BatchNorm1d)]
    assert len(norms) == 9
    assert {(m.eps, m.momentum) for m in norms} == {(1e-4, 0.1)}


def test_evaluation_is_the_chain_of_the_paper_exactly():
    torch.manual_seed(1)
    model = models.cifar10_convnet(**SMALL)
    model(pictures(6))
    model.eval()
    x = pictures(3, seed=1)
    with torch.no_grad():
        h = 2 * x.float() - 255
        for depth in range(1, 7):
            block = getattr(model, f"conv{depth}")
            h = F.conv2d(h, torch.where(block.conv.weight < 0, -1.0, 1.0), padding=1)
            h = F.max_pool2d(h, 2) if depth % 2 == 0 else h
            h = torch.where(block.norm(h) < 0, -1.0, 1.0)
        h = h.flatten(1)
        for name in ("dense1", "dense2", "output"):
            block = getattr(model, name)
            h = block.norm(h @ torch.where(block.linear.weight < 0, -1.0, 1.0).T)
            h = h if name == "output" else torch.where(h < 0, -1.0, 1.0)
        assert torch.equal(model(x), h)


@pytest.mark.parametrize("options", [{"widths": (8, 8)}, {"widths": (8, 8, 8, 8, 8, 0)}, {"classes": -1}])
def test_sizes_out_of_range_are_refused(options):
    with pytest.raises(OptionError, match="cifar10-convnet: widths is"):
        models.cifar10_convnet(**options)


def test_an_activation_is_needed():
    with pytest.raises(OptionError, match="activation is None"):
        models.cifar10_convnet(**SMALL, activation=None)


def test_pictures_of_another_size_are_refused():
    with pytest.raises(ShapeError, match=r"ConvNet: input has shape \(2, 3, 28, 28\). Expected \(N, 3, 32, 32\)"):
        models.cifar10_convnet(**SMALL)(torch.zeros(2, 3, 28, 28, dtype=torch.uint8))


def test_drawn_activations_become_signs_in_evaluation():
    torch.manual_seed(1)
    drawn = models.cifar10_convnet(**SMALL, activation="stochastic-sign", batch_norm="shift")
    plain = models.cifar10_convnet(**SMALL, batch_norm="shift")
    x = pictures(4)
    assert not torch.equal(drawn(x), drawn(x))
    state = {name: value for name, value in drawn.state_dict().items() if not name.endswith("_extra_state")}
    plain.load_state_dict(state)
    assert torch.equal(drawn.eval()(x), plain.eval()(x))
