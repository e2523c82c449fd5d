"""Loss and gradients of one batch: in parts if they are to be accumulated, in bfloat16 if asked for, and checked."""

from __future__ import annotations

import contextlib
import math

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from onebit.nn._across_processes import by_itself
from onebit.training._finite import EVERY, explain, is_finite
from onebit.training._loss import LOSSES
from onebit.training._recipe import Recipe


class Gradients:
    """g = d/dw of the mean loss of a batch; under several processes of the mean over all their shares.

    model: as Accelerate prepared it.  bare: the same network, whose layers have their own names.
    """

    def __init__(self, accelerator: Accelerator, model: nn.Module, bare: nn.Module, recipe: Recipe) -> None:
        self._accelerator, self._model, self._bare = accelerator, model, bare
        self._loss, self._parts = LOSSES[recipe.loss], recipe.accumulate
        self._half = recipe.arithmetic.autocast is not None

    def __call__(self, images: Tensor, labels: Tensor, step: int) -> Tensor:
        """The loss; gradients are left in the parameters, in place of earlier ones.

        Raises DivergenceError: for the loss on a CPU at every step; elsewhere, where reading it would hold the device
        up, and for gradients and weights at every 50th.
        """
        self._model.zero_grad()
        parts = list(zip(images.tensor_split(self._parts), labels.tensor_split(self._parts), strict=True))
        total = torch.zeros((), device=labels.device)
        for number, (some, their_labels) in enumerate(parts, start=1):
            wait = number < len(parts)  # processes exchange gradients once, with the last part
            with self._accelerator.no_sync(self._model) if wait else contextlib.nullcontext():
                loss = self._forward(some, their_labels) * (len(some) / len(images))
                self._accelerator.backward(loss)
            total += loss.detach()
        self._check(images, total, whole=step % EVERY == 0)
        return total

    def _forward(self, images: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self._half):
            scores = self._model(images)
        return self._loss(scores.float(), labels)

    def _check(self, images: Tensor, loss: Tensor, *, whole: bool) -> None:
        if not whole and loss.device.type != "cpu":
            return
        value = float(loss)
        if math.isfinite(value) and (not whole or self._all_finite()):
            return
        with by_itself(), torch.autocast(images.device.type, torch.bfloat16, enabled=self._half):
            explain(self._bare, images, value)

    def _all_finite(self) -> bool:
        parameters = list(self._bare.parameters())
        gradients = [parameter.grad.detach() for parameter in parameters if parameter.grad is not None]
        return is_finite(gradients) and is_finite(parameter.detach() for parameter in parameters)
