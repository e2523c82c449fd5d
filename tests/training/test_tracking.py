import pytest

from onebit.training import Callback, Tracker, train


class Record(Tracker):
    """Writes down what it is told; fails when told to."""

    def __init__(self, fail_in=()):
        self.told, self.fail_in = [], fail_in

    def _note(self, what, *about):
        self.told.append((what, *about))
        if what in self.fail_in:
            raise ConnectionError("no such host")

    def start(self, run):
        self._note("start", run)

    def log(self, values, epoch):
        self._note("log", epoch, dict(values))

    def tested(self, accuracy, epoch):
        self._note("tested", epoch, accuracy)

    def end(self):
        self._note("end")


def test_trackers_get_the_recipe_every_epoch_and_the_test(tmp_path, recipe, data):
    record = Record()
    result = train(recipe, tmp_path / "digits", data=data, trackers=[record])
    assert [one[0] for one in record.told] == ["start", "log", "log", "log", "tested", "end"]
    run = record.told[0][1]
    assert (run.name, run.epoch, run.recipe["optimizer.lr"]) == ("digits", 0, 0.01)
    assert [one[1] for one in record.told[1:5]] == [1, 2, 3, 3]
    values = record.told[3][2]
    layers = ("hidden1.linear", "hidden2.linear", "output.linear")
    per_layer = {f"{kind}/{layer}" for kind in ("flip_ratio", "saturation") for layer in layers}
    plain = {"loss", "accuracy/validation", "accuracy/best", "lr", "seconds", "images_per_second"}
    assert set(values) == plain | per_layer
    assert values["accuracy/best"] == result.best_accuracy
    assert record.told[4][2] == result.test_accuracy


@pytest.mark.parametrize("where", ["start", "log", "end"])
def test_a_failing_tracker_is_told_once_and_the_run_goes_on(tmp_path, recipe, data, where):
    broken, sound = Record(fail_in=[where]), Record()
    with pytest.warns(RuntimeWarning, match=r"The tracker Record failed \(ConnectionError: no such host\)") as caught:
        train(recipe, tmp_path, data=data, trackers=[broken, sound])
    assert len(caught) == 1
    assert [one[0] for one in broken.told] == {
        "start": ["start"],
        "log": ["start", "log"],
        "end": ["start", "log", "log", "log", "tested", "end"],
    }[where]
    assert len(sound.told) == 6
    assert (tmp_path / "metrics.csv").read_text().count("\n") == 4


def test_trackers_are_ended_when_the_run_is_interrupted_and_go_on_with_it(tmp_path, recipe, data):
    class Stop(Callback):
        def on_epoch(self, epoch):  # noqa: ARG002
            raise KeyboardInterrupt

    first, second = Record(), Record()
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path, data=data, trackers=[first], callbacks=[Stop()])
    assert [one[0] for one in first.told] == ["start", "log", "end"]
    train(recipe, tmp_path, data=data, trackers=[second], resume=True)
    assert second.told[0][1].epoch == 1
    assert [one[1] for one in second.told[1:-1]] == [2, 3, 3]
