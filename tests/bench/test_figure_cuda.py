"""The figure of a GPU without one: its operands on the CPU, the paper's kernels by torch, time by a clock of paper."""

import json
from dataclasses import replace
from functools import partial

import pytest
import torch

from onebit import bench
from onebit._errors import NativeError
from onebit.bench import _figure, _figure_cuda, _figure_cuda_networks
from onebit.bench._turns import Timing
from onebit.cli import _bench_figure
from onebit.ops import cuda as engine

DEVICE = bench.DEVICES["cuda"]


@pytest.fixture
def on_paper(monkeypatch):
    """DEVICES["cuda"] without a GPU: each kernel's turn takes as many milliseconds as turns were made before."""
    made = []

    def turn(run):
        made.append(run)
        return partial(Timing, len(made) / 1e3, 0.0)

    monkeypatch.setattr(engine, "paper_gemm", torch.matmul)
    monkeypatch.setattr(engine, "paper_concatenate", lambda x: x)
    monkeypatch.setattr(engine, "paper_xnor_gemm", lambda a, b, _: a @ b)
    device = replace(
        DEVICE,
        check=lambda: None,
        machine=lambda: "A card",
        setting=lambda _: "sm_00",
        isa=lambda *_: "mma",
        turn=turn,
        product=partial(_figure_cuda.product, device="cpu"),
        network=partial(_figure_cuda_networks.network, device="cpu"),
    )
    monkeypatch.setitem(bench.DEVICES._entries, "cuda", device)
    return device


@pytest.fixture
def figure(on_paper):
    packed = bench.random_mlp(hidden=(40, 70))
    pictures = torch.randint(0, 256, (30, 1, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    labels = torch.zeros(30, dtype=torch.int64)
    words = {"accuracy_of": "random weights", "data": "noise"}
    return bench.figure(packed, packed, pictures, labels, **words, size=96, threads=1, device="cuda", seconds=0)


def test_every_kernel_has_a_bar_or_a_reason(figure):
    assert list(figure.product) == list(bench.CUDA_KERNELS)
    assert list(figure.network) == [name for name in figure.product if name not in ("float8", "onebit-bits")]
    assert "does not fit into float8" in figure.absent["network"]["float8"]
    assert figure.packing_ms == 10  # the last of ten turns


def test_exact_kernels_answer_as_onebit_does(figure):
    assert {name for name, answers in figure.answers.items() if answers.equal} >= set(figure.network) - {"bf16"}


def test_picture_json_and_table_are_made_of_it(figure, tmp_path):
    pytest.importorskip("matplotlib")
    png, path = _bench_figure.write(figure, tmp_path)
    assert png.name == "a-card.png"
    assert bench.Figure.from_dict(json.loads(path.read_text())) == figure
    assert "cuBLAS TF32" in bench.figure_table(figure)


@pytest.mark.parametrize("name", ["xnor", "tf32", "bf16", "int8", "float8", "onebit-bits"])
def test_a_product_with_other_numbers_is_not_timed(name, on_paper):
    makers = dict(on_paper.product(64, True))
    share = makers[name]()
    makers[name] = lambda: replace(share, run=lambda: share.run().roll(1, 0))
    with pytest.raises(NativeError, match=f"'{name}'.*Not timed"):
        _figure.race(on_paper, makers, "rows", 0)


def test_without_a_gpu_the_figure_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(NativeError, match="needs one: no CUDA device"):
        DEVICE.check()


def test_the_products_kernel_is_named(monkeypatch):
    monkeypatch.setattr(engine, "choice", lambda op, m, n, k: f"{op} {m} {n} {k}")
    assert DEVICE.isa(None, 10, 64) == "dense_int32 64 64 64"
