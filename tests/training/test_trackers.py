import sys
import types
from types import SimpleNamespace

import pytest

from onebit._errors import MissingExtra, OptionError, UnknownName
from onebit.training import TRACKERS, TrackedRun, Tracker
from onebit.training._trackers import make_trackers

VALUES = {"loss": 0.5, "flip_ratio/hidden1.linear": 0.25}


class Fake(types.ModuleType):
    """A service that writes down its calls, and gives out runs with the next number."""

    def __init__(self, name):
        super().__init__(name)
        self.calls = []

    def _note(self, what, *args, **kwargs):
        self.calls.append((what, args, kwargs))

    def __getattr__(self, what):
        if what.startswith("__"):
            raise AttributeError(what)

        def call(*args, **kwargs):
            self._note(what, *args, **kwargs)
            name = kwargs.get("id") or kwargs.get("run_id") or kwargs.get("name") or "given-1"
            run = SimpleNamespace(id=name, name=name, info=SimpleNamespace(run_id=name))
            run.log = lambda *a, **k: self._note("run.log", *a, **k)
            run.finish = lambda: self._note("run.finish")
            return run

        return call


@pytest.fixture
def service(monkeypatch):
    def install(name):
        module = Fake(name)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return install


def follow(name, folder, epoch=0):
    ((_, tracker),) = make_trackers([name])
    tracker.start(TrackedRun("run", folder, {"optimizer.lr": 0.01}, epoch))
    tracker.log(VALUES, epoch + 1)
    tracker.end()


def named(module, what):
    return [(args, kwargs) for name, args, kwargs in module.calls if name == what]


def test_mlflow_gets_parameters_and_metrics_and_goes_on_with_its_run(tmp_path, service):
    mlflow = service("mlflow")
    follow("mlflow", tmp_path)
    assert [name for name, *_ in mlflow.calls] == ["start_run", "log_params", "log_metrics", "end_run"]
    assert named(mlflow, "log_params") == [(({"optimizer.lr": "0.01"},), {})]
    assert named(mlflow, "log_metrics") == [((VALUES,), {"step": 1})]
    follow("mlflow", tmp_path, epoch=1)
    assert named(mlflow, "start_run") == [
        ((), {"run_id": None, "run_name": "run"}),
        ((), {"run_id": "given-1", "run_name": None}),
    ]
    assert len(named(mlflow, "log_params")) == 1  # a server refuses to have them changed


def test_wandb_gets_the_recipe_and_rows_and_goes_on_with_its_run(tmp_path, service):
    wandb = service("wandb")
    follow("wandb", tmp_path)
    follow("wandb", tmp_path, epoch=1)
    (_, first), (_, second) = named(wandb, "init")
    assert (first["project"], first["name"], first["config"]) == ("onebit", "run", {"optimizer.lr": 0.01})
    assert first["id"] is None
    assert second["id"] == (tmp_path / "wandb.id").read_text().strip()
    assert named(wandb, "run.log") == [((VALUES,), {"step": 1}), ((VALUES,), {"step": 2})]
    assert len(named(wandb, "run.finish")) == 2


def test_trackio_goes_on_with_its_run_by_name(tmp_path, service):
    trackio = service("trackio")
    follow("trackio", tmp_path)
    follow("trackio", tmp_path, epoch=1)
    assert [(kwargs["name"], kwargs["resume"]) for _, kwargs in named(trackio, "init")] == [
        ("run", "never"),
        ("run", "allow"),
    ]
    assert named(trackio, "log")[1] == ((VALUES,), {"step": 2})
    assert len(named(trackio, "finish")) == 2


def test_tensorboard_has_the_scalars_of_its_event_files(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    follow("tensorboard", tmp_path)
    follow("tensorboard", tmp_path, epoch=1)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) == set(VALUES)
    assert [(one.step, one.value) for one in events.Scalars("loss")] == [(1, 0.5), (2, 0.5)]


@pytest.mark.parametrize(("name", "method"), [("mlflow", "log_metrics"), ("trackio", "log"), ("wandb", "run.log")])
def test_services_get_the_test_accuracy_with_the_last_epoch(tmp_path, service, name, method):
    module = service(name)
    ((_, tracker),) = make_trackers([name])
    tracker.start(TrackedRun("run", tmp_path, {}, 0))
    tracker.tested(0.75, 9)
    assert named(module, method) == [(({"accuracy/test": 0.75},), {"step": 9})]


@pytest.mark.parametrize("name", ["mlflow", "wandb", "trackio"])
def test_a_package_that_is_missing_is_named_and_asked_for_only_then(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    make_trackers([])
    with pytest.raises(MissingExtra, match=f"pip install {name}"):
        make_trackers([name])


def test_neptune_is_told_to_have_closed():
    with pytest.raises(OptionError, match=r"Neptune's service has closed.*trackio"):
        make_trackers(["neptune"])


def test_an_unknown_tracker_has_a_near_miss():
    with pytest.raises(UnknownName, match=r"No tracker is called 'tensorbord'\. Did you mean 'tensorboard'"):
        make_trackers(["tensorbord"])


def test_tensorboard_is_the_default_where_it_is_installed(monkeypatch):
    pytest.importorskip("tensorboard")
    assert [name for name, _ in make_trackers(None)] == ["tensorboard"]
    monkeypatch.setattr("onebit.training._trackers.find_spec", lambda _: None)
    assert make_trackers(None) == []


def test_a_tracker_of_ones_own_is_one_small_class(monkeypatch):
    class Mine(Tracker):
        def log(self, values, epoch):
            pass

    monkeypatch.setattr(TRACKERS, "_entries", {**TRACKERS._entries})
    TRACKERS.register("mine")(Mine)
    instance = Mine()
    assert [type(one) for _, one in make_trackers(["mine"])] == [Mine]
    assert make_trackers([instance]) == [("Mine", instance)]
