"""Batch norms over the whole batch where several processes share it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from onebit.nn._across_processes import mean_over_processes, processes
from onebit.nn._inverse_std_norm import InverseStdNorm


def synchronise_batch_norm(model: nn.Module) -> nn.Module:
    """Let all batch norms take their statistics over all processes; returns the model, whose children are replaced.

    For `ShiftBatchNorm*`, `TheanoBatchNorm*` and torch's own, on any device (torch.nn.SyncBatchNorm asks for a GPU).
    Every process must have an equal share of the batch and run the layers together. Parameters and buffers are the
    same objects under the same names, so optimizers and saved weights stay as they are.
    """
    if isinstance(model, InverseStdNorm):
        model.synchronised = True
    if isinstance(model, _BatchNorm) and not isinstance(model, SynchronisedBatchNorm):
        return SynchronisedBatchNorm(model)
    for name, child in model.named_children():
        setattr(model, name, synchronise_batch_norm(child))
    return model


class SynchronisedBatchNorm(_BatchNorm):
    """torch.nn.BatchNorm* of the whole batch, of which each of several processes has an equal share.

    Over the m values of a channel in all processes: y = (x - mean) / sqrt(var + eps) * gamma + beta; var * m / (m - 1)
    joins the running variance, as in torch.nn.BatchNorm*. Source: arXiv:1502.03167.
    """

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, affine=False, track_running_stats=False)
        self.affine, self.track_running_stats = norm.affine, norm.track_running_stats
        self._parameters.update(norm._parameters)
        self._buffers.update(norm._buffers)
        self._check_input_dim = norm._check_input_dim  # type: ignore[method-assign]
        self.train(norm.training)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as x; in training by the statistics of all processes, which join the running ones."""
        self._check_input_dim(x)  # type: ignore[no-untyped-call]
        if not self.training:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        dims, shape = [0, *range(2, x.ndim)], [1, -1, *[1] * (x.ndim - 2)]
        mean = mean_over_processes(x.mean(dims))
        centred = x - mean.view(shape)
        var = mean_over_processes(centred.square().mean(dims))
        self._track(mean, var, x.numel() // x.shape[1])
        factor = torch.rsqrt(var + self.eps)
        y = centred * (factor if self.weight is None else factor * self.weight).view(shape)
        return y if self.bias is None else y + self.bias.view(shape)

    @torch.no_grad()
    def _track(self, mean: Tensor, var: Tensor, share: int) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        weight = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        count = share * processes()
        self.running_mean.lerp_(mean, weight)
        self.running_var.lerp_(var * (count / (count - 1)), weight)
