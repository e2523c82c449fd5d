"""Keeps the memory of `onebit train` at what it uses: evaluation's is not held through the next epoch."""

from __future__ import annotations

from onebit.bench import give_back_memory
from onebit.training import Callback, Epoch


class GiveBack(Callback):
    """After each epoch, when the pictures of evaluation have been freed."""

    def on_epoch(self, epoch: Epoch) -> None:  # noqa: ARG002
        """Return freed memory; the next step takes its pages again, once."""
        give_back_memory()
