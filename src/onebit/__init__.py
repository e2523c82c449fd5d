"""onebit: Binarized Neural Networks for PyTorch.

This list is the public API of the package itself. Importing it has no side effect and is quick: each part is imported
when it is first named, so training never loads the native library and running never loads the trainer.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onebit import bits as bits
    from onebit import data as data
    from onebit import metrics as metrics
    from onebit import models as models
    from onebit import nn as nn
    from onebit import ops as ops
    from onebit import optim as optim
    from onebit import quantizers as quantizers
    from onebit import runtime as runtime
    from onebit import training as training
    from onebit.conversion import convert as convert
    from onebit.conversion import verify as verify
    from onebit.runtime import load as load

__version__ = "0.1.0.dev0"

_PARTS = ("bits", "data", "metrics", "models", "nn", "ops", "optim", "quantizers", "runtime", "training")
_FUNCTIONS = {"convert": "onebit.conversion", "verify": "onebit.conversion", "load": "onebit.runtime"}
__all__ = ["__version__", *_PARTS, *_FUNCTIONS]


def __getattr__(name: str) -> Any:
    """Import a part of the package when it is first named."""
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(_FUNCTIONS[name]), name)
    if name in _PARTS:
        return importlib.import_module(f"onebit.{name}")
    raise AttributeError(f"module 'onebit' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
