"""The timing of a GPU on a device of paper: events tell the time that work added to a clock."""

import contextlib
from types import SimpleNamespace

import pytest
import torch

from onebit.bench import _cuda_turns
from onebit.bench._turns import TURN


class Paper:
    """A device whose work takes as long as it says; captured work runs at every replay, and not while captured."""

    def __init__(self):
        self.now, self.recording, self.calls = 0.0, None, 0

    def work(self, ms):
        def run():
            if self.recording is None:
                self.now, self.calls = self.now + ms, self.calls + 1
            else:
                self.recording.append(run)

        return run


@pytest.fixture
def paper(monkeypatch):
    device = Paper()

    class Event:
        def __init__(self, *, enable_timing):
            assert enable_timing

        def record(self):
            self.at = device.now

        def synchronize(self):
            pass

        def elapsed_time(self, end):
            return end.at - self.at

    class Graph:
        def replay(self):
            for run in self.captured:
                run()

    @contextlib.contextmanager
    def capture(graph, stream):
        assert stream.waited
        graph.captured = device.recording = []
        yield
        device.recording = None

    class Stream:
        waited = False

        def wait_stream(self, _):
            self.waited = True

    cuda = SimpleNamespace(
        Event=Event, CUDAGraph=Graph, graph=capture, Stream=Stream, current_stream=Stream,
        stream=lambda _: contextlib.nullcontext(),
    )  # fmt: skip
    monkeypatch.setattr(torch, "cuda", cuda)
    return device


@pytest.mark.parametrize("ms", [0.01, 1.0, 7.0, 300.0])
def test_a_turn_is_the_mean_of_replays(paper, ms):
    turn = _cuda_turns.cuda_turn(paper.work(ms))
    assert paper.calls == 1  # before the capture: kernels are compiled, weights prepared
    taken = turn()
    assert taken.wall == pytest.approx(ms / 1e3)
    assert paper.calls <= 2 + min(_cuda_turns.MOST, TURN * 1e3 / ms + 1)


def test_a_graph_holds_as_many_calls_as_asked_for(paper):
    replay = _cuda_turns.captured(paper.work(2.0), 5)
    assert _cuda_turns.milliseconds(replay) == pytest.approx(10.0)
