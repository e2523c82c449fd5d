"""One process is its own mean; several are run by test_synchronise.py."""

from __future__ import annotations

import torch

from onebit.nn._across_processes import by_itself, mean_over_processes, processes


def test_one_process_is_its_own_mean():
    x = torch.randn(3)
    assert mean_over_processes(x) is x
    assert processes() == 1
    with by_itself():
        assert processes() == 1
