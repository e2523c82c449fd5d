import pytest
import torch
from safetensors.torch import save_file

from onebit import models
from onebit._errors import FormatError
from onebit.training import load_run
from onebit.training._checked import load_state
from onebit.training._run_folder import RunFolder


@pytest.fixture
def run(tmp_path, recipe):
    folder = RunFolder(tmp_path / "run")
    folder.start(recipe, overwrite=False)
    torch.manual_seed(1)
    model = models.create(recipe.model.name, **recipe.model.options)
    folder.save_model(model)
    return folder, model


def test_a_run_loads_in_evaluation_mode_with_its_weights(run, recipe):
    folder, model = run
    loaded, loaded_recipe = load_run(folder.path)
    assert loaded_recipe == recipe
    assert not loaded.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"is a folder without recipe\.yaml, so it is not a run"):
        load_run(tmp_path)
    with pytest.raises(FormatError, match=r"absent: is not a folder"):
        load_run(tmp_path / "absent")


def test_a_run_without_weights_says_that_it_stopped_early(run):
    folder, _ = run
    folder.model.unlink()
    with pytest.raises(FormatError, match="stopped before its first epoch ended"):
        load_run(folder.path)


@pytest.mark.parametrize("keep", [0, 7, 500])
def test_truncated_weights_are_refused(run, keep):
    folder, _ = run
    folder.model.write_bytes(folder.model.read_bytes()[:keep])
    with pytest.raises(FormatError, match=r"model\.safetensors: is damaged"):
        load_run(folder.path)


def test_a_damaged_checkpoint_does_not_take_the_place_of_the_one_before_it(run, recipe):
    folder, _ = run
    for epoch in (1, 2):
        folder.save_checkpoint({"epoch": epoch, "step": 0})
    folder.checkpoint.write_bytes(b"damage")
    with pytest.warns(RuntimeWarning, match=r"Going on from the one before it, checkpoint\.previous\.pt \(epoch 2"):
        assert folder.read_checkpoint(recipe)["epoch"] == 1
    folder.save_checkpoint({"epoch": 3, "step": 0})
    assert [load_state(file)["epoch"] for file in (folder.checkpoint, folder.previous)] == [3, 1]
    folder.save_checkpoint({"epoch": 4, "step": 0})
    assert [load_state(file)["epoch"] for file in (folder.checkpoint, folder.previous)] == [4, 3]


def test_weights_of_another_network_are_refused(run):
    folder, _ = run
    save_file({"output.linear.weight": torch.zeros(2, 2)}, folder.model)
    with pytest.raises(FormatError, match=r"does not fit the model of .*recipe\.yaml"):
        load_run(folder.path)
