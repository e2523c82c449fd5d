from __future__ import annotations

import pytest

from onebit._errors import OptionError, UnknownName
from onebit._registry import Registry
from onebit.data._steps import build_steps

KINDS: Registry = Registry("kind")


@KINDS.register("cut")
def cut(padding: int = 0, size: int | None = None) -> tuple:
    return "cut", padding, size


@KINDS.register("turn")
def turn() -> tuple:
    return ("turn",)


def test_steps_are_names_or_names_with_one_value_a_list_or_a_mapping() -> None:
    values = ["turn", {"cut": 4}, {"cut": [4, 28]}, {"cut": {"size": 28}}, {"cut": None}, "cut"]
    expected = [("turn",), ("cut", 4, None), ("cut", 4, 28), ("cut", 0, 28), ("cut", 0, None), ("cut", 0, None)]
    assert build_steps(KINDS, values, "augment") == expected
    assert build_steps(KINDS, (), "augment") == []


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ("turn", OptionError, r"augment is 'turn'. Expected a list of steps, such as \[cut, turn\]"),
        ({"cut": 4}, OptionError, "Expected a list of steps"),
        ([4], OptionError, "augment holds 4. Expected a name or one name with its options"),
        ([{"cut": 4, "turn": None}], OptionError, "Expected a name or one name"),
        (["cutt"], UnknownName, "No kind is called 'cutt'. Did you mean 'cut'"),
        ([{"turn": 3}], OptionError, r"augment: turn got \(3,\): too many positional arguments. Its options are \(\)"),
        ([{"cut": {"pad": 3}}], OptionError, r"cut got .*'pad'.*Its options are \(padding"),
    ],
)
def test_what_is_no_step_is_refused(values, error, message: str) -> None:
    with pytest.raises(error, match=message):
        build_steps(KINDS, values, "augment")
