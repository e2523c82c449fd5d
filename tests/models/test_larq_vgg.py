import torch
from torch import nn as torch_nn
from torch.nn import functional as F

from onebit import models
from onebit.nn import latent_weights


def test_the_guides_network_has_its_parameters_counted_as_larq_counts_them():
    """Weights, and of each batch norm the shift, the mean and the variance."""
    with torch.device("meta"):
        model = models.larq_vgg()
    norms = [m for m in model.modules() if isinstance(m, torch_nn.BatchNorm2d | torch_nn.BatchNorm1d)]
    assert all(norm.weight is None for norm in norms)
    weights = sum(weight.numel() for weight in latent_weights(model))
    assert weights + 3 * sum(norm.num_features for norm in norms) == 10_363_550


def test_evaluation_is_the_chain_of_the_guide_exactly():
    torch.manual_seed(1)
    model = models.larq_vgg(widths=(4, 6, 5, 7, 8, 9), hidden=(20, 11))
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=generator)
    model(x)
    model.eval()
    with torch.no_grad():
        h = 2 * x.float() - 255
        for depth in range(1, 7):
            block = getattr(model, f"conv{depth}")
            h = h if depth == 1 else torch.where(h < 0, -1.0, 1.0)
            h = F.conv2d(h, torch.where(block.conv.weight < 0, -1.0, 1.0), padding=0 if depth == 1 else 1)
            h = block.norm(F.max_pool2d(h, 2) if depth % 2 == 0 else h)
        h = h.flatten(1)
        for name in ("dense1", "dense2", "output"):
            block = getattr(model, name)
            h = block.norm(torch.where(h < 0, -1.0, 1.0) @ torch.where(block.linear.weight < 0, -1.0, 1.0).T)
        assert torch.equal(model(x), h)


def test_norms_reset_without_a_factor():
    model = models.larq_vgg(widths=(4, 6, 5, 7, 8, 9), hidden=(20, 11))
    torch_nn.init.ones_(model.conv1.norm.bias)
    model.conv1.norm.reset_parameters()
    assert not model.conv1.norm.bias.any()
