"""Writes docs/performance.md from its template, the results and the figures that are in the repository.

python benchmarks/render.py            # after a measurement; `make bench` does it
python benchmarks/render.py --check    # exit code 1 if the page is not what it would write
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from onebit.bench import document

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"


def page(root: Path = ROOT) -> str:
    """The page that the files under `root` make."""
    folder = root / "docs" / "performance"
    sections = {path.name: path.read_text() for path in folder.glob("*.md")}
    results = {
        path.stem: [json.loads(line) for line in path.read_text().splitlines()]
        for path in (root / "benchmarks" / "results").glob("*.jsonl")
    }
    figures = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    return document(sections.pop("template.md"), sections, results, figures)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    if not parser.parse_args().check:
        PAGE.write_text(page())
        print(f"written: {PAGE}")
        return 0
    same = PAGE.read_text() == page()
    print(f"{PAGE}: {'up to date' if same else 'not what the results give; run `python benchmarks/render.py`'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
