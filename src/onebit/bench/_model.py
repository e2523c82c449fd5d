"""A whole network: the paper's multilayer perceptron, with random weights, converted."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from onebit import models
from onebit.bench._workload import Centre, Sign, Workload, linear
from onebit.conversion import convert
from onebit.nn import BinaryLinear, Pixels
from onebit.quantizers import Quantizer


def mlp(batch: int, hidden: tuple[int, ...] = (4096, 4096, 4096)) -> Workload:
    """784-3x4096-10 on `batch` random pictures. Peers run it with batch normalisation folded into the weights."""
    generator = torch.Generator().manual_seed(0)
    model = _random(hidden, generator)
    x = torch.randint(0, 256, (batch, 784), generator=generator, dtype=torch.uint8)
    packed = convert(model, x)
    network = fold(model)

    def run() -> Tensor:
        y: Tensor = packed(x)
        return y

    def check() -> bool:
        return torch.allclose(run(), model(x), rtol=1e-4, atol=1e-4)

    macs = batch * sum(layer.macs for layer in packed.layers())
    name = f"mlp_{784}_{'_'.join(map(str, hidden))}_10"
    return Workload(name, (batch,), macs, tuple(packed.kernels()), run, network, x, check)


def fold(model: nn.Module) -> nn.Sequential:
    """The same network in plain float32 for inference: signs of the weights, times the factor of their norm."""
    folded: list[nn.Module] = []
    weight = torch.empty(0)
    for module in model.modules():
        if isinstance(module, BinaryLinear):
            weight = torch.where(module.weight.detach() < 0, -1.0, 1.0)
        elif isinstance(module, nn.BatchNorm1d):
            scale, bias = _affine(module)
            folded.append(linear(weight * scale[:, None], bias))
        elif isinstance(module, Pixels):
            folded.append(Centre())
        elif isinstance(module, Quantizer) and _is_activation(module, model):
            folded.append(Sign())
    return nn.Sequential(*folded)


def _affine(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("fold: a norm without running statistics has nothing to fold")
    scale = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
    return scale, norm.bias.detach() - norm.running_mean * scale


def _is_activation(quantizer: Quantizer, model: nn.Module) -> bool:
    """Whether it stands in the chain: the quantizers inside of a layer act on that layer's weights."""
    layers = (module for module in model.modules() if isinstance(module, BinaryLinear))
    return all(quantizer is not inside for layer in layers for inside in layer.modules())


def _random(hidden: tuple[int, ...], generator: torch.Generator) -> nn.Module:
    """A network whose norms have statistics as if trained, so that about half of all signs are -1."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = models.create("mlp", hidden=hidden).eval()
    spread = 255 / 3**0.5  # of a pixel; of a sign, 1
    for module in model.modules():
        if isinstance(module, BinaryLinear):
            spread *= module.weight.shape[1] ** 0.5
        if isinstance(module, nn.BatchNorm1d) and module.running_mean is not None and module.running_var is not None:
            module.running_mean.copy_(torch.randn(module.num_features, generator=generator) * spread / 2)
            module.running_var.fill_(spread**2)
            spread = 1.0
    return model
