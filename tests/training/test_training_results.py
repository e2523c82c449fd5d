import dataclasses
import json
import runpy
from pathlib import Path

import pytest

from onebit._errors import FormatError, OptionError
from onebit.training import Recipe, recipe_names, train
from onebit.training._results import PUBLISHED, Summary, read_summaries, results_page, summarise, write_summary

ROOT = Path(__file__).parents[2]
ONE = Summary("cifar10-convnet", "CIFAR-10", 0.1512, 0.14, 18, 20, 500, 1, 7260.0, "a CPU", {})
TWIN = dataclasses.replace(ONE, recipe="cifar10-convnet-float", test_error=0.1234)


def row(page, name):
    (line,) = [line for line in page.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.strip("| ").split(" | ")]


def test_the_page_in_the_repository_is_what_its_summaries_give():
    page = runpy.run_path(str(ROOT / "benchmarks" / "results.py"))["page"](ROOT)
    assert (ROOT / "docs" / "results.md").read_text() == page, "run `python benchmarks/results.py`"


def test_every_picture_belongs_to_a_summary():
    stems = {one.stem for one in read_summaries(ROOT / "benchmarks" / "results" / "training")}
    assert {path.stem for path in (ROOT / "docs" / "results").glob("*.png")} <= stems


def test_a_row_has_the_papers_figure_the_mean_over_seeds_and_the_twin():
    other = dataclasses.replace(ONE, seed=2, test_error=0.1612, seconds=7140.0, note="500 epochs | a GPU")
    assert row(results_page([ONE, other, TWIN]), "cifar10-convnet") == [
        "cifar10-convnet", "CIFAR-10", "11.40 %", "**15.62 % (15.12 to 16.12)**", "12.34 %, 20 of 500",
        "20 of 500", "1, 2", "2.0 h", "a CPU", "500 epochs \\| a GPU",
    ]  # fmt: skip


def test_runs_that_differ_in_more_than_their_seed_are_rows_of_their_own():
    changed = dataclasses.replace(ONE, changes={"optimizer.lr": 0.01})
    longer, copy = dataclasses.replace(ONE, epochs=40), dataclasses.replace(ONE, data="CIFAR-10 (JPEG-75 copy)")
    page = results_page([ONE, changed, longer, copy])
    assert page.count("| cifar10-convnet |") == 4
    assert "**15.12 %** with `optimizer.lr=0.01`" in page
    assert "| CIFAR-10 (JPEG-75 copy) |" in page
    assert len({one.stem for one in (ONE, changed, longer, copy, TWIN)}) == 5


def test_many_changes_make_a_command_and_no_long_name():
    changes = {"data.preprocess": ["unit", "zca"], **{f"model.options.option{i}": 10.0**-i for i in range(20)}}
    changed = dataclasses.replace(ONE, changes=changes)
    assert "with `data.preprocess=[unit,zca] model.options.option0=1.0 " in results_page([changed])
    assert len(changed.stem) < 100


def test_what_was_not_run_is_said():
    page = results_page([TWIN])
    assert row(page, "imagenet-alexnet")[3] == "no run"
    assert row(page, "cifar10-convnet")[3:5] == ["no run", "12.34 %, 20 of 500"]
    assert set(PUBLISHED) <= set(recipe_names())


def test_curves_are_shown_where_there_are_any():
    assert "![curves]" not in results_page([ONE], ["another"])
    assert f"![curves](results/{ONE.stem}.png)" in results_page([ONE, TWIN], [ONE.stem])


def test_a_summary_survives_its_file(tmp_path):
    assert write_summary(TWIN, tmp_path).stem == TWIN.stem
    write_summary(ONE, tmp_path)
    assert read_summaries(tmp_path) == [ONE, TWIN]
    (tmp_path / "odd.json").write_text("{}")
    with pytest.raises(FormatError, match=r"odd\.json: is not the summary of a run"):
        read_summaries(tmp_path)


def test_a_run_folder_is_taken_in_with_one_command(tmp_path, recipe, data):
    result = train(recipe, tmp_path / "run", data=data)
    script = runpy.run_path(str(ROOT / "benchmarks" / "results.py"))
    (tmp_path / "docs").mkdir()
    label = "corners (made up)"
    assert script["main"](["--add", str(tmp_path / "run"), "--label", label, "--note", "more of it"], tmp_path) == 0
    (summary,) = read_summaries(tmp_path / "benchmarks" / "results" / "training")
    assert summary.test_error == pytest.approx(1 - result.test_accuracy)
    assert (summary.best_epoch, summary.epochs, summary.seed) == (result.best_epoch, 3, 5)
    page = (tmp_path / "docs" / "results.md").read_text()
    assert row(page, "corners")[1] == label
    assert (tmp_path / "docs" / "results" / f"{summary.stem}.png").read_bytes()[1:4] == b"PNG"
    assert script["main"](["--check"], tmp_path) == 0
    (tmp_path / "docs" / "results.md").write_text("else")
    assert script["main"](["--check"], tmp_path) == 1


def test_a_run_that_wrote_down_too_little_must_be_told_the_rest(tmp_path, recipe, data):
    train(recipe, tmp_path, data=data)
    (tmp_path / "result.json").unlink()
    with pytest.raises(OptionError, match="did not write down its test_error"):
        summarise(tmp_path, machine="here")
    with pytest.raises(OptionError, match="did not write down its machine"):
        summarise(tmp_path, test_error=0.5)
    assert summarise(tmp_path, machine="here", test_error=0.5).test_error == 0.5


def test_a_packaged_recipe_tells_its_epochs_and_where_a_run_leaves_it(tmp_path):
    recipe = Recipe.load("mnist-mlp").twin().override("epochs=2", "seed=7", "optimizer.lr=0.5", "data.workers=3")
    epoch = {"loss": 1.0, "lr": 0.1, "seconds": 3.0, "images_per_second": 1.0}
    more = {"validation_accuracy": 0.75, "best": 0.75, "best_epoch": 1, "flip_ratio": {}, "weight_saturation": {}}
    (tmp_path / "recipe.yaml").write_text(recipe.yaml())
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"epoch": 1, **epoch, **more}) + "\n")
    summary = summarise(tmp_path, machine="here", test_error=0.25)
    assert (summary.base, summary.epochs, summary.recipe_epochs) == ("mnist-mlp", 1, 1000)
    assert (summary.seed, summary.changes, summary.data) == (7, {"optimizer.lr": 0.5}, "MNIST")
