import json
import subprocess
import sys

import pytest
import torch
from accelerate import Accelerator

from onebit._errors import OptionError
from onebit.training._processes import check_share, reseed

ONE_NETWORK = """
import sys
import torch
from torch import nn
from onebit import nn as bnn
from onebit.data import Dataset
from onebit.models._catalog import register
from onebit.training import Recipe, train

torch.set_num_threads(1)

@register("plain")
def plain(inputs=64, classes=4):  # without batch norm, of which every process has its own
    layers = [bnn.BinaryLinear(inputs, 24), bnn.BinaryLinear(24, classes, input_quantizer="sign")]
    return nn.Sequential(nn.Flatten(), bnn.Pixels(), layers[0], nn.Hardtanh(), layers[1])

folder, name, *changes = sys.argv[1:]
sets = tuple(Dataset(*part) for part in torch.load(folder + "/data.pt", weights_only=True))
recipe = Recipe.load(folder + "/corners.yaml").override(*changes)
result = train(recipe, folder + "/" + name, data=sets, trackers=[])
print("reached", result.test_accuracy)
"""


@pytest.fixture
def launch(tmp_path, recipe, data):
    """launch(name, processes, *changes) trains in processes of their own; returns (history, weights)."""
    parts = [(part.images, part.labels, part.classes, part.name, part.source) for part in data]
    torch.save(parts, tmp_path / "data.pt")
    recipe = recipe.override("model={name: plain}", "epochs=2", "evaluation.recalibrate=0", "optimizer.lr=0.003")
    (tmp_path / "corners.yaml").write_text(recipe.yaml())
    (tmp_path / "script.py").write_text(ONE_NETWORK)

    def run(name, processes, *changes):
        many = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command = [sys.executable, *(many if processes > 1 else []), "script.py", str(tmp_path), name, *changes]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr[-3000:]
        assert len({line for line in done.stdout.splitlines() if line.startswith("reached")}) == 1
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


def test_every_process_gets_equally_many_pictures_or_none_starts(recipe):
    check_share(recipe, 2)
    check_share(recipe, 10)
    for processes, changes in ((3, []), (20, []), (2, ["accumulate=6"])):
        with pytest.raises(OptionError, match=f"batch_size is 20 .* for {processes} processes"):
            check_share(recipe.override(*changes), processes)


def test_one_process_goes_on_with_its_random_numbers():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    reseed(Accelerator(), 1, 2, 3)
    assert torch.equal(torch.get_rng_state(), before)
