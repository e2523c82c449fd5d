"""OrtSession: the same file in ONNX Runtime, with our kernels or by the operators' own definitions."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onebit._errors import FormatError, MissingExtra, NativeError, OptionError
from onebit.export._operators import BY_ONNX_NAME
from onebit.export._spec import InputSpec
from onebit.ops import native

_DTYPES = {"tensor(uint8)": torch.uint8, "tensor(int8)": torch.int8, "tensor(float)": torch.float32}
FUNCTION_BODY = "function body"


class OrtSession:
    """A saved model in ONNX Runtime, called like a PackedModel; both give equal outputs, bit for bit.

    path: a file of `PackedModel.save`. native: True registers libonebit, so that its kernels run; False leaves a stock
    ONNX Runtime, which runs the definitions in the file. threads: size of ONNX Runtime's pool, None for its default.
    chains: False runs the operators of a chain one by one, to the same numbers, so that a profile shows each.
    Raises FormatError if ONNX Runtime cannot read the file, NativeError if it refuses the library, OptionError for
    threads below 1, MissingExtra without the package onnxruntime.
    """

    def __init__(self, path: str | Path, native: bool = True, threads: int | None = None, chains: bool = True) -> None:
        if threads is not None and threads < 1:
            raise OptionError(f"OrtSession(threads={threads}): expected at least 1, or None for the default.")
        self._path, self._native, self._threads, self._chains = Path(path), native, threads, chains
        self._session = self._make()
        self.input_spec = self._spec()

    def __call__(self, x: Tensor) -> Tensor:
        """The output for x; raises DtypeError or ShapeError if x is not of `input_spec`."""
        self.input_spec.check(x)
        try:
            return _run(self._session, x)
        except Exception as error:  # as in _make
            raise NativeError(f"{self._path}: ONNX Runtime cannot run it: {error}") from error

    def executed(self) -> dict[str, int]:
        """What ONNX Runtime runs for one input, from its own profile: how often each operator, functions opened.

        It makes a second session with profiling, so it costs as much as loading the file.
        """
        with tempfile.TemporaryDirectory() as folder:
            session = self._make(profile=str(Path(folder) / "profile"))
            _run(session, self.input_spec.example(1))
            events = json.loads(Path(session.end_profiling()).read_text())
        nodes = (event for event in events if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"))
        return dict(Counter(str(node["args"]["op_name"]) for node in nodes))

    def kernels(self) -> dict[str, str]:
        """What runs each native operator of this model: an instruction set, or "function body" if our kernels do not.

        It is observed on one input, not assumed: from ONNX Runtime's profile, and from the library's own record.
        """
        told = self._session.get_modelmeta().custom_metadata_map
        inside = json.loads(told.get("onebit.chains", "{}"))
        names = [one for name in self.executed() for one in inside.get(name, [name])]
        ran = {BY_ONNX_NAME[name].row for name in names if name in BY_ONNX_NAME}
        used = told.get("onebit.operators", "").split()
        rows = sorted({BY_ONNX_NAME[name].row for name in used if name in BY_ONNX_NAME})
        return {row: native.ran(row) if row in ran else FUNCTION_BODY for row in rows}

    def _make(self, profile: str | None = None) -> Any:
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            raise MissingExtra("OrtSession needs the package onnxruntime; pip install 'onebit[onnx]'.") from error
        options = onnxruntime.SessionOptions()
        if self._threads is not None:
            options.intra_op_num_threads = self._threads
        if profile is not None:
            options.enable_profiling, options.profile_file_prefix = True, profile
        if self._native:
            register(options)
        file = str(self._path) if self._chains else self._open()
        try:
            return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no base class
            raise FormatError(f"{self._path}: ONNX Runtime {onnxruntime.__version__} refuses it: {error}") from error

    def _open(self) -> bytes:
        """The file's model without chains."""
        try:
            import onnx

            from onebit.runtime._inlined import without_chains
        except ModuleNotFoundError as error:
            raise MissingExtra(f"chains=False needs the package {error.name}; pip install 'onebit[onnx]'.") from error
        try:
            opened: bytes = without_chains(onnx.load(self._path)).SerializeToString()
            return opened
        except Exception as error:  # onnx and protobuf raise many kinds, all of them for a damaged file
            raise FormatError(f"{self._path}: its chains cannot be opened: {error}") from error

    def _spec(self) -> InputSpec:
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in _DTYPES:
            raise FormatError(
                f"{self._path}: takes {[(i.name, i.type) for i in inputs]}; expected one uint8, int8 or float."
            )
        sizes = tuple(size if isinstance(size, int) else None for size in inputs[0].shape)
        return InputSpec(sizes, _DTYPES[inputs[0].type])


def register(options: Any) -> None:
    """Adds libonebit's operators to an onnxruntime.SessionOptions, for programs that make their own sessions.

    Raises NativeError if ONNX Runtime refuses the library (older than 1.18, or another platform's).
    """
    try:
        options.register_custom_ops_library(str(native.library_path()))
    except Exception as error:  # as in _make
        raise NativeError(
            f"ONNX Runtime refuses {native.library_path()}: {error}. "
            "OrtSession(path, native=False) runs the file without it."
        ) from error


def _run(session: Any, x: Tensor) -> Tensor:
    (y,) = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(x.detach().cpu().numpy())})
    return torch.from_numpy(y)
