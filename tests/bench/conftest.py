import pytest

from onebit.bench._figure_numbers import Answers, Bar, Figure

RIGHT = Answers(0.9812, 10000, True)


def example(**changes):
    values = {
        "cpu": "A processor, 2 CPUs", "device": "cpu", "threads": 2, "torch": "2.0", "onebit": "0.1", "isa": "avx9",
        "size": 8192, "packing_ms": 160.0, "layers": "784-4096-4096-4096-10", "pictures": 10000,
        "product": {
            "baseline": Bar(180_000, 1400, 3, "64 of 8,192 rows"),
            "blas": Bar(5500, 5500, 3, None),
            "onebit": Bar(132, 132, 7, None),
        },
        "network": {
            "baseline": Bar(122_000, 6000, 3, None), "blas": Bar(3900, 3900, 3, None), "onebit": Bar(95, 95, 7, None)
        },
        "answers": {"baseline": RIGHT, "blas": RIGHT, "onebit": RIGHT},
        "accuracy_of": "784-2x1024-10, a demo", "data": "10,000 digits",
    }  # fmt: skip
    return Figure(**values | changes)


@pytest.fixture
def example_figure():
    """Makes a figure as a machine would measure it, with changes."""
    return example
