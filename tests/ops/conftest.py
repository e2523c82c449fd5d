"""What the tests of the operators share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import onebit


@pytest.fixture(scope="module", autouse=True)
def _two_threads() -> Iterator[None]:
    """Kernels share their work out among torch's number of threads: with one there would be nothing to share."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def child_environment() -> Callable[..., dict[str, str]]:
    """The environment for a fresh interpreter that imports this onebit; a name given as None is removed."""

    def environment(**changes: str | None) -> dict[str, str]:
        source = str(Path(onebit.__file__).parents[1])
        paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
        merged = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **changes}
        return {name: value for name, value in merged.items() if value is not None}

    return environment
