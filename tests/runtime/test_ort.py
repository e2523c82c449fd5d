"""The saved file in ONNX Runtime: by our kernels and by the definitions, equal bit for bit, and shown which ran."""

from __future__ import annotations

import ctypes
import ctypes.util
import subprocess
import sys
import threading
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from onnx import helper

from onebit._errors import DtypeError, FormatError, NativeError, OptionError, ShapeError
from onebit.ops import native
from onebit.runtime import OrtSession, register
from onebit.runtime._inlined import without_chains
from onebit.runtime._ort import FUNCTION_BODY


@pytest.fixture
def saved(packed_mlp, tmp_path):
    packed = packed_mlp()
    packed.save(tmp_path / "model.onnx")
    return packed, tmp_path / "model.onnx"


def pixels(batch: int) -> torch.Tensor:
    return torch.randint(0, 256, (batch, 70), dtype=torch.uint8, generator=torch.Generator().manual_seed(batch))


def test_with_the_library_our_kernels_run(saved):
    isa = native.available_isas("dense_u8")[0]
    with native.force(isa):  # else a small product may take another one than a large product does
        session, apart = OrtSession(saved[1], native=True), OrtSession(saved[1], chains=False)
        assert session.executed() == {"Chain1": 1}
        assert apart.executed() == {"DenseU8Bits": 1, "DenseBits": 1, "DenseFloat": 1}
        assert session.kernels() == apart.kernels() == {"dense": isa, "dense_u8": isa}


def test_without_the_library_the_definitions_run(saved):
    session = OrtSession(saved[1], native=False)
    assert session.executed()["MatMulInteger"] == 3 + 2  # a product per layer, and one for each packing
    assert not any(name.startswith("Dense") for name in session.executed())
    assert session.kernels() == {"dense": FUNCTION_BODY, "dense_u8": FUNCTION_BODY}


@pytest.mark.parametrize("batch", [0, 1, 3, 64])
@pytest.mark.parametrize("how", [{}, {"chains": False}, {"native": False}], ids=["chain", "operators", "definitions"])
@pytest.mark.parametrize("last", ["float", "int32"])
def test_outputs_are_those_of_torch_for_every_batch(packed_mlp, tmp_path, batch, how, last):
    packed = packed_mlp(last=last)
    packed.save(tmp_path / "model.onnx")
    expected = packed(pixels(batch))
    got = OrtSession(tmp_path / "model.onnx", **how, threads=2)(pixels(batch))
    assert got.dtype == expected.dtype
    assert torch.equal(got, expected)


@pytest.mark.parametrize("isa", native.available_isas("dense"))
@pytest.mark.parametrize("chains", [True, False])
def test_the_forced_kernel_runs_inside_onnx_runtime(saved, isa, chains):
    packed, path = saved
    with native.force(isa):
        session = OrtSession(path, chains=chains)
        assert session.kernels() == {"dense": isa, "dense_u8": native.active("dense_u8")}
        assert torch.equal(session(pixels(5)), packed(pixels(5)))


@pytest.mark.parametrize("chains", [True, False])
def test_one_session_serves_many_threads(packed_mlp, tmp_path, chains):
    packed = packed_mlp((70, 600, 600, 10))
    packed.save(tmp_path / "model.onnx")
    session = OrtSession(tmp_path / "model.onnx", threads=2, chains=chains)
    inputs = [pixels(batch) for batch in (1, 7, 33, 90)]
    expected = [packed(x) for x in inputs]
    wrong: list[int] = []

    def serve(index: int) -> None:
        for _ in range(20):
            if not torch.equal(session(inputs[index]), expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=serve, args=(index,)) for index in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


