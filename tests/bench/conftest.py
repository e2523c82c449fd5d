import pytest

from onebit.bench import CPU_KERNELS, CUDA_KERNELS
from onebit.bench._figure_numbers import Answers, Bar, Figure

RIGHT = Answers(0.9812, 10000, True)


def example(**changes):
    values = {
        "machine": "A processor, 2 CPUs", "device": "cpu", "setting": "2 threads", "torch": "2.0", "onebit": "0.1",
        "isa": "avx9", "kernels": CPU_KERNELS, "size": 8192, "packing": "both operands packed at every call",
        "packing_ms": 160.0, "layers": "784-4096-4096-4096-10", "pictures": 10000,
        "product": {
            "baseline": Bar(180_000, 1400, 3, "64 of 8,192 rows"),
            "blas": Bar(5500, 5500, 3, None),
            "onebit": Bar(132, 132, 7, None),
        },
        "network": {
            "baseline": Bar(122_000, 6000, 3, None), "blas": Bar(3900, 3900, 3, None), "onebit": Bar(95, 95, 7, None)
        },
        "answers": {"baseline": RIGHT, "blas": RIGHT, "onebit": RIGHT},
        "absent": {"product": {}, "network": {}},
        "accuracy_of": "784-2x1024-10, a demo", "data": "10,000 digits",
    }  # fmt: skip
    return Figure(**values | changes)


def of_a_gpu(**changes):
    ms = {"baseline": 251.0, "xnor": 21.3, "blas": 21.9, "tf32": 2.61, "bf16": 1.43, "int8": 0.81, "float8": 0.79,
          "onebit": 0.243, "onebit-bits": 0.158}  # fmt: skip
    layers = {"baseline": 90.1, "xnor": 9.2, "blas": 7.7, "tf32": 1.62, "bf16": 0.91, "int8": 0.88, "onebit": 0.121}
    why = {"float8": "a pixel does not fit"}
    answers = {name: Answers(0.9812, 10000, True) for name in layers} | {"bf16": Answers(0.9799, 10000, False)}
    values = {
        "machine": "A big card 80GB", "device": "cuda", "setting": "sm_90, CUDA 13.0", "isa": "wgmma 192x256",
        "kernels": CUDA_KERNELS, "product": {name: Bar(each, each, 7, None) for name, each in ms.items()},
        "network": {name: Bar(each, each, 7, None) for name, each in layers.items()}, "answers": answers,
        "absent": {"product": {}, "network": why}, "packing_ms": 0.31,
    }  # fmt: skip
    return example(**values | changes)


@pytest.fixture
def example_figure():
    """Makes a figure as a machine would measure it, with changes."""
    return example


@pytest.fixture
def gpu_figure():
    """Makes the figure of a GPU, with changes."""
    return of_a_gpu
