import pytest

from onebit import quantizers
from onebit._errors import OptionError, UnknownName
from onebit.quantizers import Quantizer, Sign


def test_every_name_gives_a_new_quantizer():
    for name in quantizers.names():
        assert isinstance(quantizers.get(name), Quantizer)
        assert quantizers.get(name) is not quantizers.get(name)
    assert {"sign", "stochastic-sign"} <= set(quantizers.names())


def test_unknown_name_suggests_the_near_miss():
    with pytest.raises(UnknownName, match=r"No quantizer is called 'sgn'. Did you mean 'sign'\?"):
        quantizers.get("sgn")


def test_resolve_takes_none_a_name_or_an_instance():
    sign = Sign()
    assert quantizers.resolve(None) is None
    assert quantizers.resolve(sign) is sign
    assert isinstance(quantizers.resolve("sign"), Sign)


def test_resolve_refuses_a_class():
    with pytest.raises(OptionError, match=r"Expected None, a Quantizer instance such as Sign\(\)"):
        quantizers.resolve(Sign)
