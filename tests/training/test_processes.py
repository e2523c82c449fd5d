import json
import subprocess
import sys

import pytest
import torch
from accelerate import Accelerator

from onebit._errors import OptionError
from onebit.data import Pictures
from onebit.training._processes import check_share, reseed

TIMES = ("seconds", "images_per_second")
ONE_NETWORK = """
import atexit
import os
import signal
import sys
import torch
from torch import nn
from onebit import nn as bnn
from onebit.data import Dataset
from onebit.models._catalog import register
from onebit.training import Callback, Recipe, train

torch.set_num_threads(1)
atexit.register(lambda: print("parted", not torch.distributed.is_initialized()))  # the first to be registered runs last

@register("plain")
def plain(inputs=64, classes=4):  # without batch norm, of which every process has its own
    layers = [bnn.BinaryLinear(inputs, 24), bnn.BinaryLinear(24, classes, input_quantizer="sign")]
    return nn.Sequential(nn.Flatten(), bnn.Pixels(), layers[0], nn.Hardtanh(), layers[1])

class End(Callback):
    def __init__(self, how, step):
        self.how, self.left = how, step

    def on_step(self, loss):
        self.left -= 1
        if self.left == 0 and self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.left == 0:
            raise KeyboardInterrupt

folder, name, resume, how, step, *changes = sys.argv[1:]
sets = tuple(Dataset(*part) for part in torch.load(folder + "/data.pt", weights_only=True))
recipe = Recipe.load(folder + "/corners.yaml").override(*changes)
options = {"data": sets, "trackers": [], "callbacks": [End(how, int(step))], "resume": resume == "resume"}
try:
    print("reached", train(recipe, folder + "/" + name, **options).test_accuracy)
except KeyboardInterrupt as stop:
    print("reached", stop)
"""


@pytest.fixture
def launch(tmp_path, recipe, data):
    """launch(name, processes, *changes) trains in processes of their own; returns (history, weights).

    resume: go on with the run.  end: ("stop" or "kill", step of this launch): Ctrl-C or SIGKILL of one process.
    """
    parts = [(part.images, part.labels, part.classes, part.name, part.source) for part in data]
    torch.save(parts, tmp_path / "data.pt")
    recipe = recipe.override("model={name: plain}", "epochs=2", "evaluation.recalibrate=0", "optimizer.lr=0.003")
    (tmp_path / "corners.yaml").write_text(recipe.yaml())
    (tmp_path / "script.py").write_text(ONE_NETWORK)

    def run(name, processes, *changes, resume=False, end=("never", 0)):
        many = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        arguments = [str(tmp_path), name, "resume" if resume else "start", *map(str, end), *changes]
        command = [sys.executable, *(many if processes > 1 else []), "script.py", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
        assert (done.returncode == 0) == (end[0] != "kill"), done.stderr[-3000:]
        if end[0] == "kill":
            return None
        assert len({line for line in done.stdout.splitlines() if line.startswith("reached")}) == 1
        assert [line for line in done.stdout.splitlines() if line.startswith("parted")] == ["parted True"] * processes
        history = [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        return history, torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["model"]

    return run


def test_two_processes_have_the_loss_of_one_on_the_same_batches(launch):
    one, weights_of_one = launch("one", 1)
    two, weights_of_two = launch("two", 2)
    for a, b in zip(one, two, strict=True):
        assert b["loss"] == pytest.approx(a["loss"], rel=1e-5)
        assert b["validation_accuracy"] == a["validation_accuracy"]
    for name, weight in weights_of_one.items():
        torch.testing.assert_close(weights_of_two[name], weight, rtol=1e-4, atol=1e-5)


def test_synchronised_batch_norm_has_the_loss_of_one_process(launch):
    """The shift-based MLP: its last batch norm is torch's own."""
    options = "{hidden: [24], inputs: 64, classes: 4, dropout: [0, 0], batch_norm: shift}"
    changes = (f"model={{name: mlp, options: {options}}}", "epochs=1")
    one, _ = launch("one", 1, *changes)
    two, _ = launch("two", 2, *changes, "sync_batch_norm=true")
    apart, _ = launch("apart", 2, *changes)
    assert two[0]["loss"] == pytest.approx(one[0]["loss"], rel=1e-3)
    assert apart[0]["loss"] != pytest.approx(one[0]["loss"], rel=1e-3)


def test_processes_that_are_stopped_and_killed_go_on_to_the_same_end(launch):
    """Batch norm, dropout and augmentation: everything that a process draws or keeps by itself."""
    noisy = ("model={name: mlp, options: {hidden: [24], inputs: 64, classes: 4, dropout: [0.1, 0.2]}}", "epochs=3")
    noisy = (*noisy, "data.augment=[{crop: 1}]", "evaluation.recalibrate=40")
    whole, weights = launch("whole", 2, *noisy)
    launch("broken", 2, *noisy, end=("stop", 14))  # in the second of three epochs of ten steps
    launch("broken", 2, *noisy, resume=True, end=("kill", 9))  # in the third
    resumed, same = launch("broken", 2, *noisy, resume=True)
    timeless = [[{k: v for k, v in epoch.items() if k not in TIMES} for epoch in run] for run in (whole, resumed)]
    assert timeless[0] == timeless[1]
    assert all(torch.equal(same[name], weight) for name, weight in weights.items())


def test_every_process_gets_equally_many_pictures_or_none_starts(recipe, data):
    check_share(recipe, data[0], 2)
    check_share(recipe, data[0], 10)
    for processes, changes in ((3, []), (20, []), (2, ["accumulate=6"])):
        with pytest.raises(OptionError, match=f"batch_size is 20 .* for {processes} processes"):
            check_share(recipe.override(*changes), data[0], processes)
    broken = Pictures((), data[0].labels, (), "toy", "made by a test", (1, 8, 8), on_error="skip")
    check_share(recipe, broken, 1)
    with pytest.raises(OptionError, match="on_error is 'skip' for 2 processes"):
        check_share(recipe, broken, 2)


def test_one_process_goes_on_with_its_random_numbers():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    reseed(Accelerator(), 1, 2, 3)
    assert torch.equal(torch.get_rng_state(), before)
