"""What the library says of itself is true, and a forced instruction set is the one that runs, or an error."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from onebit import ops
from onebit._errors import NativeError, OptionError, UnknownName
from onebit.ops import native

OPS = ["pack", "unpack", "dense", "dense_u8", "conv2d", "conv2d_u8", "float_steps", "max_pool2d"]


def run_each(op: str) -> None:
    """One call of a native operator."""
    handle = ops.pack_weights(torch.zeros(2, 1, dtype=torch.int64), 5)
    rows = torch.zeros(2, 1, 1, 1, dtype=torch.int64)
    words, zeros = torch.zeros(1, 1, dtype=torch.int64), torch.zeros(2)
    conv = (ops.pack_conv_weights(rows, 5, 1, [1, 1]), 2, 5, [1, 1], [1, 1], [0] * 4, [1, 1], 1, 0)
    calls = {
        "pack": lambda: ops.pack(torch.ones(1, 5)),
        "unpack": lambda: ops.unpack(torch.zeros(1, 1, dtype=torch.int64), 5),
        "dense": lambda: ops.dense_int32(torch.zeros(1, 1, dtype=torch.int64), handle, 2, 5),
        "dense_u8": lambda: ops.dense_u8_int32(torch.zeros(1, 5, dtype=torch.uint8), handle, 2, 5),
        "conv2d": lambda: ops.conv2d_int32(rows, *conv),
        "conv2d_u8": lambda: ops.conv2d_u8_int32(torch.zeros(2, 1, 1, 5, dtype=torch.uint8), *conv, 1, 0),
        "float_steps": lambda: ops.dense_fused(words, handle, 2, 5, zeros, zeros, (zeros,)),
        "max_pool2d": lambda: ops.max_pool2d(rows, 5, [1, 1], [1, 1], [0] * 4, torch.zeros(1, dtype=torch.int64)),
    }
    calls[op]()


@pytest.mark.parametrize(("op", "isa"), [(op, isa) for op in OPS for isa in native.available_isas(op)])
def test_the_forced_instruction_set_is_the_one_that_runs(op, isa):
    with native.force(isa):
        assert (native.forced(), native.active(op)) == (isa, isa)
        run_each(op)
    assert native.ran(op) == isa


def test_without_force_the_best_runs():
    with native.force(None):
        assert [native.active(op) for op in OPS] == [native.available_isas(op)[0] for op in OPS]


def test_force_holds_without_with_and_ends_with_the_block():
    before = native.forced()
    outer = native.force("scalar")
    assert native.active("dense") == "scalar"
    with native.force(None), native.force("scalar"):
        assert native.forced() == "scalar"
    assert native.forced() == "scalar"
    with pytest.raises(ZeroDivisionError), native.force(None):
        1 / 0  # noqa: B018
    assert native.forced() == "scalar"
    outer.__exit__(None, None, None)
    assert native.forced() == before


def test_an_unknown_instruction_set_suggests_the_near_one():
    active = native.active("dense")
    with pytest.raises(UnknownName, match=r"No instruction set is called 'scaler'\. Did you mean 'scalar'\? Known: "):
        native.force("scaler")
    assert native.active("dense") == active


def test_an_absent_instruction_set_is_refused(monkeypatch):
    absent = {kernel.isa for kernel in native.kernels() if not kernel.available}
    if not absent:  # a CPU that can run every row: the library's answer is put in its place
        monkeypatch.setattr(native, "lib", Absent(native.lib))
        absent = {"avx2"}
    for isa in absent:
        with pytest.raises(NativeError, match=rf"'{isa}' cannot be forced: this CPU.* lacks it.*these run: .*scalar"):
            native.force(isa)


class Absent:
    """libonebit on a CPU that lacks whatever is forced."""

    def __init__(self, lib):
        self._lib = lib

    def __getattr__(self, name):
        return (lambda _isa: 8) if name == "ob_force" else getattr(self._lib, name)


@pytest.mark.parametrize("ask", [native.active, native.ran, native.available_isas])
def test_an_unknown_operator_suggests_the_near_one(ask):
    with pytest.raises(UnknownName, match=r"No native operator is called 'dens'\. Did you mean 'dense'\?"):
        ask("dens")


def test_the_features_name_what_the_kernels_need():
    features = native.cpu_features()
    assert all(feature.strip() for feature in features)
    assert ("avx2" in features) or "avx2" not in native.available_isas("dense")


def test_the_pool_follows_torch_and_torch_follows_set_threads():
    before = torch.get_num_threads()
    try:
        for threads in (1, 3, 2):
            torch.set_num_threads(threads)
            run_each("dense")
            assert (native.lib.ob_get_threads(), native.get_threads()) == (threads, threads)
        native.set_threads(1)
        assert (torch.get_num_threads(), native.lib.ob_get_threads()) == (1, 1)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [0, -1, 1025])
def test_a_senseless_number_of_threads_is_refused(threads):
    with pytest.raises(OptionError, match=f"threads is {threads}; expected 1 to 1024"):
        native.set_threads(threads)


def test_the_library_names_its_file_and_version():
    assert native.library_path().is_file()
    assert native.version()


@pytest.mark.parametrize(("isa", "says"), [("avx9", "no kernel is called by"), ("scalar", "")])
def test_onebit_isa_is_checked_at_import(isa, says, child_environment):
    program = "from onebit.ops import native; print(native.forced(), native.active('dense'))"
    done = subprocess.run(
        [sys.executable, "-c", program], env=child_environment(ONEBIT_ISA=isa), capture_output=True, text=True
    )
    if says:
        assert done.returncode == 1
        assert f"NativeError: The environment variable ONEBIT_ISA={isa}: {says}" in done.stderr
    else:
        assert (done.returncode, done.stdout.split()) == (0, [isa, isa]), done.stderr
