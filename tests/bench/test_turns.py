import time

import pytest

from onebit import bench
from onebit.bench import _turns


def test_turns_alternate_and_all_have_as_many():
    order = []

    def turn(name):
        order.append(name)
        return bench.Timing(1.0, 1.0)

    taken = bench.take_turns({name: lambda name=name: turn(name) for name in "abc"}, seconds=0)
    assert order == list("abc") * _turns.FEWEST
    assert {len(timings) for timings in taken.values()} == {_turns.FEWEST}


def test_more_time_gives_more_rounds():
    def turn():
        time.sleep(0.001)
        return bench.Timing(1.0, 1.0)

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


def test_who_alone_takes_longer_than_the_time_for_all_has_three_turns():
    def slow():
        time.sleep(0.02)
        return bench.Timing(1.0, 1.0)

    taken = bench.take_turns({"slow": slow, "quick": lambda: bench.Timing(1.0, 1.0)}, seconds=0)
    assert len(taken["slow"]) == len(taken["quick"]) == _turns.FEWEST  # 0.02 s are nothing
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_turns, "LONG", 0.01)
        taken = bench.take_turns({"slow": slow, "quick": lambda: bench.Timing(1.0, 1.0)}, seconds=0)
    assert len(taken["slow"]) == _turns.FEWEST_SLOW
    assert len(taken["quick"]) == _turns.FEWEST


def test_the_median_is_that_of_each_figure():
    timings = [bench.Timing(1, 30), bench.Timing(2, 10), bench.Timing(9, 20)]
    assert _turns.median(timings) == pytest.approx((2, 20))
