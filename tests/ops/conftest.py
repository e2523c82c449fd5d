"""What the tests of the operators share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import onebit
from onebit._errors import OnebitError


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


@pytest.fixture
def keep_no_reference() -> Callable[[Callable[..., torch.Tensor], dict[str, object]], None]:
    """Asserts that a raw operator keeps none of its tensors, whether it answers, copies a layout, or refuses."""
    return _keep_no_reference


def _keep_no_reference(operator: Callable[..., torch.Tensor], arguments: dict[str, object]) -> None:
    tensors = [value for value in arguments.values() if isinstance(value, torch.Tensor)]
    spread = {key: _twice(value) if isinstance(value, torch.Tensor) else value for key, value in arguments.items()}
    tensors += [value for value in spread.values() if isinstance(value, torch.Tensor)]
    wrong = tensors[0].double()
    tensors.append(wrong)
    before = [tensor._use_count() for tensor in tensors]
    for _ in range(3):
        result = operator(*arguments.values())
        assert result._use_count() == torch.ones(1)._use_count()
        operator(*spread.values())  # copies are made and must go too
        with pytest.raises((RuntimeError, OnebitError)):
            operator(wrong, *list(arguments.values())[1:])
    assert [tensor._use_count() for tensor in tensors] == before


def _twice(tensor: torch.Tensor) -> torch.Tensor:
    return torch.stack([tensor, tensor], -1)[..., 0]
