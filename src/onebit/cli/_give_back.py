"""Keeps the memory of `onebit train` at what it uses: evaluation's is not held through the next epoch."""

from __future__ import annotations

from onebit.bench import give_back_memory, keep_memory
from onebit.training import Callback, Epoch, Plan


class GiveBack(Callback):
    """Freed memory is kept within an epoch, and given back after it, when evaluation's has been freed."""

    def on_start(self, plan: Plan) -> None:  # noqa: ARG002
        """Keep it: a step takes and frees the same large tensors every time."""
        keep_memory()

    def on_epoch(self, epoch: Epoch) -> None:  # noqa: ARG002
        """Return freed memory; the next step takes its pages again, once."""
        give_back_memory()
