import subprocess
import sys

import pytest

import onebit


def test_every_public_name_can_be_had():
    for name in onebit.__all__:
        assert getattr(onebit, name) is not None
    assert set(onebit.__all__) == set(dir(onebit))


def test_an_unknown_name_is_an_attribute_error_that_lists_the_known():
    with pytest.raises(AttributeError, match=r"no attribute 'covnert'; it has .*convert"):
        onebit.covnert  # noqa: B018


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import onebit", "torch"),
        ("import onebit.nn, onebit.models, onebit.training", "onebit.ops"),
        ("import onebit.runtime", "onebit.nn"),
    ],
)
def test_a_part_does_not_load_what_it_does_not_need(statement, absent):
    code = f"{statement}; import sys; sys.exit({absent!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
