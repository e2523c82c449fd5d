import torch

import onebit
from onebit.training import Epoch, Plan, train
from onebit.training._report import Outcome, report


def page(recipe, epochs=9, classes=("north|west", "b", "c")):
    history = [
        Epoch(n, 1 / n, n / 100, min(n, 7) / 100, min(n, 7), 0.01, 2.0, 100.0, {"a": 0.5}, {"a": 0.25})
        for n in range(1, epochs + 1)
    ]
    matrix = torch.eye(len(classes), dtype=torch.int64) * 3
    matrix[0, 1] = 1
    plan = Plan(recipe, 10, 0, 0, "from here", "forward on bits")
    return report(plan, history, Outcome(matrix, 0.9375, classes, "from there"))


def test_the_page_has_results_epochs_classes_environment_and_recipe(recipe):
    text = page(recipe)
    for part in (
        "| test accuracy (best epoch) | **93.75%**, error 6.25% |",
        "| best validation accuracy | 7.00% at epoch 7 |",
        "| last validation accuracy | 9.00% at epoch 9 |",
        "| time of all epochs | 18.0 s |",
        "| 7 (best) | 0.1429 | 7.00% | 1.00e-02 | 50.000% | 25.000% | 100 |",
        "| north\\|west | 75.00% | 4 | b |",
        "| c | 100.00% | 3 | - |",
        f"| onebit | {onebit.__version__} |",
        f"| torch | {torch.__version__} |",
        "Arithmetic: forward on bits.",
        "Training pictures: from here.",
        "Test pictures: from there.",
        "](curves.png)",
        "](confusion.png)",
        recipe.yaml(),
    ):
        assert part in text, part


def test_of_many_classes_the_worst_are_shown(recipe):
    text = page(recipe, classes=tuple(f"class{n}" for n in range(50)))
    assert "The 20 worst of 50 classes." in text
    assert "| class0 |" in text
    assert text.count("| class") == 1 + 20 + 1  # the head, and what class0 is taken for


def test_a_run_of_one_epoch_has_one_row(recipe):
    assert "| 1 (best) |" in page(recipe, epochs=1)


def test_the_report_tells_what_the_run_reached(tmp_path, recipe, data):
    result = train(recipe, tmp_path, data=data)
    text = (tmp_path / "report.md").read_text()
    assert f"**{result.test_accuracy:.2%}**" in text
    assert f"{result.best_accuracy:.2%} at epoch {result.best_epoch}" in text
    assert "| sw |" in text
