"""The report: ok is the conjunction of its parts, and the table shows them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onebit.conversion import LayerCheck, VerifyReport

LAYER = LayerCheck("fc1", "dense_bits", 4096, 784, True, sums=1000, bits=1000)


def test_ok_needs_every_exact_layer_and_every_winner() -> None:
    assert VerifyReport(10, (LAYER,), 0.0, 10).ok
    assert not VerifyReport(10, (LAYER,), 0.0, 9).ok
    assert VerifyReport(10, (LAYER,), 0.0, 9, excused=1).ok
    assert not VerifyReport(10, (replace(LAYER, bits_unequal=1),), 0.0, 10).ok
    assert not VerifyReport(10, (replace(LAYER, sums_unequal=1),), 0.0, 10).ok
    assert VerifyReport(10, (replace(LAYER, sums_unequal=1, exact=False),), 0.0, 10).ok


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (LAYER, ["fc1", "dense_bits", "4096", "784", "1,000", "equal"]),
        (replace(LAYER, bits_unequal=3), ["DIFFERENT"]),
        (replace(LAYER, exact=False, error=0.5), ["rounds here (by 0.5); outputs equal"]),
        (replace(LAYER, exact=False, bits_unequal=3, margin=2), ["differing sums are 2 from the threshold"]),
    ],
)
def test_the_table_shows_each_layer_in_words(layer: LayerCheck, words: list[str]) -> None:
    text = str(VerifyReport(1234, (layer,), 0.25, 1234, excused=0))
    assert all(word in text for word in words)
    assert "same winner on 1,234 of 1,234 examples" in text
    assert text.splitlines()[-1].startswith("ok" if layer.ok else "NOT OK")
    assert len(text.splitlines()) == 3
