import pytest
import torch

from onebit import models
from onebit.metrics import summary
from onebit.metrics._cost import ACCESS, table
from onebit.nn import BinaryLinear

PICTURE = torch.zeros((1, 1, 28, 28), dtype=torch.uint8)
FIRST, HIDDEN = 784 * 4096, 2 * 4096**2 + 4096 * 10  # products of bytes and of bits


def test_the_papers_network_by_hand():
    """float32: 3.7 + 0.9 pJ each; here 0.1 pJ for bytes, 2 * 0.1 / 32 for bits; DRAM holds all weights."""
    found = summary(models.mlp(), PICTURE)
    full, ours = found.float_cost, found.cost
    assert full.arithmetic == pytest.approx((FIRST + HIDDEN) * 4.6)
    assert ours.arithmetic == pytest.approx(FIRST * 0.1 + HIDDEN * 0.00625)
    norms = 2 * (3 * 4096 + 10)
    assert (full.weight_bytes, ours.weight_bytes) == ((FIRST + HIDDEN + norms) * 4, (FIRST + HIDDEN) / 8 + norms * 4)
    assert (full.activation_bytes, ours.activation_bytes) == (2 * 4096 * 4, 784 + 4096 / 8)
    moved = 2 * 4 * (784 + 3 * 4096)  # written and read, from the 32 KiB that two layers fill
    assert full.access == pytest.approx(full.weight_bytes / 8 * 1300 + moved / 8 * 20)
    assert ours.access == pytest.approx(ours.weight_bytes / 8 * 1300 + 2 * (784 + 3 * 4096 / 8) / 8 * 10)
    assert full.energy == full.arithmetic + full.access


def test_a_float_network_costs_what_float32_costs():
    found = summary(models.mlp(hidden=(8, 8), weights=None), torch.ones((1, 1, 28, 28), dtype=torch.uint8))
    assert found.cost.weight_bytes == found.float_cost.weight_bytes
    assert found.cost.arithmetic == pytest.approx((784 * 8) * 4.6 + (8 * 8 + 8 * 10) * 0.9)  # signs times floats: added


@pytest.mark.parametrize(("features", "energy"), [(1, 10), (8 * 2**10, 10), (8 * 2**10 + 1, 20), (2**20 + 1, 1300)])
def test_weights_are_read_from_the_smallest_memory_that_holds_them(features, energy):
    found = summary(BinaryLinear(8, features, input_quantizer="sign"), torch.ones(1, 8))
    activations = 2 * 1 / 8 * ACCESS[0][1]
    assert found.cost.access == pytest.approx(features / 8 * energy + activations)


def test_the_table_says_what_is_estimated_and_compares():
    text = table(summary(models.mlp(), PICTURE).layers)
    lines = {line.split("  ")[0]: line.split() for line in text.splitlines()}
    assert lines["weights"][1:] == ["140.50", "MiB", "4.48", "MiB", "31.4x"]
    assert lines["energy of arithmetic (estimate)"][-1] == "318.8x"
    assert text.count("(estimate)") == 3
    assert f"{FIRST:,} 8-bit by sign, {HIDDEN:,} XNOR and count" in text
    assert "Horowitz" in text


def test_a_network_without_products_costs_no_energy():
    found = summary(torch.nn.BatchNorm1d(3), torch.zeros(1, 3))
    assert (found.cost.arithmetic, found.cost.activation_bytes) == (0, 0)
    assert "multiply-accumulates: none" in str(found)
