import sys

import torch

from onebit import data
from onebit.cli._loading import load


def test_it_is_the_data_packages_own_set(root):
    mine, own = load("mnist", str(root), "test"), data.load("mnist", root, "test")
    assert torch.equal(mine.images, own.images)


def test_in_a_terminal_a_download_moves_a_bar(monkeypatch, capsys):
    def fetch(name, root, split, *, progress):
        for done in (0, 500, 1000):
            progress("digits.gz", done, 1000)
        return name, root, split

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(data, "load", fetch)
    assert load("mnist", None, "train") == ("mnist", None, "train")
    assert "digits.gz" in capsys.readouterr().err
