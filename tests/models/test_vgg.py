import torch

from onebit import models
from onebit.nn import latent_weights

SMALL = {"widths": (4, 6, 5, 7, 8, 9), "hidden": (20, 11)}


def test_the_published_network_has_its_size():
    """36,461,450 parameters, of which 6,410 are the biases that the batch norms take away."""
    with torch.device("meta"):
        model = models.cifar10_vgg()
    assert sum(parameter.numel() for parameter in model.parameters()) == 36_461_450 - 6_410
    assert sum(weight.shape[0] for weight in latent_weights(model)) == 6_410


def test_it_is_the_convnet_but_for_the_norm_of_the_scores():
    torch.manual_seed(1)
    vgg, convnet = models.cifar10_vgg(**SMALL), models.cifar10_convnet(**SMALL)
    convnet.load_state_dict(vgg.state_dict(), strict=False)
    x = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    convnet.output.norm.eps = vgg.output.norm.eps
    assert torch.equal(vgg(x), convnet(x))
    assert vgg.output.norm.weight is None
    vgg(x).square().mean().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in latent_weights(vgg))
