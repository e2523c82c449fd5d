"""Recipes on folders of pictures, some of which are broken."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from onebit._errors import FormatError, OptionError
from onebit.cli import main
from onebit.data import batches
from onebit.training import train

CHANGES = ("data.name=folder", "data.size=8", "model.options.inputs=192", "model.options.classes=2", "epochs=2")


@pytest.fixture
def folder(tmp_path):
    """Two classes of 40 pictures; the third of each is cut off."""
    rng = np.random.default_rng(0)
    for label in (0, 1):
        (tmp_path / "pictures" / f"class{label}").mkdir(parents=True)
        for i in range(40):
            pixels = rng.integers(0, 120, (8, 8, 3), np.uint8) + np.uint8(120 * label)
            path = tmp_path / "pictures" / f"class{label}" / f"{i:02}.png"
            Image.fromarray(pixels).save(path)
            path.write_bytes(path.read_bytes()[: 60 if i == 2 else None])
    return tmp_path / "pictures"


@pytest.fixture
def skipping(recipe, folder):
    return recipe.override(*CHANGES, f"data.path={folder}", "data.on_error=skip")


def test_a_broken_picture_stops_a_run_and_the_message_names_the_option(recipe, folder, tmp_path):
    with pytest.raises(FormatError, match=r"02\.png: cannot be read .* \(in a recipe: data\.on_error=skip\)"):
        train(recipe.override(*CHANGES, f"data.path={folder}"), tmp_path / "run", quiet=True)


@pytest.mark.parametrize("workers", [0, 1])
def test_or_each_broken_picture_is_told_once_counted_and_left_out(workers, skipping, tmp_path):
    with pytest.warns(UserWarning, match=r"02\.png: .* It is left out") as told:
        result = train(skipping.override(f"data.workers={workers}"), tmp_path / "run", quiet=True)
    assert result.left_out == 2 == len(told)
    assert result.test_accuracy > 0.9
    assert "were left out: 2." in (tmp_path / "run" / "report.md").read_text()


def test_batches_with_too_few_pictures_left_are_passed_over(skipping, folder, tmp_path):
    for path in sorted(folder.rglob("*.png"))[:-12]:
        path.write_bytes(b"torn")
    with pytest.warns(UserWarning, match=r"passed over|left out") as told:
        train(skipping.override("batch_size=4", "data.validation=4"), tmp_path / "run", quiet=True)
    assert any("A batch has only 1 picture that can be read: passed over." in str(one.message) for one in told)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 2


def test_sets_in_memory_have_no_such_option(recipe):
    with pytest.raises(OptionError, match="mnist: on_error is 'skip'"):
        recipe.override("data.name=mnist", "data.on_error=skip").data.open("train", None)
    with pytest.raises(OptionError, match=r"data\.on_error is 'ignore'. Expected one of 'raise', 'skip'"):
        recipe.override("data.on_error=ignore")


@pytest.mark.filterwarnings("default")
def test_eval_counts_what_it_could_read(skipping, folder, tmp_path, capsys):
    with pytest.warns(UserWarning, match="left out"):
        train(skipping, tmp_path / "run", quiet=True)
    command = ["eval", str(tmp_path / "run"), "--folder", str(folder)]
    assert main(command) == 2
    assert "02.png" in capsys.readouterr().err
    assert main([*command, "--on-error", "skip", "--json"]) == 0
    told = capsys.readouterr()
    assert told.err.count("warning: ") == told.err.count("\n") == 2
    result = json.loads(told.out)
    assert (result["images"], result["left_out"]) == (78, 2)
    assert result["accuracy"] == result["correct"] / 78
    assert main([*command, "--on-error", "skip"]) == 0
    assert "left out 2 that cannot be read" in capsys.readouterr().out


def test_the_place_in_an_epoch_counts_batches_that_were_not_handed_out(skipping, folder):
    for path in folder.rglob("*.png"):
        path.write_bytes(b"torn")
    whole = skipping.data.open("train", None)
    reading = batches(whole, 5)
    with pytest.warns(UserWarning, match="left out"):
        assert list(reading) == []
    assert reading.position == len(reading)
    assert len(whole.left_out) == len(whole)
    assert whole.select(whole.labels.nonzero()[:3, 0]).left_out is whole.left_out
