import pytest

from onebit import bench
from onebit._errors import NativeError, OptionError, UnknownName
from onebit.bench import _peaks
from onebit.ops import native


def test_every_available_peak_has_a_positive_rate_and_the_others_a_reason():
    rates, skipped = _peaks.survey(1)
    assert set(rates) | set(skipped) == {peak.name for peak in bench.peaks()}
    assert min(rates.values()) > 0
    for peak in bench.peaks():
        assert peak.available or peak.needs in skipped[peak.name]


def test_every_instruction_set_that_runs_here_is_bounded_by_a_peak_that_runs_here():
    available = {peak.name for peak in bench.peaks() if peak.available}
    assert {_peaks.BOUND[isa] for isa in native.available_isas("dense")} <= available


def test_the_clock_on_the_wall_never_shows_more_than_processor_time():
    rate = bench.probe("memory_read")
    assert 0 < rate.wall <= rate.cpu


def test_an_unknown_peak_is_refused_with_the_near_miss():
    with pytest.raises(UnknownName, match="Did you mean 'memory_read'"):
        bench.probe("memory_reed")


def test_a_peak_that_this_cpu_lacks_is_refused():
    absent = [peak.name for peak in bench.peaks() if not peak.available]
    for name in absent:
        with pytest.raises(NativeError, match="lacks"):
            bench.probe(name)


def test_no_threads_are_refused():
    with pytest.raises(OptionError, match="threads is 0"):
        bench.probe("memory_read", 0)


def test_a_library_without_peaks_is_named(monkeypatch):
    monkeypatch.setattr(_peaks, "lib", object())
    with pytest.raises(NativeError, match="older than these sources"):
        bench.peaks()
