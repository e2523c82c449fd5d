import pytest

from onebit._errors import OnebitError, UnknownName
from onebit._registry import Registry, unknown_name


@pytest.fixture
def shapes():
    registry = Registry("shape")
    registry.register("circle")(1)
    registry.register("square")(2)
    return registry


def test_entries_are_found_and_listed_in_order(shapes):
    assert shapes["circle"] == 1
    assert list(shapes) == ["circle", "square"]
    assert len(shapes) == 2
    assert "circle" in shapes
    assert "triangle" not in shapes
    assert shapes.get("square") == 2


def test_a_name_cannot_be_taken_twice(shapes):
    with pytest.raises(ValueError, match="'circle' is already registered"):
        shapes.register("circle")(3)


def test_an_unknown_name_suggests_the_near_miss_and_lists_all(shapes):
    with pytest.raises(
        UnknownName, match=r"No shape is called 'cirle'\. Did you mean 'circle'\? Known: circle, square\."
    ):
        shapes["cirle"]


def test_a_far_name_gets_no_suggestion():
    assert "Did you mean" not in str(unknown_name("shape", "zzz", ["circle"]))


def test_unknown_names_are_lookup_errors_of_ours():
    assert issubclass(UnknownName, OnebitError)
    assert issubclass(UnknownName, LookupError)
    assert not issubclass(UnknownName, KeyError)
