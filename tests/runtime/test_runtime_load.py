from __future__ import annotations

import builtins
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onebit._errors import FormatError, MissingExtra
from onebit.runtime import load


@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    widths=st.lists(st.integers(1, 200), min_size=2, max_size=4),
    last=st.sampled_from(["float", "int32"]),
    batch=st.integers(0, 5),
)
def test_a_saved_model_is_the_same_function(tmp_path_factory, packed_mlp_builder, widths, last, batch):
    packed = packed_mlp_builder(widths, last=last, seed=sum(widths))
    path = tmp_path_factory.mktemp("round") / "model.onnx"
    packed.save(path)
    loaded = load(path)
    x = torch.randint(0, 256, (batch, widths[0]), dtype=torch.uint8, generator=torch.Generator().manual_seed(batch))
    assert torch.equal(loaded(x), packed(x))
    assert loaded.input_spec == packed.input_spec
    assert loaded.layers() == packed.layers()


def test_a_loaded_model_saves_the_same_bytes(packed_mlp, tmp_path):
    packed_mlp().save(tmp_path / "first.onnx")
    load(tmp_path / "first.onnx").save(tmp_path / "second.onnx")
    assert (tmp_path / "second.onnx").read_bytes() == (tmp_path / "first.onnx").read_bytes()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FormatError, match=r"absent.onnx: cannot be read: No such file"):
        load(tmp_path / "absent.onnx")


def test_a_folder_is_not_a_model(tmp_path):
    with pytest.raises(FormatError, match="Is a directory"):
        load(tmp_path)


def test_without_the_package_onnx_the_extra_is_named(packed_mlp, tmp_path, monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name.split(".")[0] == "onnx":
            raise ModuleNotFoundError("No module named 'onnx'", name="onnx")
        return real(name, *rest)

    for module in ("onebit.export._onnx", "onebit.export._functions", "onebit.runtime._rebuild"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtra, match=r"Saving needs the package onnx; pip install 'onebit\[onnx\]'"):
        packed_mlp().save(tmp_path / "model.onnx")
    with pytest.raises(MissingExtra, match=r"Loading needs the package onnx; pip install 'onebit\[onnx\]'"):
        load(tmp_path / "model.onnx")