THREADS = """
import os, sys, torch
from onebit.runtime import OrtSession, load
threads = lambda: len(os.listdir("/proc/self/task"))
torch.set_num_threads(5)
session, model, x = OrtSession(sys.argv[1], threads=3), load(sys.argv[1]), torch.zeros(200, 70, dtype=torch.uint8)
counts = [threads()]
session(x), session(x[:1])
counts.append(threads())
model(x)
counts.append(threads())
print(*counts)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in Linux's /proc")
def test_inside_onnx_runtime_only_its_own_threads_run(packed_mlp, tmp_path):
    packed_mlp((70, 1500, 1500, 10)).save(tmp_path / "model.onnx")
    command = [sys.executable, "-c", THREADS, str(tmp_path / "model.onnx")]
    made, ran, outside = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert ran == made
    assert outside == ran + 4  # torch's setting, the calling thread among them


def test_a_session_of_the_users_own_takes_the_library(saved):
    options = onnxruntime.SessionOptions()
    register(options)
    session = onnxruntime.InferenceSession(saved[1], options, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"input": pixels(3).numpy()})
    assert torch.equal(torch.from_numpy(y), saved[0](pixels(3)))


def test_pack_and_unpack_run_too(packed_float_model, tmp_path):
    packed_float_model.save(tmp_path / "model.onnx")
    x = torch.randn(5, 70, generator=torch.Generator().manual_seed(0))
    session = OrtSession(tmp_path / "model.onnx")
    assert session.executed() == {"Pack": 1, "Unpack": 1}
    assert set(session.kernels()) == {"pack", "unpack"}
    assert torch.equal(session(x), torch.where(x < 0, -1.0, 1.0))


def test_inputs_are_checked_as_in_torch(saved):
    session = OrtSession(saved[1])
    with pytest.raises(DtypeError, match="without normalisation"):
        session(torch.zeros(1, 70))
    with pytest.raises(ShapeError, match=r"got shape \(1, 71\)"):
        session(torch.zeros(1, 71, dtype=torch.uint8))


def test_threads_below_one_are_refused(saved):
    with pytest.raises(OptionError, match="threads=0"):
        OrtSession(saved[1], threads=0)


def test_an_unreadable_file_is_named(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(FormatError, match=r"model.onnx: ONNX Runtime .* refuses it"):
        OrtSession(tmp_path / "model.onnx")


def test_a_library_without_the_entry_point_is_refused(saved, monkeypatch):
    monkeypatch.setattr(native, "library_path", lambda: ctypes.util.find_library("m") or "libm.so.6")
    with pytest.raises(NativeError, match=r"ONNX Runtime refuses .*native=False"):
        OrtSession(saved[1])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"k": 64}, r"onebit::DenseBits: weights have 1 dimensions, the last 2240; expected a handle of 1152"),
        ({"k": 66}, r"onebit::DenseBits: the weights were not made by"),
        ({"n": 0}, r"onebit::DenseBits: n=0, k=65 are out of range"),
        ({"k": 2**62}, r"onebit::DenseBits: n=130, k=4611686018427387904 are out of range"),
    ],
)
def test_the_kernel_refuses_sizes_that_do_not_fit_with_text(saved, change, match):
    model = without_chains(onnx.load(saved[1]))
    node = next(node for node in model.graph.node if node.op_type == "DenseBits")
    for attribute in node.attribute:
        attribute.i = change.get(attribute.name, attribute.i)
    onnx.save(model, saved[1])
    with pytest.raises(FormatError, match=match):
        OrtSession(saved[1])


def test_the_kernel_refuses_a_wrong_number_of_channels_with_text(saved):
    model = without_chains(onnx.load(saved[1]))
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "scale2.value")
    tensor.CopyFrom(helper.make_tensor(tensor.name, onnx.TensorProto.FLOAT, [1], [1.0]))  # would broadcast in ONNX
    onnx.save(model, saved[1])
    session = OrtSession(saved[1])
    with pytest.raises(NativeError, match=r"onebit::DenseFloat: input 2 has 1 dimensions, the last 1; expected \(10\)"):
        session(pixels(1))


def set_network(model: onnx.ModelProto, at: int, value: int) -> None:
    model.graph.node[0].attribute[0].ints[at] = value


def set_scales(model: onnx.ModelProto, value: list[float]) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "scale2.value")
    tensor.CopyFrom(helper.make_tensor(tensor.name, onnx.TensorProto.FLOAT, [len(value)], value))


def compute_scales(model: onnx.ModelProto) -> None:
    scales = [index for index, name in enumerate(model.graph.node[0].input) if name == "scale2.value"]
    model.graph.input.append(helper.make_tensor_value_info("floats", onnx.TensorProto.FLOAT, [10]))
    model.graph.node[0].input[scales[0]] = "floats"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda m: set_network(m, 0, 2), r"onebit::Chain1: its network is described in form 2; .* knows form 1"),
        (lambda m: set_network(m, 1, 3), "onebit::Chain1: "),  # values
        (lambda m: set_network(m, 1, 0), "its network's description is damaged"),
        (lambda m: set_network(m, 1, 2**62), "its network's description is damaged"),
        (lambda m: set_network(m, 2, 4), "its network's description is damaged"),  # steps
        (lambda m: set_network(m, 3, 9), "its network's description is damaged"),  # inputs
        (lambda m: set_network(m, 5, 99), "onebit::Chain1: "),  # a type
        (lambda m: m.graph.node[0].attribute[0].ints.pop(), "its network's description is damaged"),
        (lambda m: m.graph.node[0].attribute[0].ints.append(0), "its network's description is damaged"),
        (lambda m: m.graph.node[0].attribute.pop(), "onebit::Chain1: its attribute network is missing"),
        (lambda m: set_scales(m, [1.0] * 9), "onebit::Chain1: step 2: a step of the network lacks a constant"),
        (compute_scales, "is computed; expected an initializer"),
    ],
)
def test_a_chain_that_is_none_is_refused_with_text(saved, change, match):
    model = onnx.load(saved[1])
    change(model)
    onnx.save(model, saved[1])
    with pytest.raises(FormatError, match=match):
        OrtSession(saved[1])


def test_no_description_of_a_chain_harms_the_process(saved):
    """Each number of it in turn is another one: the session is refused, or its run is, or it gives some output."""
    model = onnx.load(saved[1])
    numbers = list(model.graph.node[0].attribute[0].ints)
    for at, before in enumerate(numbers):
        for value in (-1, before + 1, 2**31, 2**62):
            set_network(model, at, value)
            options = onnxruntime.SessionOptions()
            register(options)
            said = ""
            try:
                session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
                session.run(None, {"input": pixels(2).numpy()})
            except Exception as error:  # onnxruntime's errors share no base class
                said = str(error)
            assert said == "" or "onebit::Chain1" in said or "hape" in said, (at, value)
        set_network(model, at, before)


def test_a_damaged_file_without_its_chains_is_named(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(FormatError, match=r"model.onnx: its chains cannot be opened"):
        OrtSession(tmp_path / "model.onnx", chains=False)


def test_an_older_runtime_is_told_which_version_is_needed():
    """RegisterCustomOps with a stand-in for a runtime that knows API version 1 only."""
    said: list[bytes] = []

    @ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p)
    def create_status(code, text):
        said.append(text)
        return 0x1234

    oldest = (ctypes.c_void_p * 1)(ctypes.cast(create_status, ctypes.c_void_p))

    @ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)
    def get_api(version):
        return ctypes.addressof(oldest) if version == 1 else None

    text = ctypes.create_string_buffer(b"1.17.0")
    version_string = ctypes.CFUNCTYPE(ctypes.c_void_p)(lambda: ctypes.addressof(text))
    base = (ctypes.c_void_p * 2)(ctypes.cast(get_api, ctypes.c_void_p), ctypes.cast(version_string, ctypes.c_void_p))
    register = ctypes.CDLL(str(native.library_path())).RegisterCustomOps
    register.restype, register.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_void_p]
    assert register(None, ctypes.addressof(base)) == 0x1234
    assert said == [b"onebit's operators need ONNX Runtime 1.18 or newer; this is 1.17.0."]
