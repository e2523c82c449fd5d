import dataclasses
import json

import pytest

from onebit import bench
from onebit._errors import OutputError
from onebit.bench import _results
from onebit.bench._gemm import gemm


@pytest.fixture(scope="module")
def row():
    return bench.measure(gemm(2, 3, 4), threads=1, seconds=0)


def test_a_row_survives_json(row):
    assert json.loads(json.dumps(row.as_dict())) == row.as_dict()


def test_a_row_replaces_the_one_of_the_same_job_threads_and_forced_kernel(row, tmp_path):
    row = dataclasses.replace(row, forced=None)
    other = dataclasses.replace(row, forced=row.isa)
    bench.save([row, other], tmp_path)
    path = bench.save([dataclasses.replace(row, isa="chosen today", ms=5.0)], tmp_path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(one["forced"], one["ms"]) for one in rows] == [(row.isa, row.ms), (None, 5.0)]


def test_the_file_is_named_after_the_cpu(row, tmp_path):
    path = bench.save([row], tmp_path / "new")
    assert path.suffix == ".jsonl"
    assert set(path.stem) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert _results.cpu_name() == row.cpu


def test_a_folder_that_cannot_be_made_is_named(row, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        bench.save([row], tmp_path / "file")
