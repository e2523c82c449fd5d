"""The page of results: what runs reached, beside what was published, from one small summary for each run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onebit._errors import FormatError, OptionError
from onebit.training._compare import read_run
from onebit.training._recipe import Recipe, recipe_names
from onebit.training._run_folder import RunFolder
from onebit.training._typed import flatten

TWIN = "-float"  # what Recipe.twin puts behind a name
SETS = {"mnist": "MNIST", "cifar10": "CIFAR-10", "svhn": "SVHN", "imagenet": "ImageNet"}
PUBLISHED = {
    "mnist-mlp": "0.96 %",
    "mnist-mlp-shift": "1.40 %",
    "cifar10-convnet": "11.40 %",
    "cifar10-convnet-shift": "10.15 %",
    "svhn-convnet": "2.80 %",
    "svhn-convnet-shift": "2.53 %",
    "imagenet-alexnet": "58.2 %",
    "imagenet-googlenet": "52.9 %",
    "larq-vgg": "16.8 % (Larq's guide, best on the test pictures)",
}
HEAD = ("recipe", "data", "paper", "reached", "float twin", "epochs", "seeds", "time", "machine", "what it would take")

ABOUT = """\
Written by `python benchmarks/results.py` from the summaries in `benchmarks/results/training/`; do not edit.

Errors on the whole test set, of the epoch that was best on held-out training pictures. The paper's are those of
arXiv:1602.02830 and, for ImageNet (top-1), of its extension arXiv:1609.07061. The float twin is the same network and
schedule without binarization (`onebit train NAME --twin float`). Time is that of all epochs of one run.
`onebit train RECIPE --epochs N --set CHANGES` repeats a row; CHANGES stand behind its "with"."""


@dataclass(frozen=True)
class Summary:
    """What the page needs of one run. Errors are shares; `epochs` were trained, of the recipe's `recipe_epochs`.

    test_error: of the epoch with the best validation accuracy, `best_epoch`.  changes: where it leaves the recipe.
    note: why a figure is short, and what it would take.
    """

    recipe: str
    data: str
    test_error: float
    validation_error: float
    best_epoch: int
    epochs: int
    recipe_epochs: int
    seed: int
    seconds: float
    machine: str
    changes: dict[str, Any]
    note: str = ""

    @property
    def base(self) -> str:
        """The recipe's name, of a twin that of the binary network."""
        return self.recipe.removesuffix(TWIN)

    @property
    def stem(self) -> str:
        """The name of its file and its picture: changes as a digest, since file systems and clones limit names."""
        digest = hashlib.sha256(json.dumps(self.changes, sort_keys=True).encode()).hexdigest()[:8]
        changes = f"-changed-{digest}" if self.changes else ""
        text = f"{self.recipe}-{self.data}-{self.epochs}-epochs{changes}-seed-{self.seed}".lower()
        return "-".join("".join(one if one.isalnum() else " " for one in text).split())

    @property
    def group(self) -> tuple[str, str, int, str]:
        """Runs that differ in their seed alone have equal groups."""
        return self.recipe, self.data, self.epochs, json.dumps(self.changes, sort_keys=True)


def summarise(
    path: str | os.PathLike[str],
    *,
    data: str | None = None,
    machine: str | None = None,
    test_error: float | None = None,
    note: str = "",
) -> Summary:
    """The summary of a run folder.

    data: what the pictures are called on the page; None takes the set's name.  machine: where it ran; None takes what
    the run wrote down.  test_error: a share, for a run that did not write it down.
    Raises FormatError if the folder is not a run, OptionError if something is missing that must be given.
    """
    run, folder = read_run(path), RunFolder(path)
    last, recipe = run.history[-1], run.recipe
    facts = json.loads(folder.result.read_text()) if folder.result.is_file() else {}
    accuracy, found = run.test_accuracy, facts.get("environment", {})
    machine = machine or found.get("GPU") or found.get("CPU")
    error = test_error if test_error is not None else None if accuracy is None else 1 - accuracy
    for name, value in (("test_error", error), ("machine", machine)):
        if value is None:
            raise OptionError(f"{folder.path}: the run did not write down its {name}, so give it.")
    origin = _origin(recipe)
    return Summary(
        recipe=recipe.name,
        data=data or SETS.get(recipe.data.name, recipe.data.name),
        test_error=round(float(error or 0.0), 6),
        validation_error=round(1 - last.best, 6),
        best_epoch=last.best_epoch,
        epochs=last.epoch,
        recipe_epochs=recipe.epochs if origin is None else origin.epochs,
        seed=recipe.seed,
        seconds=round(sum(one.seconds for one in run.history), 1),
        machine=str(machine),
        changes={} if origin is None else _changes(origin, recipe),
        note=note,
    )


def write_summary(summary: Summary, folder: Path) -> Path:
    """Into `folder`, in place of an earlier one of the same run; returns its path."""
    path = folder / f"{summary.stem}.json"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dataclasses.asdict(summary), indent=1) + "\n")
    return path


