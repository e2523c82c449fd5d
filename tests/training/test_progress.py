import io

import torch
from rich.console import Console

from onebit.training import Epoch, LineProgress, LiveProgress, Plan

EPOCH = Epoch(2, 0.125, 0.975, 0.975, 2, 0.01, 3.0, 12345.6, {"a": 0.1}, {"a": 0.0})


def shown(recipe, steps, *, epochs=0):
    """The text of a run of 3 epochs of 30 steps, resumed at step 5 of epoch 2."""
    text = io.StringIO()
    live = LiveProgress(Console(file=text, width=120, force_terminal=True, color_system=None))
    live.on_start(Plan(recipe, steps=30, epoch=1, step=5, source="here", arithmetic="on bits"))
    for _ in range(steps):
        live.on_step(torch.tensor(0.5))
    for _ in range(epochs):
        live.on_epoch(EPOCH)
    live.on_end()
    return text.getvalue()


def test_live_progress_shows_the_run_and_the_epoch_with_loss_best_and_time_left(recipe):
    text = shown(recipe, 7)
    for part in ("epoch 2/3", "step 12/30", "best -", "loss 0.5000"):
        assert part in text, part
    text = shown(recipe, 25, epochs=1)
    for part in ("epoch 3/3", "step  0/30", "best 97.50%", "epoch 2/3  loss 0.1250  validation 97.50%"):
        assert part in text, part


def test_live_progress_says_first_what_a_log_says_first(recipe):
    first = "corners: 3 epochs of 30 steps, going on at epoch 2, step 5; here; on bits"
    assert shown(recipe, 1).splitlines()[0].rstrip() == first


def test_live_progress_shows_a_loss_from_the_first_step_on(recipe):
    assert "loss 0.5000" in shown(recipe, 1)


def test_line_progress_prints_one_line_for_each_epoch(recipe, capsys):
    lines = LineProgress()
    lines.on_start(Plan(recipe, steps=30, epoch=1, step=5, source="here", arithmetic="on bits"))
    lines.on_step(torch.tensor(0.5))
    lines.on_epoch(EPOCH)
    lines.on_end()
    assert capsys.readouterr().out.splitlines() == [
        "corners: 3 epochs of 30 steps, going on at epoch 2, step 5; here; on bits",
        "epoch 2/3  loss 0.1250  validation 97.50%  12,346 images/s  (best)",
    ]


def test_line_progress_says_that_nothing_is_left_to_do(recipe, capsys):
    LineProgress().on_start(Plan(recipe, steps=30, epoch=3, step=0, source="here", arithmetic="on bits"))
    assert capsys.readouterr().out == "corners: 3 epochs of 30 steps, all done before; here; on bits\n"
