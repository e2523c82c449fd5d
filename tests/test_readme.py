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
