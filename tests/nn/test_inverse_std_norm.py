import copy

import pytest
import torch

from onebit._errors import OptionError, ShapeError
from onebit.nn import InverseStdNorm, ShiftBatchNorm1d, ShiftBatchNorm2d, TheanoBatchNorm1d, TheanoBatchNorm2d

KINDS = [ShiftBatchNorm1d, ShiftBatchNorm2d, TheanoBatchNorm1d, TheanoBatchNorm2d]
ONE_D = [ShiftBatchNorm1d, TheanoBatchNorm1d]


def batch(kind, seed=0, n=6):
    shape = (n, 3) if kind in ONE_D else (n, 3, 4, 2)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 3 + 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_holds_everything(kind):
    norm = kind(3)
    for seed in range(4):
        norm(batch(kind, seed))
    other = kind(3)
    other.load_state_dict(norm.state_dict())
    assert set(norm.state_dict()) == {"weight", "bias", "running_mean", "running_inv_std", "num_batches_tracked"}
    assert int(other.num_batches_tracked) == 4
    for mode in (True, False):
        assert torch.equal(norm.train(mode)(batch(kind, 9)), other.train(mode)(batch(kind, 9)))


@pytest.mark.parametrize("kind", KINDS)
def test_evaluation_changes_nothing_and_takes_single_examples(kind):
    norm = kind(3).eval()
    before = copy.deepcopy(norm.state_dict())
    y = norm(batch(kind, n=1))
    assert torch.equal(y, batch(kind, n=1))  # mean 0, deviation 1, gamma 1, beta 0
    assert all(torch.equal(before[name], value) for name, value in norm.state_dict().items())
    assert torch.equal(norm(batch(kind, n=5))[:1], norm(batch(kind, n=5)[:1]))


@pytest.mark.parametrize("kind", KINDS)
def test_momentum_weighs_the_new_batch_and_none_averages_all(kind):
    statistics = []
    for seed in range(3):
        single = kind(3, momentum=1.0)
        single(batch(kind, seed))
        statistics.append((single.running_mean, single.running_inv_std))
    for momentum in (0.25, None):
        norm = kind(3, momentum=momentum)
        expected = [torch.zeros(3), torch.ones(3)]
        for seed, found in enumerate(statistics):
            norm(batch(kind, seed))
            weight = momentum or 1 / (seed + 1)
            expected = [(1 - weight) * old + weight * new for old, new in zip(expected, found, strict=True)]
        torch.testing.assert_close([norm.running_mean, norm.running_inv_std], expected)
        norm.reset_running_stats()
        assert norm.running_inv_std.tolist() == [1, 1, 1]
        assert int(norm.num_batches_tracked) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_frozen_layer_still_learns_its_parameters(kind):
    norm = kind(3).eval()
    x = batch(kind).requires_grad_()
    norm(x).sum().backward()
    assert norm.bias.grad is not None
    assert norm.weight.grad is not None
    assert bool((x.grad == 1).all())


@pytest.mark.parametrize("kind", KINDS)
def test_no_affine_means_no_parameters(kind):
    norm = kind(3, affine=False)
    assert list(norm.parameters()) == []
    torch.testing.assert_close(norm(batch(kind)), kind(3)(batch(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_inputs_are_refused(kind):
    norm = kind(3)
    assert isinstance(norm, InverseStdNorm)
    with pytest.raises(ShapeError, match=r"\(num_features=3\): input has shape \(3,\)\. Expected \(N, 3"):
        norm(torch.zeros(3))
    with pytest.raises(ShapeError, match="has no variance"):
        norm(torch.zeros(1, 3) if kind in ONE_D else torch.zeros(1, 3, 1, 1))
    with pytest.raises(OptionError, match="eps is 0"):
        kind(3, eps=0)