def read_summaries(folder: Path) -> list[Summary]:
    """All of a folder, in the order of their names; raises FormatError for a file that is not one."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(Summary(**json.loads(path.read_text())))
        except (ValueError, TypeError) as error:
            raise FormatError(f"{path}: is not the summary of a run ({error}).") from None
    return found


def results_page(summaries: Sequence[Summary], pictures: Iterable[str] = ()) -> str:
    """The page as Markdown. pictures: the stems of those summaries whose curves lie in docs/results/STEM.png."""
    there = set(pictures)
    rows = [row for name in [*PUBLISHED, *_others(summaries)] for row in _rows(name, summaries)]
    links = [
        f"### {one.recipe}, {one.data}, {_epochs(one)}{_changed(one)}, seed {one.seed}\n"
        f"![curves](results/{one.stem}.png)"
        for one in summaries
        if one.stem in there
    ]
    parts = [
        "# Results",
        ABOUT,
        "\n".join(f"| {' | '.join(row)} |" for row in (HEAD, ["---"] * len(HEAD), *rows)),
        *(["## Curves", *links] if links else []),
    ]
    return "\n\n".join(parts) + "\n"


def _origin(recipe: Recipe) -> Recipe | None:
    """The packaged recipe that this one was made of; None for a user's own."""
    base = recipe.name.removesuffix(TWIN)
    if base not in recipe_names():
        return None
    found = Recipe.load(base)
    return found.twin() if recipe.name.endswith(TWIN) else found


def _changes(origin: Recipe, recipe: Recipe) -> dict[str, Any]:
    """Where the recipe leaves the packaged one, but for what the page says anyway and what cannot move a figure."""
    then, now = (flatten(dataclasses.asdict(one)) for one in (origin, recipe))
    said = {
        "name",
        "description",
        "epochs",
        "seed",
        "data.path",
        "data.workers",
        "data.on_error",
        "evaluation.batch_size",
    }
    keys = [key for key in sorted(then.keys() | now.keys()) if key not in said]
    return {key: now.get(key) for key in keys if then.get(key) != now.get(key)}


def _others(summaries: Sequence[Summary]) -> list[str]:
    return sorted({one.base for one in summaries} - PUBLISHED.keys())


def _rows(base: str, summaries: Sequence[Summary]) -> list[tuple[str, ...]]:
    """A row for each group of a recipe, twins in a column; a row that says so if there was no run."""
    mine = [one for one in summaries if one.base == base]
    twins = [one for one in mine if one.recipe != base]
    groups = _groups([one for one in mine if one.recipe == base])
    published = PUBLISHED.get(base, "-")
    rows = [(base, *_row(group, twins, published)) for group in groups]
    binary = {one.data for group in groups for one in group}
    for group in _groups([one for one in twins if one.data not in binary]):
        rows.append((base, group[0].data, published, "no run", _twin_cell(group), *_facts(group)))
    return rows or [(base, "-", published, "no run", *["-"] * 6)]


def _row(group: Sequence[Summary], twins: Sequence[Summary], published: str) -> tuple[str, ...]:
    one = group[0]
    beside = [_twin_cell(twin) for twin in _groups([twin for twin in twins if twin.data == one.data])]
    reached = f"**{_error(group)}**{_changed(one)}"
    return (one.data, published, reached, "; ".join(beside) or "-", *_facts(group))


def _changed(one: Summary) -> str:
    """What `onebit train --set` would be given."""
    given = {key: f"[{','.join(map(str, v))}]" if isinstance(v, list) else v for key, v in one.changes.items()}
    changes = " ".join(f"{key}={value}" for key, value in given.items())
    return f" with `{changes}`" if changes else ""


def _facts(group: Sequence[Summary]) -> tuple[str, ...]:
    seeds = ", ".join(str(one.seed) for one in group)
    machines = "; ".join(dict.fromkeys(one.machine for one in group))
    notes = " ".join(dict.fromkeys(one.note for one in group if one.note)).replace("|", "\\|")
    return _epochs(group[0]), seeds, _time(sum(one.seconds for one in group) / len(group)), machines, notes or "-"


def _groups(summaries: Sequence[Summary]) -> list[list[Summary]]:
    found: dict[tuple[str, str, int, str], list[Summary]] = {}
    for one in sorted(summaries, key=lambda one: (one.data, -one.epochs, one.group, one.seed)):
        found.setdefault(one.group, []).append(one)
    return list(found.values())


def _error(group: Sequence[Summary]) -> str:
    """The mean over seeds, with the smallest and the largest."""
    errors = [100 * one.test_error for one in group]
    spread = f" ({min(errors):.2f} to {max(errors):.2f})" if len(errors) > 1 else ""
    return f"{sum(errors) / len(errors):.2f} %{spread}"


def _twin_cell(group: Sequence[Summary]) -> str:
    return f"{_error(group)}, {_epochs(group[0])}{_changed(group[0])}"


def _epochs(one: Summary) -> str:
    return f"{one.epochs} of {one.recipe_epochs}"


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min" if seconds >= 60 else "< 1 min"
