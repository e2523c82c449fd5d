import time

import pytest

from onebit import bench
from onebit.bench import _turns


def test_turns_alternate_and_all_have_as_many():
    order = []

    def turn(name):
        order.append(name)
        return bench.Timing(0.1, 0.1)

    taken = bench.take_turns({name: lambda name=name: turn(name) for name in "abc"}, seconds=0)
    assert order == list("abc") * _turns.FEWEST
    assert {len(timings) for timings in taken.values()} == {_turns.FEWEST}


def test_more_time_gives_more_rounds():
    def turn():
        time.sleep(0.001)
        return bench.Timing(0.1, 0.1)

    assert len(bench.take_turns({"a": turn}, seconds=0.1)["a"]) > _turns.FEWEST


def test_a_turn_tells_the_time_of_one_call():
    timing = bench.timed(lambda: time.sleep(0.004))()
    assert timing.wall >= 0.004
    assert timing.cpu < timing.wall  # a sleep takes no processor time


def test_a_call_longer_than_a_turn_is_made_twice():
    calls = []
    bench.timed(lambda: calls.append(time.sleep(1.5 * _turns.TURN)))()
    assert len(calls) == 2  # one to warm up, one that counts


def test_a_long_call_is_made_once(monkeypatch):
    monkeypatch.setattr(_turns, "LONG", 0.03)
    calls = []
    timing = bench.timed(lambda: calls.append(time.sleep(0.03)))()
    assert len(calls) == 1
    assert timing.wall >= 0.03


@pytest.mark.parametrize(
    ("walls", "seconds", "enough"),
    [([5.0] * 3, 3, True), ([5.0] * 2, 3, False), ([0.5] * 3, 3, False), ([0.5] * 7, 3, True), ([9, 9, 0.1], 3, False)],
)
def test_who_keeps_the_others_waiting_has_three_turns_at_least(walls, seconds, enough):
    assert _turns.slow([bench.Timing(wall, wall) for wall in walls], seconds) == enough


def test_the_others_go_on():
    turns = {"slow": lambda: bench.Timing(1.0, 1.0), "quick": lambda: bench.Timing(0.1, 0.1)}
    taken = bench.take_turns(turns, seconds=0)
    assert len(taken["slow"]) == _turns.FEWEST_SLOW
    assert len(taken["quick"]) == _turns.FEWEST


def test_the_median_is_that_of_each_figure():
    timings = [bench.Timing(1, 30), bench.Timing(2, 10), bench.Timing(9, 20)]
    assert _turns.median(timings) == pytest.approx((2, 20))
