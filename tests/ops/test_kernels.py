"""The dispatch table, as Python reads it."""

from __future__ import annotations

import pytest

from onebit._errors import UnknownName
from onebit.ops import _kernels, native

OPS = ["pack", "unpack", "dense", "dense_u8", "conv2d", "conv2d_u8", "float_steps", "max_pool2d"]
OPS += ["gradient_maxima", "gradient_bytes", "gradient_windows", "gradient_lookup", "sign_panel"]
OPS += ["gradient_x", "gradient_w"]


def test_the_operators_are_those_of_the_table():
    assert native.operators() == OPS


@pytest.mark.parametrize("op", OPS)
def test_scalar_is_the_last_row_and_always_runs(op):
    assert native.available_isas(op)[-1] == "scalar"
    assert [k.isa for k in native.kernels() if k.op == op and k.available] == native.available_isas(op)


def test_an_unknown_operator_is_refused_with_the_near_miss():
    _kernels.check_op("dense")
    with pytest.raises(UnknownName, match="Did you mean 'conv2d'"):
        _kernels.check_op("conv3d")
