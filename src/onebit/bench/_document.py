"""The page about performance: hand-written words with marks, in whose places the measured tables go."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from onebit._errors import FormatError
from onebit.bench._document_tables import Rows, absent, floors, gpu, jobs, peaks
from onebit.bench._results import file_name

MARK = re.compile(r"^<!-- (figures|results|include (\S+)) -->$", re.MULTILINE)
CPU_KEYS = {
    "cpu",
    "name",
    "shape",
    "isa",
    "forced",
    "threads",
    "ms",
    "tmac_per_s",
    "fraction_of_peak",
    "peers",
    "ratio",
}
GPU_KEYS = {"device", "part", "what"}


def document(
    template: str, sections: Mapping[str, str], results: Mapping[str, Rows], figures: Mapping[str, Mapping[str, Any]]
) -> str:
    """The template with each mark, a line of its own, replaced.

    <!-- results -->: for each file of results its tables, and the floors for a CPU. <!-- figures -->: the pictures.
    <!-- include NAME -->: that section. sections: name -> text. results: stem of a file -> its rows.
    figures: stem -> numbers of the kernel figure whose picture is docs/performance/<stem>.png.
    Raises FormatError for a section that is not there, and for rows of another kind.
    """

    def fill(mark: re.Match[str]) -> str:
        if mark[1] == "figures":
            return "\n\n".join(_picture(stem, numbers) for stem, numbers in sorted(figures.items()))
        if mark[1] == "results":
            return "\n\n".join(part for stem in sorted(results) for part in _machine(stem, results[stem], figures))
        if mark[2] not in sections:
            raise FormatError(f"The template includes {mark[2]!r}; the sections are {', '.join(sorted(sections))}.")
        return sections[mark[2]].strip()

    return MARK.sub(fill, template)


def _picture(stem: str, numbers: Mapping[str, Any]) -> str:
    ratios = numbers["ratios"]["product"]
    text = f"onebit beside BLAS and an unoptimised kernel on {numbers['machine']}"
    link = f"![{text}](performance/{stem}.png)"
    than = f"{ratios['blas']:.0f} times as fast as BLAS, {ratios['baseline']:,.0f} as the unoptimised kernel"
    return f"{link}\n\nThe product: {than}."


def _machine(stem: str, rows: Rows, figures: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The tables of one file."""
    if rows and all(row.keys() >= CPU_KEYS for row in rows):
        versions = ", ".join(sorted({f"onebit {row['onebit']} beside torch {row['torch']}" for row in rows}))
        yield f"### {rows[0]['cpu']}\n\nMeasured with {versions}."
        yield from jobs(rows)
        if missing := absent(rows):
            yield missing
        yield peaks(rows)
        yield f"**The floors**\n\n{floors(rows, figures.get(file_name(str(rows[0]['cpu']))))}"
    elif rows and all(row.keys() >= GPU_KEYS for row in rows):
        last = rows[-1]
        yield f"### {last['device']}\n\nMeasured with torch {last['torch']}, CUDA {last['cuda']}, {last['date']}."
        yield from gpu(rows)
    else:
        raise FormatError(f"{stem}: its rows are neither `onebit bench`'s nor benchmarks/gpu.py's.")
