"""Numbers that are no longer numbers: noticed cheaply, then traced to the layer in which they began."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from onebit._errors import DivergenceError

EVERY = 50  # steps between two looks at all gradients and weights, which read each of them once


def is_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether every number in them is: one pass and one wait for the device, unless their sum overflows."""
    known = list(tensors)
    if not known or math.isfinite(float(torch.stack([tensor.sum().float() for tensor in known]).sum())):
        return True
    return all(bool(torch.isfinite(tensor).all()) for tensor in known)


def explain(model: nn.Module, images: Tensor, loss: float) -> NoReturn:
    """Raise DivergenceError that names the first layer whose weights, output or gradient is not finite.

    Runs the model once more on `images`, in its current mode.
    """
    where = _weights(model) or _outputs(model, images) or _gradients(model) or "Every output and gradient is finite."
    raise DivergenceError(
        f"The loss is {loss:g} or a gradient is not finite. {where} Lower optimizer.lr, or look at the pictures and at "
        "data.preprocess; if arithmetic.autocast is on, try without. The last checkpoint was made before this: "
        "--resume goes on from it, and arrives here again unless something else was the cause."
    )


def _weights(model: nn.Module) -> str:
    for name, parameter in model.named_parameters():
        if not is_finite([parameter.detach()]):
            return f"{name} holds numbers that are not finite, so an earlier step has put them there."
    return ""


def _outputs(model: nn.Module, images: Tensor) -> str:
    broken: list[str] = []

    def watch(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG001
            if not broken and isinstance(output, Tensor) and not bool(torch.isfinite(output).all()):
                broken.append(f"{name} ({type(module).__name__})")

        return hook

    leaves = [(name, module) for name, module in model.named_modules() if not list(module.children())]
    handles = [module.register_forward_hook(watch(name)) for name, module in leaves]
    try:
        with torch.no_grad():
            model(images)
    finally:
        for handle in handles:
            handle.remove()
    return f"The first layer whose output is not finite is {broken[0]}." if broken else ""


def _gradients(model: nn.Module) -> str:
    """The last one in the network: gradients come from there."""
    broken = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is not None and not is_finite([parameter.grad])
    ]
    return f"The gradient of {broken[-1]} is the nearest to the loss that is not finite." if broken else ""
