from __future__ import annotations

import runpy
import zlib
from pathlib import Path

import pytest
import torch

from onebit.data import _mnist, read_idx

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "make_mnist_sample.py"))
NAMES = [file.name for files in _mnist.MNIST.splits.values() for file in files]


def test_the_sample_has_the_promised_digits_and_size() -> None:
    for split, count in (("train", 6000), ("test", 1000)):
        images, labels = _mnist.read_pair([_mnist.SAMPLE / file.name for file in _mnist.MNIST.splits[split]])
        assert images.shape == (count, 1, 28, 28)
        assert labels.bincount(minlength=10).min() > count * 0.08
    assert sum((_mnist.SAMPLE / name).stat().st_size for name in NAMES) < 1_200_000
    assert "CC BY-SA 3.0" in (_mnist.SAMPLE / "README.md").read_text()


def test_a_draw_depends_on_the_seed_and_split_alone() -> None:
    draw = SCRIPT["draw"]
    first = draw("train", 100, 10)
    assert torch.equal(first, draw("train", 100, 10))
    assert not torch.equal(first, draw("test", 100, 10))
    assert first.tolist() == sorted(set(first.tolist()))
    assert set(first.tolist()) < set(draw("train", 100, 20).tolist())


def test_the_script_reproduces_the_sample_byte_for_byte(full, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ONEBIT_DATA", full("mnist"))
    SCRIPT["make"](tmp_path)
    for name in NAMES:
        assert torch.equal(read_idx(tmp_path / name), read_idx(_mnist.SAMPLE / name))
        if "ng" not in zlib.ZLIB_RUNTIME_VERSION:  # zlib-ng compresses the same bytes differently
            assert (tmp_path / name).read_bytes() == (_mnist.SAMPLE / name).read_bytes()


def test_the_script_refuses_files_that_are_not_official(tiny, tmp_path, monkeypatch) -> None:
    _, packed = tiny
    for name, content in packed.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setenv("ONEBIT_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match="NOT the official ones"):
        SCRIPT["make"](tmp_path)
