import json

import pytest

from onebit._errors import FormatError
from onebit.training import Callback, differences, draw_comparison, read_run, train


@pytest.fixture
def runs(tmp_path, recipe, data):
    class Stop(Callback):
        def on_epoch(self, epoch):
            if epoch.epoch == 2:
                raise KeyboardInterrupt

    result = train(recipe, tmp_path / "a", data=data)
    with pytest.raises(KeyboardInterrupt):
        train(recipe.override("optimizer.lr=0.02", "seed=6"), tmp_path / "b", data=data, callbacks=[Stop()])
    return read_run(tmp_path / "a"), read_run(tmp_path / "b"), result


def test_a_run_is_read_as_far_as_it_is(runs):
    whole, broken, result = runs
    row = whole.row()
    assert (row["best_validation"], row["best_epoch"], row["epochs"]) == (result.best_accuracy, result.best_epoch, 3)
    assert whole.test_accuracy == result.test_accuracy
    assert (broken.row()["epochs"], broken.test_accuracy) == (2, None)
    assert row["seconds"] == sum(epoch.seconds for epoch in whole.history)


def test_the_differences_are_the_entries_that_are_not_equal(runs):
    assert differences(runs[:2]) == {"optimizer.lr": [0.01, 0.02], "seed": [5, 6]}
    assert differences(runs[:1]) == {}


def test_the_picture_is_a_png(runs, tmp_path):
    draw_comparison(runs[:2], tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_folders_that_cannot_be_compared_are_named(runs, tmp_path):
    metrics = tmp_path / "a" / "metrics.jsonl"
    for text, message in (("{", "not a list of epochs"), (json.dumps({"x": 1}), "not a list"), ("", "holds no epoch")):
        metrics.write_text(text)
        with pytest.raises(FormatError, match=message):
            read_run(tmp_path / "a")
    metrics.unlink()
    with pytest.raises(FormatError, match="first epoch did not end"):
        read_run(tmp_path / "a")
    with pytest.raises(FormatError, match="is not a run"):
        read_run(tmp_path)
    (tmp_path / "b" / "result.json").write_text("{}")
    with pytest.raises(FormatError, match=r"result\.json: is not the result"):
        read_run(tmp_path / "b")
