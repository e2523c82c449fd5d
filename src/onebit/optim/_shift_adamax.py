"""Shift-based AdaMax, the optimizer of the paper that divides and multiplies by powers of two only."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any, Literal, get_args

import torch
from torch import Tensor, optim

from onebit._errors import DtypeError, OptionError
from onebit.nn.functional import ap2
from onebit.optim import _shift_adamax_update as update

Variant = Literal["code", "paper"]
_LR_BETAS: dict[str, tuple[float, tuple[float, float]]] = {
    "code": (2.0**-6, (0.9, 0.999)),
    "paper": (2.0**-10, (1 - 2.0**-3, 1 - 2.0**-10)),
}


class ShiftAdaMax(optim.Optimizer):
    """m <- b1 m + (1 - b1) g;  v <- max(b2 v, |g|);  p <- p - AP2(lr / (1 - b1**t)) * m / AP2(v), for step t.

    variant: "code" (default) is the authors' Torch code, which *stores* AP2(v) + eps as v and divides by it;
        "paper" stores v as it is, and has no eps. The paper's box prints 1 - b1 in place of 1 - b1**t, which its NIPS
        text and the code have.
    lr, betas: None takes the variant's: 2**-6 and (0.9, 0.999), or 2**-10 and (1 - 2**-3, 1 - 2**-10).
    eps: 2**-27, of the code variant.
    foreach: update lists of tensors; None does so where all are on a GPU. The results are those of single tensors.
    compiled: fuse the update into one pass over memory with torch.compile, about twice as fast on a CPU; equal up to
        rounding. Needs a C++ compiler; without one a warning says so and the plain update runs.

    A group's `lr_scale` (see `latent_groups`) multiplies the step *after* AP2, as in the code: lr is taken as
    lr_scale times the rate. There is no weight decay. Raises OptionError for values out of range, DtypeError for
    gradients that are sparse, complex or float16. Sources: arXiv:1602.02830, arXiv:1412.6980.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        eps: float = 2.0**-27,
        *,
        variant: Variant = "code",
        foreach: bool | None = None,
        compiled: bool = False,
    ) -> None:
        if variant not in get_args(Variant):
            raise OptionError(f"ShiftAdaMax: variant is {variant!r}. Expected 'code' or 'paper'.")
        if foreach and compiled:
            raise OptionError("ShiftAdaMax: foreach and compiled are both True. Expected at most one of them.")
        usual_lr, usual_betas = _LR_BETAS[variant]
        defaults = {
            "lr": usual_lr if lr is None else lr,
            "betas": usual_betas if betas is None else tuple(betas),
            "eps": eps,
            "variant": variant,
            "foreach": foreach,
            "compiled": compiled,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As in torch; raises OptionError for a value out of range, or a weight decay other than 0."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        fits = {
            "lr": float(group["lr"]) >= 0,
            "betas": len(group["betas"]) == 2 and all(0 <= beta < 1 for beta in group["betas"]),
            "eps": group["eps"] > 0,
            "lr_scale": group.get("lr_scale", 1.0) > 0,
            "weight_decay": group.get("weight_decay", 0) == 0,
        }
        expected = {"betas": "two numbers in [0, 1)", "lr": "0 or more", "weight_decay": "0: it has none"}
        for name, true in fits.items():
            if not true:
                raise OptionError(
                    f"ShiftAdaMax: {name} is {group[name]!r}. Expected {expected.get(name, 'more than 0')}."
                )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update; closure: evaluates the model anew and returns the loss, which this returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            states = [self._state(p) for p in params]
            for state in states:
                state["step"] += 1
            if params:
                self._update(group, params, states)
        return loss

    def _update(self, group: dict[str, Any], params: list[Tensor], states: list[dict[str, Tensor]]) -> None:
        beta1, beta2 = group["betas"]
        constants = update.Constants(beta1, beta2, group["eps"], group["variant"] == "code")
        sizes = [_size(group, float(state["step"])) for state in states]
        grads = [p.grad for p in params if p.grad is not None]
        ms, vs = ([state[name] for state in states] for name in ("exp_avg", "exp_inf"))
        use_lists = group["foreach"]
        if use_lists is None:
            use_lists = not group["compiled"] and all(p.is_cuda for p in params)
        if use_lists:
            update.foreach(params, grads, ms, vs, sizes, constants)
            return
        for p, g, m, v, size in zip(params, grads, ms, vs, sizes, strict=True):
            if not (group["compiled"] and self._fused(p, g, m, v, size, constants)):
                update.blocked(p, g, m, v, size, constants)

    def _fused(self, p: Tensor, g: Tensor, m: Tensor, v: Tensor, size: float, constants: update.Constants) -> bool:
        """The compiled update; if it cannot be compiled, a warning once, and False."""
        try:
            run = update.compiled(constants)
            run(*update.flat(p.detach(), g, m, v), torch.tensor(size, dtype=p.dtype, device=p.device))
        except Exception as error:  # whatever the compiler's tools raise; nothing has been updated then
            for group in self.param_groups:
                group["compiled"] = False
            first = next(iter(str(error).strip().splitlines()), type(error).__name__)
            warnings.warn(
                f"ShiftAdaMax(compiled=True): torch.compile failed ({first}), so the plain update runs, which takes "
                "about twice as long. Install a C++ compiler, or pass compiled=False.",
                stacklevel=2,
            )
            return False
        return True

    def _state(self, p: Tensor) -> dict[str, Tensor]:
        """step, exp_avg (m) and exp_inf (v), by the names that torch.optim.Adamax gives them."""
        g = p.grad
        if g is not None and (g.layout != torch.strided or not g.is_floating_point() or g.dtype == torch.float16):
            raise DtypeError(
                f"ShiftAdaMax: a gradient of shape {tuple(g.shape)} has dtype {g.dtype} and layout {g.layout}. "
                "Expected dense float32, float64 or bfloat16; keep latent weights in float32."
            )
        state: dict[str, Tensor] = self.state[p]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["exp_avg"] = torch.zeros_like(p, memory_format=torch.preserve_format)
            state["exp_inf"] = torch.zeros_like(p, memory_format=torch.preserve_format)
        return state


def _size(group: dict[str, Any], t: float) -> float:
    """AP2(rate / (1 - b1**t)) * lr_scale, where the group's lr is rate * lr_scale."""
    scale = float(group.get("lr_scale", 1.0))
    corrected = float(group["lr"]) / scale / (1 - group["betas"][0] ** t)
    return float(ap2(torch.tensor(corrected, dtype=torch.float64))) * scale
