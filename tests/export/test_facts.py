"""Facts: written with the file, read back with it, and refused where they cannot be right."""

from __future__ import annotations

import pytest

from onebit._errors import FormatError, OptionError
from onebit.export import Facts
from onebit.runtime import load


@pytest.mark.parametrize("facts", [Facts(), Facts(("a", "b")), Facts(("\u00e9", 'a "b"'), 0.875), Facts(keep=0.1)])
def test_text_and_back(facts):
    assert Facts.from_text(facts.to_text()) == facts


def test_what_is_not_said_is_not_written():
    assert Facts().to_text() == {}


@pytest.mark.parametrize("options", [{"classes": ("a", "a")}, {"classes": ("",)}, {"keep": 0}, {"keep": 1.5}])
def test_wrong_facts_are_refused(options):
    with pytest.raises(OptionError, match=next(iter(options))):
        Facts(**options)


@pytest.mark.parametrize(
    "entries",
    [{"onebit.classes": "a"}, {"onebit.classes": '{"a": 1}'}, {"onebit.classes": "[1]"}, {"onebit.keep": "x"},
     {"onebit.keep": "nan"}],
)  # fmt: skip
def test_damaged_text_is_refused(entries):
    with pytest.raises(FormatError, match="damaged metadata"):
        Facts.from_text(entries)


def test_a_saved_model_keeps_them_and_refuses_another_number_of_classes(packed_mlp, tmp_path):
    packed = packed_mlp()
    assert packed.facts == Facts()
    packed.facts = Facts(tuple(map(str, range(packed.outputs))), 0.875)
    packed.save(tmp_path / "model.onnx")
    assert load(tmp_path / "model.onnx").facts == packed.facts
    packed.facts = Facts(("a", "b"))
    with pytest.raises(OptionError, match=f"2 classes are named, but the network has {packed.outputs} outputs"):
        packed.save(tmp_path / "model.onnx")
