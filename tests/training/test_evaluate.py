import pytest
import torch
from torch import nn as torch_nn

from onebit.data import Dataset, Pictures
from onebit.nn import ShiftBatchNorm1d
from onebit.training import accuracy, recalibrate_batch_norm


class LabelInPixel(torch_nn.Module):
    """Scores highest the class written in the first pixel."""

    def forward(self, x):
        return torch_nn.functional.one_hot(x[:, 0, 0, 0].long(), 4).float()


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_accuracy_counts_every_picture_in_any_batch_size(batch_size):
    images = torch.arange(7, dtype=torch.uint8).remainder(4).view(7, 1, 1, 1)
    labels = torch.tensor([0, 1, 2, 3, 0, 0, 0])  # the last two are wrong
    dataset = Dataset(images, labels, ("a", "b", "c", "d"), "seven", "made here")
    model = LabelInPixel().train()
    assert accuracy(model, dataset, batch_size) == 5 / 7
    assert not model.training


class Torn:
    """Pictures of their own number; the even ones cannot be read."""

    def open(self, index):
        if index % 2 == 0:
            raise OSError("torn")
        return torch.full((1, 1, 1), index % 4, dtype=torch.uint8)

    def where(self, index):
        return f"picture {index}"


@pytest.mark.filterwarnings("ignore:picture .* It is left out")
def test_pictures_that_are_left_out_do_not_count():
    labels, classes = torch.tensor([0, 1, 2, 3, 0, 0]), ("a", "b", "c", "d")
    pictures = Pictures(Torn(), labels, classes, "torn", "here", (1, 1, 1), scaled=False, on_error="skip")
    assert accuracy(LabelInPixel(), pictures, 2) == 2 / 3  # 1 and 3 are right, 5 is wrong


def test_recalibrated_statistics_are_those_of_the_pictures_without_dropout():
    torch.manual_seed(0)
    model = torch_nn.Sequential(torch_nn.Dropout(0.5), torch_nn.BatchNorm1d(3, momentum=0.1), torch_nn.ReLU())
    x = torch.randn(40, 3) * 5 + 2
    model.train()
    model(x)
    recalibrate_batch_norm(model, x, batch_size=13)  # batches of 13, 13, 13 and 1: the last has no variance
    parts = x.split(13)[:3]
    torch.testing.assert_close(model[1].running_mean, torch.stack([part.mean(0) for part in parts]).mean(0))
    torch.testing.assert_close(model[1].running_var, torch.stack([part.var(0) for part in parts]).mean(0))
    assert (model[1].momentum, model.training, model[1].training) == (0.1, False, False)


def test_shift_based_statistics_are_recalibrated_too():
    torch.manual_seed(0)
    norm, once = ShiftBatchNorm1d(3), ShiftBatchNorm1d(3, momentum=1.0)
    x = torch.randn(40, 3) * 5 + 2
    expected = torch.zeros(3)
    for part in x.split(20):
        once(part)
        expected += once.running_inv_std / 2
    norm(torch.randn(9, 3))
    recalibrate_batch_norm(norm, x, batch_size=20)
    torch.testing.assert_close(norm.running_inv_std, expected)
    assert (norm.momentum, norm.training) == (0.125, False)
