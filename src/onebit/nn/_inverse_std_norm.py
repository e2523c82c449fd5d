"""What the paper's two batch norms share: running averages of the mean and of the inverse standard deviation."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from onebit._errors import OptionError, ShapeError
from onebit.nn._across_processes import mean_over_processes


class InverseStdNorm(nn.Module):
    """Base of `ShiftBatchNorm*` and `TheanoBatchNorm*`: parameters, running statistics, checks.

    num_features, eps, momentum, affine: as in torch.nn.BatchNorm*; momentum is the weight of the new batch, None
    averages over all batches since `reset_running_stats`.
    Buffers: running_mean, running_inv_std, num_batches_tracked. E[1 / std] is not 1 / sqrt(E[var]), so statistics
    cannot be copied from a torch.nn.BatchNorm.
    synchronised: take statistics over all processes of a run, see `synchronise_batch_norm`.
    """

    ranks: ClassVar[dict[int, str]]  # dimensions of an input: its shape in words
    weight: nn.Parameter | None
    bias: nn.Parameter | None
    running_mean: Tensor
    running_inv_std: Tensor
    num_batches_tracked: Tensor
    synchronised: bool = False

    def __init__(self, num_features: int, eps: float, momentum: float | None, affine: bool, bias: bool) -> None:
        super().__init__()
        if not eps > 0:
            raise OptionError(f"{type(self).__name__}: eps is {eps!r}. Expected a positive number.")
        self.num_features, self.eps, self.momentum, self.affine = num_features, eps, momentum, affine
        self.register_parameter("weight", nn.Parameter(torch.empty(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.empty(num_features)) if affine and bias else None)
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_inv_std", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.zeros((), dtype=torch.int64))
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Mean 0, inverse standard deviation 1, no batches seen."""
        self.running_mean.zero_()
        self.running_inv_std.fill_(1)
        self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Statistics as at the start, gamma 1, beta 0."""
        self.reset_running_stats()
        if self.weight is not None:
            nn.init.ones_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape and dtype as x; in training the batch's statistics, which join the running ones."""
        self._check(x)
        if not self.training:
            return self.evaluate(x.to(self.running_mean.dtype)).to(x.dtype)
        y, mean, inv_std = self.normalize(x.to(self.running_mean.dtype))
        self._track(mean, inv_std)
        return y.to(x.dtype)

    def normalize(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(y, mean, inverse standard deviation) of a batch, in training."""
        raise NotImplementedError

    def evaluate(self, x: Tensor) -> Tensor:
        """The output y by the running statistics."""
        raise NotImplementedError

    def pooled(self, share: Tensor) -> Tensor:
        """A mean over this process's share of the batch -> that over the batch."""
        return mean_over_processes(share) if self.synchronised else share

    def spread(self, values: Tensor, rank: int) -> Tensor:
        """(C,) -> (1, C, 1, ...): values per channel beside an input of that many dimensions."""
        return values.view(1, -1, *[1] * (rank - 2))

    @torch.no_grad()
    def _track(self, mean: Tensor, inv_std: Tensor) -> None:
        self.num_batches_tracked.add_(1)
        weight = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.mul_(1 - weight).add_(mean.detach(), alpha=weight)
        self.running_inv_std.mul_(1 - weight).add_(inv_std.detach(), alpha=weight)

    def _check(self, x: Tensor) -> None:
        name = f"{type(self).__name__}(num_features={self.num_features})"
        if x.ndim not in self.ranks or x.shape[1] != self.num_features:
            shapes = " or ".join(self.ranks.values()).replace("C", str(self.num_features))
            raise ShapeError(f"{name}: input has shape {tuple(x.shape)}. Expected {shapes}.")
        if self.training and x.numel() == x.shape[1]:
            raise ShapeError(
                f"{name}: input has shape {tuple(x.shape)}, one value per channel, which has no variance. Expected a "
                "batch of at least 2 in training; call eval() to use the running statistics."
            )

    def extra_repr(self) -> str:
        """The options."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}"
