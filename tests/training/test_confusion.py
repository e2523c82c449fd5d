import pytest
import torch
from torch import nn

from onebit.data import Dataset
from onebit.training import accuracy
from onebit.training._confusion import by_class, confusion, draw_confusion


class Says(nn.Module):
    """A network whose highest score is at the first pixel's value."""

    def forward(self, images):
        return nn.functional.one_hot(images[:, 0, 0, 0].long(), 3).float()


def pictures(said, labels, classes=("a", "b", "c")):
    images = torch.tensor(said, dtype=torch.uint8).reshape(-1, 1, 1, 1)
    return Dataset(images, torch.tensor(labels), classes, "said", "made by the test")


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_rows_are_labels_and_columns_what_is_said(batch_size):
    dataset = pictures([0, 0, 1, 2, 2, 0], [0, 0, 0, 1, 2, 2])
    matrix = confusion(Says(), dataset, batch_size)
    assert matrix.tolist() == [[2, 1, 0], [0, 0, 1], [1, 0, 1]]
    assert int(matrix.trace()) / 6 == accuracy(Says(), dataset)


def test_scores_beyond_the_classes_of_the_set_are_counted():
    assert confusion(Says(), pictures([2, 0], [1, 0], ("a", "b"))).tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]


def test_a_class_is_told_by_its_share_its_count_and_its_double():
    matrix = torch.tensor([[2, 1, 0], [0, 5, 0], [0, 0, 0]])
    assert by_class(matrix) == [(2 / 3, 3, 1), (1.0, 5, None), (0.0, 0, None)]


@pytest.mark.parametrize("count", [2, 10, 40])
def test_the_picture_is_a_png(tmp_path, count):
    matrix = torch.eye(count, dtype=torch.int64) * 9 + 1
    draw_confusion(matrix, [f"class {n}" for n in range(count)], "a run", tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")


def test_a_class_named_in_signs_that_the_font_lacks_is_no_warning(tmp_path):
    draw_confusion(torch.eye(2, dtype=torch.int64), ["\N{PEAR}", "b"], "a run", tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")
