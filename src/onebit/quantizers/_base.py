"""The base class of every quantizer. It owns the autograd.Function of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from onebit._errors import OptionError

_CHECKED: ContextVar[bool] = ContextVar("onebit_checked", default=False)


@contextmanager
def checked(on: bool = True) -> Iterator[None]:
    """Within this context every quantizer raises OptionError on NaN, which otherwise silently becomes +1.

    The check reads the whole tensor and is skipped inside torch.compile and torch.export.
    """
    token = _CHECKED.set(on)
    try:
        yield
    finally:
        _CHECKED.reset(token)


def is_checked() -> bool:
    """Whether `checked` is on; never inside torch.compile and torch.export, which cannot read it."""
    return not torch.compiler.is_compiling() and _CHECKED.get()


class Quantizer(nn.Module):
    """q(x) in the forward pass, upstream * slope(x) in the backward pass.

    A subclass states `levels` (the values q can take, ascending) and writes two formulas, `quantize` and `slope`.
    Both keep shape and dtype, and neither is differentiated: `slope` is by definition the derivative.

    Works under torch.compile(fullgraph=True). In torch.export the graph holds `quantize` alone, without the estimator.
    Works under torch.func.grad and vmap, so also for the gradients of single samples. A quantizer that draws obeys
    vmap's `randomness`: "error" is torch's refusal, "same" one draw for all samples; OptionError where it cannot.
    """

    levels: ClassVar[tuple[int, ...]] = ()

    def quantize(self, x: Tensor) -> Tensor:
        """q(x), same shape and dtype as x."""
        raise NotImplementedError(f"{type(self).__name__} must define quantize(x).")

    def slope(self, x: Tensor) -> Tensor:
        """The estimated derivative dq/dx, same shape and dtype as x."""
        raise NotImplementedError(f"{type(self).__name__} must define slope(x).")

    def forward(self, x: Tensor) -> Tensor:
        """Apply q to a real tensor of any shape; raises OptionError on NaN in checked mode."""
        if is_checked():
            self._refuse_nan(x)
        try:
            if x.requires_grad and torch.is_grad_enabled() and not torch.compiler.is_exporting():
                y: Tensor = _StraightThrough.apply(x, self)  # type: ignore[no-untyped-call]
                return y
            return self.quantize(x)
        except RuntimeError as error:
            if not torch._C._functorch.is_batchedtensor(x) or "randomness" in str(error):
                raise
            raise OptionError(
                f"{type(self).__name__} cannot be computed for samples of shape {tuple(x.shape)} inside of "
                f'torch.func.vmap: {error}. Where it draws, pass randomness="same" to vmap, or call it outside.'
            ) from error

    def _refuse_nan(self, x: Tensor) -> None:
        count = int(x.isnan().sum())
        if count:
            raise OptionError(
                f"{type(self).__name__}: {count} of {x.numel()} inputs are NaN (shape {tuple(x.shape)}). Every value "
                "must be a number; look for a learning rate that is too high or a division by zero before this layer."
            )


class _StraightThrough(torch.autograd.Function):
    """y = quantizer.quantize(x); dL/dx = dL/dy * quantizer.slope(x)."""

    generate_vmap_rule = True  # both formulas are torch's own operations, which vmap knows

    @staticmethod
    def forward(x: Tensor, quantizer: Quantizer) -> Tensor:
        return quantizer.quantize(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Quantizer], output: Tensor) -> None:  # noqa: ARG004
        x, ctx.quantizer = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return upstream * ctx.quantizer.slope(x), None
