"""Accuracy, and batch norm statistics that fit the network as it is evaluated."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from onebit.data import PictureSet, batches
from onebit.nn import InverseStdNorm


@torch.inference_mode()
def accuracy(model: nn.Module, dataset: PictureSet, batch_size: int = 1000) -> float:
    """The share of pictures whose highest score is their label's; the model is put into evaluation mode.

    Pictures that cannot be read and are left out (`on_error="skip"`) do not count.
    """
    model.eval()
    correct, seen = torch.zeros((), dtype=torch.int64, device=dataset.labels.device), 0
    for images, labels in batches(dataset, batch_size):
        correct += (model(images).argmax(1) == labels).sum()
        seen += len(labels)
    return int(correct) / max(seen, 1)


@torch.no_grad()
def recalibrate_batch_norm(model: nn.Module, images: Tensor, batch_size: int = 1000) -> None:
    """Replace every batch norm's running statistics by the averages over these pictures, without dropout.

    The running ones lag behind while signs still flip, and were taken under dropout. The model is left in evaluation
    mode; its weights do not change. A last batch of one picture is left out: it has no variance.
    """
    model.eval()
    norms = [
        module
        for module in model.modules()
        if isinstance(module, InverseStdNorm) or (isinstance(module, _BatchNorm) and module.track_running_stats)
    ]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch: the plain average over all batches
        norm.train()
    try:
        for part in torch.split(images, batch_size):
            if len(part) > 1:
                model(part)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
