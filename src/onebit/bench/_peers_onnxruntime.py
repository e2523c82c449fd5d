"""ONNX Runtime's CPU kernels."""

from __future__ import annotations

from collections.abc import Callable

from onebit.bench._float_onnx import float_onnx
from onebit.bench._workload import Workload


def float32(workload: Workload, threads: int) -> Callable[[], object]:
    """The network with all of ONNX Runtime's own optimisations, on `threads` threads of its pool."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(float_onnx(workload), options, providers=["CPUExecutionProvider"])
    feed = {"x": workload.x.numpy()}
    return lambda: session.run(None, feed)[0]
