"""Warnings for a person: one line each, without the place in the code that Python adds for programmers."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Inside, a warning is the line "warning: text" on standard error; what is filtered out stays so."""
    with warnings.catch_warnings():
        warnings.showwarning = _tell
        yield


def _tell(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"warning: {' '.join(str(message).split())}", file=sys.stderr)
