"""All tensors of a call are on one device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from onebit._errors import OptionError
from onebit.ops._checks import tensors_of


def same_device(op: str, arguments: Sequence[Any]) -> None:
    """OptionError for a tensor on another device than x, the first argument."""
    x = arguments[0]
    operator = getattr(torch.ops.onebit, op).default
    for name, tensor in tensors_of(operator, arguments):
        if tensor.device != x.device:
            raise OptionError(f"{op}: {name} is on {tensor.device} and x on {x.device}; move one: {name}.to(x.device).")
