"""The kernel figure in words: its table of times and ratios, its footnote, and how numbers are written in both."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from onebit.bench._figure_numbers import BASELINE, BLAS, Bar, Figure

WIDTH = 150  # letters of a footnote's line


def figure_table(figure: Figure) -> str:
    """Times, ratios and accuracy of each kernel; what was scaled; the paper's own ratios."""
    return "\n".join(_lines(figure))


def _lines(figure: Figure) -> Iterator[str]:
    yield f"{machine(figure)}, torch {figure.torch}; onebit by {figure.isa}. Medians."
    yield f"product: {figure.size}^3, bits to int32   network: {figure.layers}, {figure.pictures:,} pictures"
    yield ""
    left = max(len(kernel.name) for kernel in figure.kernels.values())
    head = "".join(f"{group:>14}{'by onebit':>11}" for group in ("product", "network"))
    yield f"{'':<{left}}{head}{'accuracy':>10}   kernel"
    ratios = figure.ratios()
    for key, kernel in figure.kernels.items():
        groups = (("product", figure.product), ("network", figure.network))
        cells = "".join(_cells(bars, key, ratios[group].get(key, 1.0)) for group, bars in groups)
        right = f"{figure.answers[key].accuracy:.2%}" if key in figure.answers else ""
        yield f"{kernel.name:<{left}}{cells}{right:>10}   {kernel.what}"
    yield ""
    yield footnote(figure)
    product = ratios["product"]
    yield (
        f"Product: {times(product[BASELINE])} the baseline and {times(product[BLAS])} the BLAS; the paper, GTX 750: "
        "23x and 3.4x, and 7x the baseline in the network (arXiv:1602.02830)."
    )


def _cells(bars: Mapping[str, Bar], kernel: str, ratio: float) -> str:
    if kernel not in bars:
        return f"{'-':>13} {'':>11}"
    mark = "*" if bars[kernel].extrapolated_from else " "
    return f"{duration(bars[kernel].ms / 1e3) + mark:>14}{times(ratio):>11}"


def machine(figure: Figure) -> str:
    """Whose figure it is."""
    return f"{figure.machine}; {figure.setting}"


def footnote(figure: Figure) -> str:
    """What a reader must know: what was scaled, what packing adds, whose accuracy it is, who is absent and why."""
    parts = {"product": figure.product, "network": figure.network}
    scaled = [f"{bar.extrapolated_from}" for bars in parts.values() for bar in bars.values() if bar.extrapolated_from]
    lines = [f"* measured on {' and '.join(scaled)}, and scaled: equal numbers there."] if scaled else []
    packed = duration(figure.packing_ms / 1e3)
    lines.append(f"Product: from bits to int32; with {figure.packing}, {packed}.")
    lines.append(f"Accuracy: {figure.accuracy_of}; {figure.data}.")
    lines += [
        f"No bar of {figure.kernels[kernel].name} in the {group}: {why}."
        for group, reasons in figure.absent.items()
        for kernel, why in reasons.items()
    ]
    return "\n".join(part for line in lines for part in textwrap.wrap(line, WIDTH))


def short_layers(layers: str) -> str:
    """784-4096-4096-4096-10 as 784-3x4096-10."""
    first, *hidden, last = layers.split("-")
    if len(set(hidden)) == 1 and len(hidden) > 1:
        hidden = [f"{len(hidden)}x{hidden[0]}"]
    return "-".join([first, *hidden, last])


def duration(seconds: float) -> str:
    """Three figures: "0.132 s", "13.2 s", "3 min 20 s", "5.12 ms", "0.158 ms"."""
    if seconds < 0.1:
        return f"{seconds * 1e3:#.3g} ms"
    if seconds < 100:
        return f"{seconds:#.3g} s".replace(". ", " ")
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def times(ratio: float) -> str:
    """How many times: "3.4x", "42x", "1,340x"; below 1 "0.53x"."""
    return f"{ratio:.2f}x" if ratio < 1 else f"{ratio:.1f}x" if ratio < 10 else f"{ratio:,.0f}x"
