"""One small trained run and its packed file, made once by the commands themselves."""

import pytest

from onebit import data
from onebit.cli import main


@pytest.fixture(scope="session")
def small():
    """Options that make the demo's recipe a matter of seconds."""
    return ["--set", "model.options.hidden=[64,40]", "--set", "epochs=6", "batch_size=50"]


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """A data folder in MNIST's own layout: 600 training and 200 test digits of the packaged sample."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "mnist").mkdir()
    for split, prefix, count in (("train", "train", 600), ("test", "t10k", 200)):
        sample = data.load("mnist", folder / "empty", split, download=False, notify=str)
        images, labels = sample.images[:count, 0].contiguous(), sample.labels[:count].to(sample.images.dtype)
        (folder / "mnist" / f"{prefix}-images-idx3-ubyte").write_bytes(data.encode_idx(images))
        (folder / "mnist" / f"{prefix}-labels-idx1-ubyte").write_bytes(data.encode_idx(labels))
    return folder


@pytest.fixture(scope="session")
def run_folder(root, small, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "small"
    assert main(["train", "mnist-demo", *small, "--out", str(out), "--root", str(root), "--quiet"]) == 0
    return out


@pytest.fixture(scope="session")
def packed_file(run_folder, root):
    path = run_folder.parent / "small.onnx"
    assert main(["convert", str(run_folder), "-o", str(path), "--root", str(root)]) == 0
    return path
