"""OpenVINO's CPU plugin: float32, bfloat16, and int8 after quantization by NNCF.

It fuses a ReLU into the layer before it, a sign not. So there is also the network that one would give it: of the same
shape, with ReLU in place of sign. It computes other numbers; what counts here is its time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
from collections.abc import Callable
from typing import Any

from torch import nn

from onebit.bench._float_onnx import float_onnx
from onebit.bench._workload import Sign, Workload

Run = Callable[[], object]


def float32(workload: Workload, threads: int) -> Run:
    """The network in float32, even where OpenVINO by itself would take bfloat16."""
    return _compiled(_read(workload), workload, threads, "f32")


def bf16(workload: Workload, threads: int) -> Run | None:
    """The network in bfloat16; None on a CPU for which OpenVINO has no such kernels."""
    import openvino

    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return None
    return _compiled(_read(workload), workload, threads, "bf16")


def int8(workload: Workload, threads: int) -> Run:
    """The network quantized after training, calibrated on the workload's own input."""
    import nncf
    import openvino

    nncf.set_log_level(logging.ERROR)
    calibration = nncf.Dataset([{"x": workload.x.numpy()}])
    with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
        model: openvino.Model = nncf.quantize(_read(workload), calibration, subset_size=1)
    return _compiled(model, workload, threads, "f32")  # what is not quantized stays float32


def bf16_relu(workload: Workload, threads: int) -> Run | None:
    """As `bf16`, with ReLU in place of sign; None for a workload without signs."""
    rectified = with_relu(workload)
    return None if rectified is None else bf16(rectified, threads)


def int8_relu(workload: Workload, threads: int) -> Run | None:
    """As `int8`, with ReLU in place of sign; None for a workload without signs."""
    rectified = with_relu(workload)
    return None if rectified is None else int8(rectified, threads)


def with_relu(workload: Workload) -> Workload | None:
    """The workload with a network of the same layers, but ReLU in place of sign; None if there is none."""
    modules = [nn.ReLU() if isinstance(module, Sign) else module for module in workload.network]
    if not any(isinstance(module, nn.ReLU) for module in modules):
        return None
    return dataclasses.replace(workload, network=nn.Sequential(*modules))


def _read(workload: Workload) -> Any:
    import openvino

    return openvino.Core().read_model(float_onnx(workload))


def _compiled(model: Any, workload: Workload, threads: int, precision: str) -> Run:
    import openvino

    hints = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = openvino.Core().compile_model(model, "CPU", hints).create_infer_request()
    request.set_tensor("x", openvino.Tensor(workload.x.numpy(), shared_memory=True))

    def run() -> object:
        request.infer()
        return request.get_output_tensor(0).data

    return run
