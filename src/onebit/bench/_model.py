"""Whole networks: the paper's multilayer perceptron and ConvNet, and Larq's, with random weights, converted."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from onebit import models
from onebit.bench._folded import fold, steps
from onebit.bench._workload import Workload
from onebit.conversion import convert
from onebit.nn import BinaryConv2d, BinaryLinear
from onebit.runtime import PackedModel

# The maximum of four standard normal numbers: its mean and its variance.
POOLED_MEAN, POOLED_VARIANCE = 1.03, 0.49


def mlp(batch: int, hidden: Sequence[int] = (4096, 4096, 4096)) -> Workload:
    """784-3x4096-10 on `batch` random pictures."""
    return _network("mlp", batch, (784,), hidden=hidden)


def cifar10_convnet(batch: int, widths: Sequence[int] = (128, 128, 256, 256, 512, 512)) -> Workload:
    """2x128C3-MP2-2x256C3-MP2-2x512C3-MP2-2x1024FC-10 on `batch` random pictures of 3 x 32 x 32."""
    return _network("cifar10-convnet", batch, (3, 32, 32), widths=widths)


def larq_vgg(batch: int, widths: Sequence[int] = (128, 128, 256, 256, 512, 512)) -> Workload:
    """The network of Larq's guide on `batch` random pictures of 3 x 32 x 32."""
    return _network("larq-vgg", batch, (3, 32, 32), widths=widths)


def _network(name: str, batch: int, picture: tuple[int, ...], **options: Sequence[int]) -> Workload:
    """The network of that name; peers run it with batch normalisation folded into the weights."""
    generator = torch.Generator().manual_seed(0)
    model = _random(name, generator, **options)
    x = torch.randint(0, 256, (batch, *picture), generator=generator, dtype=torch.uint8)
    packed = convert(model, x[:4])
    network = fold(model)

    def run() -> Tensor:
        y: Tensor = packed(x)
        return y

    def check() -> bool:
        return torch.allclose(run(), model(x), rtol=1e-4, atol=1e-4)

    macs = batch * sum(layer.macs for layer in packed.layers())
    return Workload(name, (batch,), macs, tuple(packed.kernels()), run, network, x, check)


def random_mlp(hidden: Sequence[int] = (4096, 4096, 4096)) -> PackedModel:
    """The paper's 784-3x4096-10 with random weights, converted; it takes digits of 1 x 28 x 28."""
    generator = torch.Generator().manual_seed(0)
    model = _random("mlp", generator, hidden=hidden)
    return convert(model, torch.randint(0, 256, (4, 1, 28, 28), generator=generator, dtype=torch.uint8))


def _random(name: str, generator: torch.Generator, **options: Sequence[int]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = models.create(name, **options).eval()
    balance(model, generator)
    return model


def balance(model: nn.Module, generator: torch.Generator) -> None:
    """Gives the norms statistics as if trained, so that about half of all signs are -1."""
    spread, shift, shrink = 255 / 3**0.5, 0.0, 1.0  # of a pixel; of a sign the spread is 1
    for module in steps(model):
        if isinstance(module, BinaryLinear | BinaryConv2d):
            spread *= module.weight[0].numel() ** 0.5
        elif isinstance(module, nn.MaxPool2d):
            shift, shrink = POOLED_MEAN, POOLED_VARIANCE
        elif isinstance(module, _BatchNorm) and module.running_mean is not None and module.running_var is not None:
            middle = torch.randn(module.num_features, generator=generator) / 2 * shrink**0.5 + shift
            module.running_mean.copy_(middle * spread)
            module.running_var.fill_(spread**2 * shrink)
            spread, shift, shrink = 1.0, 0.0, 1.0
