import pytest

from onebit.bench import DEVICES, _figure_cpu, random_mlp


@pytest.mark.parametrize(("threads", "words"), [(1, "1 thread"), (2, "2 threads")])
def test_the_setting_is_the_number_of_threads(threads, words):
    assert _figure_cpu.setting(threads) == words


def test_all_kernels_but_a_slow_one_do_all_of_the_product():
    shares = {name: make() for name, make in _figure_cpu.product(80, False).items()}
    assert {name: (share.done, share.whole) for name, share in shares.items()} == {
        "baseline": (64, 80), "blas": (80, 80), "onebit": (80, 80), "packing": (80, 80)
    }  # fmt: skip


def test_onebits_kernels_are_named():
    packed = random_mlp(hidden=(20,))
    assert DEVICES["cpu"].isa(packed, 10, 10) == " and ".join(dict.fromkeys(packed.kernels().values()))
