"""Layer: a record that passes change by copying."""

from __future__ import annotations

import torch
from torch import fx

from onebit.conversion._layer import Layer, layer_of
from onebit.conversion._sums import Sums, of_signs


def test_a_changed_layer_is_another_one() -> None:
    sums = Sums(2, *of_signs(torch.ones(3, 2)), torch.ones(3), torch.zeros(3), "linear")
    layer = Layer("fc", sums, "", sums.scale, sums.bias, "exact")
    changed = layer.but(note="other", tolerance=0.5)
    assert (layer.note, layer.tolerance, changed.note, changed.tolerance) == ("exact", 0.0, "other", 0.5)
    assert changed.sums is layer.sums


def test_only_dense_nodes_have_a_layer() -> None:
    assert layer_of(fx.Graph().placeholder("x")) is None
