"""Writes docs/results.md from the summaries of training runs in benchmarks/results/training/.

python benchmarks/results.py                          # write the page
python benchmarks/results.py --check                  # exit code 1 if the page is not what it would write
python benchmarks/results.py --add RUN                # first take a run folder in: summary, curves; then write the page
    --data "CIFAR-10 (JPEG-75 copy)"                  #   what its pictures are called, where that is not the set itself
    --note "500 epochs need 8 h on a GPU"             #   why its figure is short, and what it would take
    --machine "NVIDIA H100"                           #   where it ran, if the run folder has no result.json
    --test-error 0.0153                               #   a share, likewise

A run is replaced by a later one of the same recipe, data, epochs, changes and seed. Runs that differ in their seed
alone become one row, the mean; a run of `--twin float` appears beside its binary network. Commit the summary, the
picture and the page.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from onebit.training._results import read_summaries, results_page, summarise, write_summary

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path("docs", "results.md")
SUMMARIES = Path("benchmarks", "results", "training")
PICTURES = Path("docs", "results")


def page(root: Path = ROOT) -> str:
    """The page that the files under `root` make."""
    return results_page(read_summaries(root / SUMMARIES), [path.stem for path in (root / PICTURES).glob("*.png")])


def add(args: argparse.Namespace, root: Path = ROOT) -> None:
    """Take a run folder into the files under `root`."""
    summary = summarise(args.add, data=args.data, machine=args.machine, test_error=args.test_error, note=args.note)
    print(f"written: {write_summary(summary, root / SUMMARIES)}")
    curves = Path(args.add) / "curves.png"
    if curves.is_file():
        (root / PICTURES).mkdir(parents=True, exist_ok=True)
        print(f"written: {shutil.copyfile(curves, root / PICTURES / f'{summary.stem}.png')}")


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    parser.add_argument("--add", metavar="RUN", help="a run folder to take in")
    parser.add_argument("--data", "--label", help="what its pictures are called; the name of the set if left out")
    parser.add_argument("--machine", help="where it ran; what the run wrote down if left out")
    parser.add_argument("--test-error", type=float, help="a share; what the run wrote down if left out")
    parser.add_argument("--note", default="", help="why its figure is short, and what it would take")
    args = parser.parse_args(arguments)
    if args.add:
        add(args, root)
    if args.check:
        same = (root / PAGE).read_text() == page(root)
        print(f"{PAGE}: {'up to date' if same else 'not what the summaries give; run `python benchmarks/results.py`'}")
        return 0 if same else 1
    (root / PAGE).write_text(page(root))
    print(f"written: {root / PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
