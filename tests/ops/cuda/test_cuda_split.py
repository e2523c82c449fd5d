from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit.ops.cuda._split import LAUNCH, Work


def work(tiles: int, steps: int) -> Work:
    return Work(tiles, steps, 900.0, 1500.0, tiles * 8192)


@given(tiles=st.integers(1, 300), steps=st.integers(1, 500), processors=st.integers(1, 200))
@settings(deadline=None, max_examples=80, derandomize=True)
def test_the_parts_are_the_best_and_none_is_empty(tiles: int, steps: int, processors: int) -> None:
    job = work(tiles, steps)
    parts = job.parts(processors)
    assert -(-steps // parts) * (parts - 1) < steps
    assert parts == 1 or tiles < processors
    least = min(job.cycles(processors, other) for other in range(1, min(steps, 32) + 1))
    if parts > 1:
        assert job.cycles(processors, parts) == least < 0.75 * job.cycles(processors)
    elif tiles < processors:
        assert least >= 0.75 * job.cycles(processors)


@pytest.mark.parametrize(("steps", "least", "most"), [(1, 1, 1), (4, 1, 1), (64, 4, 32)])
def test_only_a_long_k_gains(steps: int, least: int, most: int) -> None:
    assert least <= work(8, steps).parts(132) <= most


def test_parts_pay_for_the_second_kernel() -> None:
    job = work(1, 10)
    assert job.cycles(132, 10) == 900 + 1500 + LAUNCH + 8 * 10 * 8192 / 1000
