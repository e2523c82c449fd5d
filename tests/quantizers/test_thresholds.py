import torch

from onebit.quantizers._thresholds import random_thresholds


def test_thresholds_are_the_numbers_of_the_documented_hash():
    """In 64-bit arithmetic, with words that are cut to 32 bits by hand."""
    low, seed = 0xFFFFFFFF, 4_000_000_000
    x = torch.zeros(2, 3, 5)
    expected = []
    for number in range(30):
        h = (number * 0x9E3779B1 + seed) & low
        h = ((h ^ h >> 16) * 0x85EBCA6B) & low
        h = ((h ^ h >> 13) * 0xC2B2AE35) & low
        expected.append(1 - 2 * ((h ^ h >> 16) >> 8) / 2**24)
    found = random_thresholds(x, torch.tensor(seed))
    assert found.shape == x.shape
    assert found.flatten().tolist() == expected


def test_values_far_behind_the_first_have_thresholds_of_their_own_numbers():
    x, seed = torch.zeros(3, 1 << 16), torch.tensor(5)
    whole = torch.compile(random_thresholds, backend="aot_eager", fullgraph=True)(x, seed)
    assert torch.equal(random_thresholds(x, seed), whole)
    assert torch.equal(random_thresholds(x[:2, :40000], seed), whole.view(-1)[:80000].view(2, 40000))
    assert random_thresholds(x[:0], seed).shape == (0, 1 << 16)


def test_thresholds_are_uniform_between_minus_one_and_one():
    t = random_thresholds(torch.zeros(1 << 18), torch.tensor(7))
    assert -1 < float(t.min()) < -0.9999
    assert 0.9999 < float(t.max()) <= 1
    counts = torch.histc(t, 64, -1, 1)
    assert float(((counts - 4096) ** 2 / 4096).sum()) < 120  # chi squared of 63 degrees: 120 is exceeded in 1 of 50,000


def test_a_value_is_plus_one_with_the_probability_of_the_hard_sigmoid():
    """5/8 for x = 1/4, within 4.5 sigma of the binomial."""
    x = torch.full((1 << 20,), 0.25)
    share = float((x >= random_thresholds(x, torch.tensor(3))).float().mean())
    assert abs(share - 0.625) < 4.5 * (0.625 * 0.375 / 2**20) ** 0.5
