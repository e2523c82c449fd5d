import json
import os
import signal

import pytest
import torch

from onebit._errors import DataError, FormatError, OptionError, OutputError
from onebit.nn import latent_weights
from onebit.training import Callback, Recipe, accuracy, load_run, train


class StopAt(Callback):
    """Ctrl-C, by hand or as an exception, after so many steps or epochs."""

    def __init__(self, *, steps=None, epochs=None, signal_it=False):
        self.left = {"step": steps, "epoch": epochs}
        self.signal_it = signal_it

    def count(self, what):
        if self.left[what] is None:
            return
        self.left[what] -= 1
        if self.left[what] == 0:
            if not self.signal_it:
                raise KeyboardInterrupt
            os.kill(os.getpid(), signal.SIGINT)

    def on_step(self, loss):  # noqa: ARG002
        self.count("step")

    def on_epoch(self, epoch):  # noqa: ARG002
        self.count("epoch")


def final_state(folder):
    return torch.load(folder / "checkpoint.pt", weights_only=True)


def metrics(folder):
    """The lines of metrics.jsonl, without the two that a clock decides."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if "second" not in key} for line in lines]


def assert_same(a, b, where="state"):
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert list(a) == list(b), where
        for key in a:
            if "second" not in str(key):
                assert_same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{i}]")
    else:
        assert a == b, where


def test_a_run_learns_and_leaves_its_files(tmp_path, recipe, data, capfd):
    result = train(recipe.override("epochs=6"), tmp_path / "run", data=data)
    assert result.test_accuracy >= 0.9
    files = {file.name for file in (tmp_path / "run").iterdir()}
    checkpoints = {"checkpoint.pt", "checkpoint.previous.pt", "model.safetensors"}
    pictures = {"curves.png", "confusion.png"}
    assert (
        files
        == {"recipe.yaml", "metrics.jsonl", "metrics.csv", "report.md", "result.json", "tensorboard"}
        | pictures
        | checkpoints
    )
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")
    printed = capfd.readouterr()
    assert len(printed.out.splitlines()) == 7  # what starts, and a line for each epoch: nothing else makes noise
    assert printed.err == ""
    lines = metrics(tmp_path / "run")
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert set(lines[0]["flip_ratio"]) == {"hidden1.linear", "hidden2.linear", "output.linear"}
    model, recipe_again = load_run(tmp_path / "run")
    assert recipe_again == recipe.override("epochs=6")
    assert not model.training
    assert accuracy(model, data[1]) == result.test_accuracy
    assert all(float(weight.detach().abs().max()) <= 1 for weight in latent_weights(model))


def test_one_recipe_gives_the_same_weights_and_leaves_the_global_generator_alone(tmp_path, recipe, data):
    states = []
    for run in ("a", "b"):
        torch.manual_seed(len(states))
        before = torch.get_rng_state()
        train(recipe, tmp_path / run, data=data)
        assert torch.equal(torch.get_rng_state(), before)
        states.append(final_state(tmp_path / run))
    assert_same(*states)
    train(recipe.override("seed=6"), tmp_path / "c", data=data)
    assert not torch.equal(
        final_state(tmp_path / "c")["model"]["output.linear.weight"], states[0]["model"]["output.linear.weight"]
    )


@pytest.mark.parametrize(
    ("activation", "stop"),
    [
        ("sign", {"epochs": 1}),
        ("sign", {"epochs": 2, "signal_it": True}),
        ("stochastic-sign", {"steps": 1}),
        ("stochastic-sign", {"steps": 14, "signal_it": True}),
    ],
    ids=str,
)
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path, recipe, data, activation, stop):
    recipe = recipe.override(f"model.options.activation={activation}")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    expected = train(recipe, whole, data=data)
    with pytest.raises(KeyboardInterrupt, match="can be resumed"):
        train(recipe, broken, data=data, callbacks=[StopAt(**stop)])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    result = train(recipe, broken, data=data, resume=True)
    assert_same(final_state(whole), final_state(broken))
    assert metrics(whole) == metrics(broken)
    assert (whole / "model.safetensors").read_bytes() == (broken / "model.safetensors").read_bytes()
    assert result.test_accuracy == expected.test_accuracy


@pytest.mark.parametrize("stop", [{"epochs": 1}, {"steps": 14}], ids=str)
def test_a_run_with_augmentation_and_preprocessing_resumes_bit_for_bit(tmp_path, recipe, data, stop):
    recipe = recipe.override("data.augment=[crop: 1, flip]", "data.preprocess=[gcn: 55, zca]")
    train(recipe, tmp_path / "whole", data=data)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "broken", data=data, callbacks=[StopAt(**stop)])
    train(recipe, tmp_path / "broken", data=data, resume=True)
    assert_same(final_state(tmp_path / "whole"), final_state(tmp_path / "broken"))


class Killed(BaseException):
    """Ends a run as SIGKILL does: nothing is saved."""


class KillAt(Callback):
    def __init__(self, steps):
        self.left, self.said = steps, ""

    def on_start(self, plan):
        self.said = plan.arithmetic

    def on_step(self, loss):  # noqa: ARG002
        self.left -= 1
        if self.left == 0:
            raise Killed


@pytest.mark.parametrize("steps", [3, 14])
def test_a_killed_run_with_gradients_in_int8_ends_as_an_uninterrupted_one(tmp_path, recipe, data, steps):
    recipe = recipe.override("model.options.dropout=[0, 0]", "arithmetic.forward=bits", "arithmetic.backward=int8")
    train(recipe, tmp_path / "whole", data=data)
    kill = KillAt(steps)
    with pytest.raises(Killed):
        train(recipe, tmp_path / "broken", data=data, callbacks=[kill])
    assert "int8" in kill.said
    first_epoch = steps < 10  # nothing to go on from: the run begins anew
    train(recipe, tmp_path / "broken", data=data, resume=not first_epoch, overwrite=first_epoch)
    assert_same(final_state(tmp_path / "whole"), final_state(tmp_path / "broken"))


def test_augmentation_changes_the_run(tmp_path, recipe, data):
    train(recipe, tmp_path / "plain", data=data)
    train(recipe.override("data.augment=[crop: 1]"), tmp_path / "cropped", data=data)
    plain, cropped = (final_state(tmp_path / name)["model"]["output.linear.weight"] for name in ("plain", "cropped"))
    assert not torch.equal(plain, cropped)


def test_a_run_may_stop_twice(tmp_path, recipe, data):
    train(recipe, tmp_path / "whole", data=data)
    with pytest.raises(KeyboardInterrupt, match=r"Stopped in epoch 1 after step 7;"):
        train(recipe, tmp_path / "run", data=data, callbacks=[StopAt(steps=7)])
    with pytest.raises(KeyboardInterrupt, match=r"Stopped in epoch 2 after step 3;"):
        train(recipe, tmp_path / "run", data=data, callbacks=[StopAt(steps=6)], resume=True)
    train(recipe, tmp_path / "run", data=data, resume=True)
    assert_same(final_state(tmp_path / "whole"), final_state(tmp_path / "run"))


def test_a_damaged_checkpoint_is_told_and_the_one_before_it_gives_the_same_run(tmp_path, recipe, data):
    train(recipe, tmp_path / "whole", data=data)
    broken = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        train(recipe, broken, data=data, callbacks=[StopAt(steps=25)])  # saved after epochs 1, 2 and step 5 of 3
    checkpoint, previous = broken / "checkpoint.pt", broken / "checkpoint.previous.pt"
    damaged, good = bytearray(checkpoint.read_bytes()), previous.read_bytes()
    damaged[len(damaged) // 2] ^= 1
    checkpoint.write_bytes(damaged)

    def stop_at_once():
        with pytest.raises(KeyboardInterrupt):
            train(recipe, broken, data=data, resume=True, callbacks=[StopAt(steps=3)])

    with pytest.warns(RuntimeWarning, match=r"\.pt: is damaged.*checkpoint\.previous\.pt \(epoch 3, step 0\)"):
        stop_at_once()
    assert previous.read_bytes() == good  # the damaged one did not take its place
    train(recipe, broken, data=data, resume=True)
    assert_same(final_state(tmp_path / "whole"), final_state(broken))
    assert metrics(tmp_path / "whole") == metrics(broken)


def test_a_finished_run_resumes_to_its_result(tmp_path, recipe, data):
    first = train(recipe, tmp_path, data=data)
    again = train(recipe, tmp_path, data=data, resume=True)
    assert (again.best_epoch, again.test_accuracy) == (first.best_epoch, first.test_accuracy)


def test_resuming_needs_a_checkpoint_of_the_same_recipe(tmp_path, recipe, data):
    with pytest.raises(FormatError, match=r"is a folder without recipe\.yaml, so it is not a run"):
        train(recipe, tmp_path, data=data, resume=True)
    train(recipe, tmp_path, data=data)
    with pytest.raises(OptionError, match=r"started with optimizer\.lr=0\.01, and is resumed with 0\.02"):
        train(recipe.override("optimizer.lr=0.02"), tmp_path, data=data, resume=True)
    checkpoint, previous = tmp_path / "checkpoint.pt", tmp_path / "checkpoint.previous.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    previous.unlink()
    with pytest.raises(FormatError, match=r"checkpoint\.pt: is damaged or foreign.*no earlier one"):
        train(recipe, tmp_path, data=data, resume=True)
    checkpoint.unlink()
    with pytest.raises(FormatError, match=r"there is no checkpoint\.pt to resume"):
        train(recipe, tmp_path, data=data, resume=True)


def test_a_new_run_is_refused_where_one_is_or_leaves_nothing_of_it(tmp_path, recipe, data):
    train(recipe, tmp_path, data=data)
    with pytest.raises(OptionError, match="holds a run already"):
        train(recipe, tmp_path, data=data)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path, data=data, overwrite=True, callbacks=[StopAt(steps=1)])
    assert {file.name for file in tmp_path.iterdir()} == {"recipe.yaml", "checkpoint.pt", "tensorboard"}


def test_a_run_that_stopped_before_it_saved_anything_is_not_in_the_way(tmp_path, recipe, data):
    with pytest.raises(OptionError, match="batch_size is 9000, but only 210 pictures"):
        train(recipe.override("batch_size=9000"), tmp_path, data=data)
    train(recipe.override("epochs=1"), tmp_path, data=data)
    assert (tmp_path / "model.safetensors").is_file()


def test_an_output_folder_that_cannot_be_made_is_said_before_training(tmp_path, recipe, data):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        train(recipe, tmp_path / "file" / "run", data=data)


def test_a_full_disk_is_said_and_leaves_the_last_checkpoint(tmp_path, recipe, data, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path, data=data, callbacks=[StopAt(epochs=1)])
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(OutputError, match=r"checkpoint\.pt: cannot be written \(No space left on device\)"):
            train(recipe, tmp_path, data=data, resume=True)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    train(recipe, tmp_path, data=data, resume=True)


@pytest.mark.slow
def test_the_demo_recipe_reaches_its_accuracy_on_real_digits(tmp_path):
    from onebit.data import load

    try:
        data = tuple(load("mnist", split=part, download=False) for part in ("train", "test"))
    except DataError:
        pytest.skip("no MNIST here")
    result = train(Recipe.load("mnist-demo"), tmp_path, data=data)
    assert result.test_accuracy >= (0.97 if len(data[0]) == 60_000 else 0.92)
