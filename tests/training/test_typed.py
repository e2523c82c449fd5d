from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from onebit._errors import OptionError, UnknownName
from onebit.training._typed import build, flatten


@dataclass(frozen=True)
class Inner:
    mode: Literal["a", "b"] = "a"
    rest: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outer:
    rate: float
    count: int = 1
    on: bool = False
    text: str | None = None
    inner: Inner = field(default_factory=Inner)


def test_values_take_their_place_and_defaults_fill_the_rest():
    assert build(Outer, {"rate": 2, "inner": {"mode": "b"}, "text": "x"}) == Outer(2.0, text="x", inner=Inner("b"))
    assert type(build(Outer, {"rate": 2}).rate) is float
    assert build(Outer, {"rate": 2, "text": None}).text is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rate": "fast"}, r"rate is 'fast', of type str\. Expected float"),
        ({"rate": 1.0, "count": 1.0}, r"count is 1\.0, of type float\. Expected int"),
        ({"rate": 1.0, "count": True}, r"count is True, of type bool\. Expected int"),
        ({"rate": 1.0, "on": 1}, r"on is 1, of type int\. Expected bool"),
        ({"rate": 1.0, "text": 3}, r"text is 3, of type int\. Expected str"),
        ({"rate": 1.0, "inner": {"mode": "c"}}, r"inner\.mode is 'c'\. Expected one of 'a', 'b'"),
        ({"rate": 1.0, "inner": {"rest": 3}}, r"inner\.rest is 3, of type int\. Expected dict"),
        ({"rate": 1.0, "inner": 3}, r"inner is 3\. Expected a mapping"),
        ({}, r"The recipe lacks rate"),
    ],
)
def test_wrong_values_are_refused_with_their_path(values, message):
    with pytest.raises(OptionError, match=message):
        build(Outer, values)


def test_unknown_keys_suggest_the_near_miss():
    with pytest.raises(UnknownName, match=r"No option of a recipe is called 'cuont'. Did you mean 'count'\?"):
        build(Outer, {"rate": 1.0, "cuont": 2})
    with pytest.raises(UnknownName, match=r"No option of inner is called 'mod'. Did you mean 'mode'\?"):
        build(Outer, {"rate": 1.0, "inner": {"mod": "a"}})


def test_flat_options_have_dotted_keys_and_lists():
    assert flatten({"a": 1, "b": {"c": (2, 3), "d": {"e": None}}}) == {"a": 1, "b.c": [2, 3], "b.d.e": None}
