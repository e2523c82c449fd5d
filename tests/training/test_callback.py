import pytest
import torch

from onebit.training import Callback, Epoch, Plan, train


class Record(Callback):
    """Writes down what it is told."""

    def __init__(self):
        self.told = []

    def on_start(self, plan):
        self.told.append(plan)

    def on_step(self, loss):
        self.told.append(loss)

    def on_epoch(self, epoch):
        self.told.append(epoch)

    def on_end(self):
        self.told.append("end")


def test_callbacks_are_told_of_start_steps_epochs_and_end(tmp_path, recipe, data):
    record = Record()
    train(recipe.override("epochs=2"), tmp_path, data=data, callbacks=[Callback(), record])
    kinds = [type(one) for one in record.told]
    assert kinds == [Plan, *([torch.Tensor] * 10 + [Epoch]) * 2, str]
    losses = [float(one) for one in record.told[1:11]]
    assert record.told[11].loss == pytest.approx(sum(losses) / 10)
    assert not record.told[1].requires_grad


def test_the_end_is_told_even_if_the_run_breaks(tmp_path, recipe, data):
    class Break(Record):
        def on_step(self, loss):  # noqa: ARG002
            raise ZeroDivisionError

    record = Break()
    with pytest.raises(ZeroDivisionError):
        train(recipe, tmp_path, data=data, callbacks=[record])
    assert record.told[-1] == "end"
