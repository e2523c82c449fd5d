"""A family's public functions are what its operators say: name, arguments, text, for every input and output."""

from __future__ import annotations

import inspect
import pickle
import typing

import pytest
import torch

from onebit import ops
from onebit.ops import _front_door

OUTPUTS = ("int32", "float", "bits", "fused", "both")
NAMES = [
    f"{family}{given}_{output}" for family in ("dense", "conv2d") for given in ("", "_u8", "_s8") for output in OUTPUTS
]


def test_every_operator_of_every_family_is_public():
    sums = [name for name in _front_door._fallbacks if name.startswith(("dense", "conv2d"))]
    assert sorted(sums) == sorted(NAMES)
    assert all(callable(getattr(ops, name)) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_function_has_the_operator_s_name_and_arguments(name):
    function, schema = getattr(ops, name), getattr(torch.ops.onebit, name).default._schema
    assert (function.__name__, function.__qualname__) == (name, name)
    assert sorted(inspect.signature(function).parameters) == sorted(argument.name for argument in schema.arguments)
    hints = typing.get_type_hints(function)
    assert hints["return"] == (tuple[torch.Tensor, torch.Tensor] if len(schema.returns) == 2 else torch.Tensor)
    assert pickle.loads(pickle.dumps(function)) is function


@pytest.mark.parametrize("name", NAMES)
def test_the_text_names_results_errors_and_the_functions_it_leans_on(name):
    text, family = getattr(ops, name).__doc__, name.rpartition("_")[0]
    assert "Returns (" in text
    assert "Raises DtypeError, ShapeError, OptionError, NativeError." in text
    assert " output" not in text
    if not name.endswith("int32"):
        assert f"as for {family}_" in text


def test_arguments_may_be_given_by_name():
    x, w = torch.ones(2, 3), torch.ones(4, 3)
    given = {"x": ops.pack(x), "weights": ops.pack_weights(ops.pack(w), 3), "n": 4, "k": 3}
    assert ops.dense_int32(**given).tolist() == [[3] * 4] * 2
    got = ops.dense_fused(**given, scale=torch.ones(4), bias=torch.zeros(4), residual=torch.ones(2, 4))
    assert got.tolist() == [[4.0] * 4] * 2
