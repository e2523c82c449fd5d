import signal
import subprocess
import sys

import pytest
import torch

from onebit._errors import OptionError
from onebit.data import Dataset
from onebit.nn import functional
from onebit.training import Callback, train
from onebit.training._loss import LOSSES


def test_a_tie_goes_to_the_later_epoch(tmp_path, recipe, data, monkeypatch):
    scores = iter([0.5, 0.75, 0.75, 0.25])
    monkeypatch.setattr("onebit.training._loop.accuracy", lambda *_: next(scores))
    result = train(recipe.override("epochs=4"), tmp_path, data=data)
    assert (result.best_accuracy, result.best_epoch) == (0.75, 3)


def test_the_validation_pictures_are_the_last_ones_and_are_not_trained_on(tmp_path, recipe, data, monkeypatch):
    seen = []
    monkeypatch.setattr("onebit.training._loop.accuracy", lambda _model, dataset, _size: seen.append(dataset) or 0.5)
    plans = []

    class Watch(Callback):
        def on_start(self, plan):
            plans.append(plan)

    train(recipe, tmp_path, data=data, callbacks=[Watch()])
    assert torch.equal(seen[0].images, data[0].images[210:])
    assert plans[0].steps == 210 // 20


def test_every_epoch_has_its_own_order_without_repetition(tmp_path, recipe, data, monkeypatch):
    seen = []
    loss = functional.squared_hinge
    monkeypatch.setitem(LOSSES, "squared-hinge", lambda o, labels: seen.append(labels) or loss(o, labels))
    whole, test = data
    numbered = Dataset(whole.images, torch.arange(280), tuple(map(str, range(280))), "numbered", "made by the test")
    train(recipe.override("model.options.classes=280"), tmp_path, data=(numbered, test))
    epochs = [torch.cat(seen[start : start + 10]) for start in (0, 10, 20)]
    for order in epochs:
        assert len(set(order.tolist())) == 200
        assert int(order.max()) < 210  # the rest is for validation
    assert not torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[1], epochs[2])


def test_more_than_all_pictures_in_a_batch_is_refused(tmp_path, recipe, data):
    with pytest.raises(OptionError, match=r"batch_size is 211, but only 210 pictures are left for training"):
        train(recipe.override("batch_size=211"), tmp_path, data=data)


KILLED = """
import os, signal, sys
import torch
from onebit.data import Dataset
from onebit.training import Callback, Recipe, train

torch.set_num_threads(1)
folder, where = sys.argv[1:]
sets = tuple(Dataset(*part) for part in torch.load(folder + "/data.pt", weights_only=True))
recipe = Recipe.load(folder + "/corners.yaml")
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)

class AtStep(Callback):
    left = 17
    def on_step(self, loss):
        self.left -= 1
        if self.left == 0 and where == "step":
            kill()

save, count = torch.save, 0

def half(state, file):
    global count
    count += 1
    if count < 2 or where != "writing":
        return save(state, file)
    file.write(b"PK" + bytes(5000))
    kill()

torch.save = half
train(recipe, folder + "/run", data=sets, callbacks=[AtStep()], trackers=[], resume=where == "writing")
"""


def test_a_run_that_is_killed_twice_ends_as_one_that_was_not(tmp_path, recipe, data):
    """SIGKILL in the middle of an epoch, and then in the middle of writing a checkpoint."""
    parts = [(part.images, part.labels, part.classes, part.name, part.source) for part in data]
    torch.save(parts, tmp_path / "data.pt")
    recipe = recipe.override("epochs=4", "model.options.activation=stochastic-sign")
    (tmp_path / "corners.yaml").write_text(recipe.yaml())
    for where in ("step", "writing"):
        command = [sys.executable, "-c", KILLED, str(tmp_path), where]
        assert subprocess.run(command, capture_output=True, timeout=120).returncode == -signal.SIGKILL
    reached = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert (reached["epoch"], reached["step"]) == (2, 0)
    assert (tmp_path / "run" / ".checkpoint.pt.part").exists()
    train(recipe, tmp_path / "run", data=data, resume=True)
    train(recipe, tmp_path / "whole", data=data)
    run, whole = (torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("run", "whole"))
    assert not (tmp_path / "run" / ".checkpoint.pt.part").exists()
    for state in (run, whole):
        for epoch in state["history"]:
            del epoch["seconds"], epoch["images_per_second"]
    assert_equal(run, whole)


def assert_equal(a, b):
    """Weights, optimizer, random numbers, history: everything, bit for bit."""
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, (dict, list)):
        assert len(a) == len(b)
        for key in a if isinstance(a, dict) else range(len(a)):
            assert_equal(a[key], b[key])
    else:
        assert a == b
