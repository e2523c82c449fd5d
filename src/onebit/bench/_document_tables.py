"""Tables of the page about performance, in Markdown, from rows of results as their files hold them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from onebit.bench._figure_text import times
from onebit.bench._floors import FIGURE_FLOORS, FLOORS

Rows = Sequence[Mapping[str, Any]]
GROUPS = {  # title -> how the names of its jobs begin
    "Products: M x N x K": "dense",
    "Convolutions of 3 x 3: batch x channels x height and width": "conv",
    "Networks: batch": "",
}


def markdown(header: Sequence[str], body: Iterable[Sequence[str]], left: int = 1) -> str:
    """A table whose first `left` columns stand left, the others right."""
    rule = ["---" if place < left else "---:" for place in range(len(header))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *body))


def jobs(rows: Rows) -> Iterator[str]:
    """A table for each kind of job; a peer's column says how many times as fast as the peer onebit is."""
    left = list(rows)
    for title, start in GROUPS.items():
        group = [row for row in left if row["name"].startswith(start)]
        left = [row for row in left if row not in group]
        if group:
            peers = sorted({name for row in group for name in row["peers"]})
            header = ["job", "kernel", "threads", "ms", "TMAC/s", "of the peak", *(f"x {name}" for name in peers)]
            body = [_job(row, peers) for row in group]
            yield f"**{title}**\n\n{markdown(header, body, left=2)}"


def absent(rows: Rows) -> str:
    """The engines that did not run anywhere, and why; "" if there is none."""
    ran = {name for row in rows for name in row["peers"]}
    reasons = {name: why for row in rows for name, why in sorted(row["absent"].items()) if name not in ran}
    return (
        "\n".join(["Did not run here:", "", *(f"- {name}: {why}" for name, why in reasons.items())]) if reasons else ""
    )


def _job(row: Mapping[str, Any], peers: Sequence[str]) -> list[str]:
    fraction = row["fraction_of_peak"]
    return [
        f"{row['name']} {' x '.join(map(str, row['shape']))}",
        row["isa"] + (" (forced)" if row["forced"] else ""),
        str(row["threads"]),
        f"{row['ms']:#.4g}",
        f"{row['tmac_per_s']:.3f}",
        "" if fraction is None else f"{fraction:.0%} of {row['peak']}",
        *(times(row["ratio"][name]) if name in row["ratio"] else "" for name in peers),
    ]


def peaks(rows: Rows) -> str:
    """What one thread can do at most: the lowest and the highest seen."""
    body = []
    for name in dict.fromkeys(name for row in rows for name in row["peaks"]):
        seen = [rate / row["threads"] for row in rows for rate in row["peaks"].get(name, [])]
        unit, scale = ("GB/s", 1e3) if name == "memory_read" else ("TMAC/s", 1)
        body.append([name, f"{min(seen) * scale:.3f}", f"{max(seen) * scale:.3f}", unit])
    return markdown(["peak of one thread", "lowest", "highest", ""], body)


def floors(rows: Rows, figure: Mapping[str, Any] | None) -> str:
    """Each floor, what was reached, and whether that is enough."""
    body = []
    for floor in FLOORS:
        reached = floor.reached(rows)
        than = "part of the peak" if floor.than == "peak" else f"times as fast as {floor.than}"
        body.append([floor.what(), than, floor.text(floor.least), floor.text(reached), verdict(reached, floor.least)])
    for (group, kernel), least in FIGURE_FLOORS.items():
        ratio = None if figure is None else float(figure["ratios"][group][kernel])
        told = "not measured" if ratio is None else times(ratio)
        body.append(
            [f"kernel figure, {group}", f"times as fast as {kernel}", times(least), told, verdict(ratio, least)]
        )
    return markdown(["what", "measure", "floor", "reached", ""], body, left=2)


def verdict(reached: float | None, least: float) -> str:
    """In one word."""
    return "" if reached is None else "met" if reached >= least else "**short**"


def gpu(lines: Rows) -> Iterator[str]:
    """A table for each part that benchmarks/gpu.py measured, the newest line of each job; its notes below."""
    newest = {(line["part"], line["what"]): line for line in lines}
    for part in dict.fromkeys(line["part"] for line in lines):
        found = [line for (of, _), line in newest.items() if of == part]
        body = [[line["what"], f"{line['ms']:#.4g}", f"{line['tops']:.1f}"] for line in found if "ms" in line]
        notes = [f"- {line['what']}: {line['note']}" for line in found if "note" in line]
        table = markdown(["what", "ms", "TOPS"], body) if body else ""
        yield "\n\n".join(filter(None, (f"**{part}**", table, "\n".join(notes))))
