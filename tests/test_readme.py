import re
from pathlib import Path

import pytest
import torch

from onebit import data

README = (Path(__file__).parents[1] / "README.md").read_text()


@pytest.fixture
def small_digits(monkeypatch):
    """`data.load` gives the first 500 digits of the packaged sample, whatever is on this machine."""
    load = data.load

    def first(name):
        return load(name, "absent", download=False, notify=str).select(torch.arange(500))

    monkeypatch.setattr(data, "load", first)


def test_the_code_of_the_readme_runs(small_digits, tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert (tmp_path / "model.onnx").exists()
    assert "dense_bits" in capsys.readouterr().out
    assert torch.equal(names["scores"], names["packed"](names["pictures"]))


def test_the_commands_of_the_readme_exist():
    from onebit.cli._main import build_parser, known_options

    commands = re.findall(r"^    onebit (\w+)([^#\n]*)", README, re.MULTILINE)
    assert {"train", "convert", "eval", "summary", "doctor"} <= {name for name, _ in commands}
    for name, rest in commands:
        assert set(re.findall(r"(?<=\s)--?\w[\w-]*", rest)) <= set(known_options(build_parser(), name))


DATA = (Path(__file__).parents[1] / "docs" / "data.md").read_text()


def test_the_code_of_the_page_on_data_runs(small_digits):
    (code,) = re.findall(r"```python\n(.*?)```", DATA, re.DOTALL)
    names = {}
    exec(compile(code, "docs/data.md", "exec"), names)
    assert len(names["validation"]) == 50
    assert torch.isfinite(names["door"](names["pictures"])).all()


def test_the_page_on_data_names_every_set_and_every_step():
    from onebit.data._augment import AUGMENTATIONS
    from onebit.data._preprocess import PREPROCESSING
    from onebit.training import Recipe

    sections = dict(re.findall(r"^\| (name|`augment`|`preprocess`) \|.*?\n\|---\|---\|\n(.*?)\n\n", DATA, re.M | re.S))
    for section, known in (
        ("name", {*data.names(), "folder"}),
        ("`augment`", set(AUGMENTATIONS)),
        ("`preprocess`", set(PREPROCESSING)),
    ):
        rows = [row.split(" | ")[0] for row in sections[section].splitlines()]
        assert {name for row in rows for name in re.findall(r"`([a-z0-9-]+)", row)} == known
    (section,) = re.findall(r"```yaml\n(.*?)```", DATA, re.DOTALL)
    recipe = Recipe.parse(f"description: d\nmodel: {{name: mlp}}\n{section}", name="page", origin="docs/data.md")
    assert recipe.data.held_out(50_000) == 5000


TRAINING = (Path(__file__).parents[1] / "docs" / "training.md").read_text()


@pytest.fixture
def small_sets(monkeypatch):
    """`data.load` gives the first 300 digits of either split of the packaged sample."""
    load = data.load

    def first(name, split="train"):
        return load(name, "absent", split, download=False, notify=str).select(torch.arange(300))

    monkeypatch.setattr(data, "load", first)


def test_the_code_of_the_page_on_training_runs(small_sets, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(re.findall(r"```python\n(.*?)```", TRAINING, re.DOTALL)), "docs/training.md", "exec"), {})
    kept = re.findall(r"^\| (`.*?) \|", TRAINING.split("## Stopping")[0], re.MULTILINE)
    files = {name for row in kept for name in re.findall(r"`([\w.]+)`", row)}
    assert {file.name for file in (tmp_path / "runs" / "small").iterdir()} == files | {"tensorboard"}


def test_the_commands_options_and_trackers_of_the_page_on_training_exist():
    from onebit.cli._main import build_parser, known_options
    from onebit.training import TRACKERS, Recipe

    commands = re.findall(r"onebit (\w+) [a-z]+[-/][a-z]+([^#\n]*)", TRAINING)
    assert {"train", "predict", "compare", "eval"} == {name for name, _ in commands}
    for name, rest in commands:
        assert set(re.findall(r"(?<=\s)--?\w[\w-]*", rest)) <= set(known_options(build_parser(), name))
    assert set(re.findall(r"^\| `(\w+)` \| (?:in|where|locally)", TRAINING, re.MULTILINE)) == set(TRACKERS)
    for option in re.findall(r"`((?:arithmetic\.|accumulate)[^`]*: [^`]*)`", TRAINING):
        Recipe.load("mnist-demo").override(option.replace(": ", "="))


ROOT = Path(__file__).parents[1]


def rows_of(page: str, heading: str) -> list[list[str]]:
    """The cells of the table that begins with this heading."""
    table = page.split(f"\n| {heading} |", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]


def test_the_page_on_kernels_has_every_instruction_set_and_the_constants_of_the_model():
    page = (ROOT / "docs" / "kernels.md").read_text()
    kernels = re.findall(r"^OB_\w+\((\w+), (\w+),", (ROOT / "native/src/kernels.def").read_text(), re.MULTILINE)
    assert {row[0].strip("`") for row in rows_of(page, "instruction set")} == {isa for _, isa in kernels}
    said = {name: [cell.split(" (")[0] for cell in cells[:3]] for name, *cells in rows_of(page, "| mac_per_ns")}
    costs = re.findall(r"^OB_COST\((.*)\)", (ROOT / "native/src/cost.def").read_text(), re.MULTILINE)
    for isa, cpu, rate, _, rows, channels, _, block, _ in (row.split(", ") for row in costs):
        row = said.get(f"`{isa}`" if cpu == "0" or isa == "amx" else f"`{isa}` beside AMX")
        if row is not None:  # else it stands in brackets
            assert row == [rate, f"{2 ** int(rows)} x {2 ** int(channels)}", block]
    assert {re.sub("`| beside AMX", "", name) for name in said} == {row.split(", ")[0] for row in costs}


def test_the_page_on_the_file_names_every_operator():
    from onebit.export._operators import OPERATORS

    table = (ROOT / "docs" / "format.md").read_text().split("## Operators")[1].split("\n## ")[0]
    named = set(re.findall(r"`([A-Z]\w+)`", table))
    assert {operator.onnx_name for operator in OPERATORS if not operator.has_steps} <= named
