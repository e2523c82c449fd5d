import runpy
from pathlib import Path

import pytest

from onebit._errors import FormatError
from onebit.bench import document

ROOT = Path(__file__).parents[2]
CPU = {
    "cpu": "A processor, 2 CPUs", "onebit": "0.1", "torch": "2.0", "name": "mlp", "shape": [1], "isa": "avx9",
    "forced": None, "threads": 2, "ms": 1.0, "tmac_per_s": 2.5, "fraction_of_peak": 0.6, "peak": "popcount_avx9",
    "peers": {}, "ratio": {}, "absent": {}, "peaks": {},
}  # fmt: skip
GPU = {"device": "A GPU", "part": "p", "what": "w", "ms": 1.0, "tops": 2.0, "torch": "2", "cuda": "13", "date": "today"}


def test_words_stay_and_marks_are_replaced(example_figure):
    template = "# Title\n<!-- figures -->\nwords\n<!-- include a.md -->\n<!-- results -->\nthe end\n"
    figures = {"a-processor-2-cpus": example_figure().as_dict()}
    page = document(template, {"a.md": "## A\n\nprose\n"}, {"a": [CPU], "b": [GPU]}, figures)
    for words in ("# Title\n", "\nwords\n", "## A\n\nprose", "\nthe end\n", "### A processor", "### A GPU"):
        assert words in page
    assert "![onebit beside BLAS and an unoptimised kernel on A processor, 2 CPUs](performance/a-processor" in page
    assert "| 42x | met |" in page
    assert "<!--" not in page


def test_a_mark_inside_of_a_line_is_prose():
    assert document("see <!-- results --> there", {}, {"a": [CPU]}, {}) == "see <!-- results --> there"


def test_a_section_that_is_not_there_is_named():
    with pytest.raises(FormatError, match=r"'b\.md'.*a\.md"):
        document("<!-- include b.md -->", {"a.md": ""}, {}, {})


@pytest.mark.parametrize("rows", [[], [{"ms": 1}], [CPU, GPU]])
def test_rows_of_another_kind_are_refused_with_their_file(rows):
    with pytest.raises(FormatError, match="odd"):
        document("<!-- results -->", {}, {"odd": rows}, {})


def test_the_page_in_the_repository_is_what_its_results_give():
    page = runpy.run_path(str(ROOT / "benchmarks" / "render.py"))["page"](ROOT)
    assert (ROOT / "docs" / "performance.md").read_text() == page, "run `python benchmarks/render.py`"


def test_every_picture_of_the_page_is_there():
    folder = ROOT / "docs" / "performance"
    assert {path.stem for path in folder.glob("*.json")} == {path.stem for path in folder.glob("*.png")}
