"""The kernel figure in words: its table of times and ratios, its footnote, and how numbers are written in both."""

from __future__ import annotations

from collections.abc import Iterator

from onebit.bench._figure_numbers import BASELINE, BLAS, ONEBIT, WHAT, Figure


def figure_table(figure: Figure) -> str:
    """Times, ratios and accuracy of each kernel; what was scaled; the paper's own ratios."""
    return "\n".join(_lines(figure))


def _lines(figure: Figure) -> Iterator[str]:
    yield f"{machine(figure)}, torch {figure.torch}. Medians, wall clock."
    yield f"product: {figure.size}^3, bits to int32   network: {figure.layers}, {figure.pictures:,} pictures"
    yield ""
    yield f"{'':<10}{'product':>14}{'by onebit':>11}{'network':>14}{'by onebit':>11}{'accuracy':>10}   kernel"
    ratios = figure.ratios()
    for kernel in (BASELINE, BLAS, ONEBIT):
        cells = ""
        for group, bars in (("product", figure.product), ("network", figure.network)):
            mark = "*" if bars[kernel].extrapolated_from else " "
            cells += f"{duration(bars[kernel].ms / 1e3) + mark:>14}{times(ratios[group].get(kernel, 1.0)):>11}"
        what = f"{WHAT[kernel]} ({figure.isa})" if kernel == ONEBIT else WHAT[kernel]
        yield f"{kernel:<10}{cells}{figure.answers[kernel].accuracy:>10.2%}   {what}"
    yield ""
    yield footnote(figure)
    yield "The paper, GTX 750: product 23x the baseline and 3.4x the BLAS, network 7x the baseline (arXiv:1602.02830)."


def machine(figure: Figure) -> str:
    """Whose figure it is."""
    return f"{figure.cpu}; {figure.threads} thread{'s' * (figure.threads > 1)}"


def footnote(figure: Figure) -> str:
    """What a reader must know: where times are scaled, whose accuracy it is, and what packing would add."""
    parts = {"product": figure.product, "network": figure.network}
    scaled = [f"{bar.extrapolated_from}" for bars in parts.values() for bar in bars.values() if bar.extrapolated_from]
    lines = [f"* measured on {' and '.join(scaled)}, and scaled: equal numbers there."] if scaled else []
    packed = duration(figure.packing_ms / 1e3)
    lines.append(f"Product: from bits to int32; with both operands packed from float32 at every call, {packed}.")
    lines.append(f"Accuracy: {figure.accuracy_of}; {figure.data}.")
    return "\n".join(lines)


def short_layers(layers: str) -> str:
    """784-4096-4096-4096-10 as 784-3x4096-10."""
    first, *hidden, last = layers.split("-")
    if len(set(hidden)) == 1 and len(hidden) > 1:
        hidden = [f"{len(hidden)}x{hidden[0]}"]
    return "-".join([first, *hidden, last])


def duration(seconds: float) -> str:
    """Three figures: "0.132 s", "13.2 s", "3 min 20 s", "5.12 ms"."""
    if seconds < 0.1:
        return f"{seconds * 1e3:#.3g} ms"
    if seconds < 100:
        return f"{seconds:#.3g} s".replace(". ", " ")
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def times(ratio: float) -> str:
    """How many times: "3.4x", "42x", "1,340x"."""
    return f"{ratio:.1f}x" if ratio < 10 else f"{ratio:,.0f}x"
