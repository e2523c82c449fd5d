import pytest

from onebit import bench
from onebit.bench._floors import FLOORS, Floor


def row(**changes):
    values = {"name": "mlp", "shape": [1], "forced": None, "threads": 2, "fraction_of_peak": 0.5, "ratio": {"a": 3.0}}
    return values | changes


def test_a_floor_reads_the_peak_or_a_peer():
    assert Floor("mlp", (1,), "peak", 0.4).reached([row()]) == 0.5
    assert Floor("mlp", (1,), "a", 2).reached([row()]) == 3.0


@pytest.mark.parametrize(
    "rows",
    [[], [row(name="other")], [row(shape=[2])], [row(forced="avx2")], [row(ratio={})]],
    ids=["none", "job", "shape", "forced", "peer"],
)
def test_what_no_row_says_was_not_measured(rows):
    floor = Floor("mlp", (1,), "a", 2)
    assert floor.reached(rows) is None
    assert floor.text(None) == "not measured"


def test_a_row_without_a_peak_has_no_fraction():
    assert Floor("mlp", (1,), "peak", 0.4).reached([row(fraction_of_peak=None)]) is None


def test_the_row_of_most_threads_counts_unless_the_floor_names_them():
    rows = [row(threads=1, ratio={"a": 1.0}), row(threads=4, ratio={"a": 4.0}), row(threads=2)]
    assert Floor("mlp", (1,), "a", 2).reached(rows) == 4.0
    assert Floor("mlp", (1,), "a", 2, threads=1).reached(rows) == 1.0


def test_the_faster_form_of_a_peer_counts():
    floor = Floor("mlp", (1,), "a", 2)
    assert floor.reached([row(ratio={"a": 3.0, "a relu": 2.5})]) == 2.5
    assert floor.reached([row(ratio={"a": 3.0, "a relu": 3.5})]) == 3.0


def test_values_are_written_as_their_measure():
    assert Floor("mlp", (1,), "peak", 0.4).text(0.654) == "65%"
    assert Floor("mlp", (1,), "a", 2).text(2.54) == "2.5x"


def test_every_floor_is_of_a_job_that_is_measured_unasked_and_of_a_known_peer():
    measured = {(name, shape) for kind in bench.KINDS.values() for name, shape in kind.plan()}
    assert {(floor.name, floor.shape) for floor in FLOORS} <= measured
    assert {floor.than for floor in FLOORS} <= {"peak", *bench.PEERS}
