"""Who else does the job: each peer is a function from a workload to a call, or None where it has no form for it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from onebit._registry import Registry
from onebit.bench import _peers_onnxruntime, _peers_openvino, _peers_torch
from onebit.bench._workload import Workload

Run = Callable[[], object]


@dataclass(frozen=True)
class Peer:
    """needs: modules that must be installed. extra: the extra of onebit that brings them ("" for torch itself)."""

    needs: tuple[str, ...]
    extra: str
    prepare: Callable[[Workload, int], Run | None]

    def missing(self) -> list[str]:
        """The modules that are not installed."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None]


PEERS: Registry[Peer] = Registry("peer")
for name, peer in {
    "torch float32": Peer(("torch",), "", _peers_torch.float32),
    "torch bf16": Peer(("torch",), "", _peers_torch.bf16),
    "torch int8 _int_mm": Peer(("torch",), "", _peers_torch.int8),
    "onnxruntime float32": Peer(("onnx", "onnxruntime"), "onnx", _peers_onnxruntime.float32),
    "openvino float32": Peer(("onnx", "openvino"), "bench", _peers_openvino.float32),
    "openvino bf16": Peer(("onnx", "openvino"), "bench", _peers_openvino.bf16),
    "openvino int8": Peer(("onnx", "openvino", "nncf"), "bench", _peers_openvino.int8),
    "openvino bf16 relu": Peer(("onnx", "openvino"), "bench", _peers_openvino.bf16_relu),
    "openvino int8 relu": Peer(("onnx", "openvino", "nncf"), "bench", _peers_openvino.int8_relu),
}.items():
    PEERS.register(name)(peer)


def prepare(workload: Workload, threads: int) -> tuple[dict[str, Run], dict[str, str]]:
    """The call of every peer that can do this job here, and for each of the others why it cannot."""
    runs: dict[str, Run] = {}
    absent: dict[str, str] = {}
    for name in PEERS:
        peer = PEERS[name]
        if missing := peer.missing():
            absent[name] = f"{' and '.join(missing)} not installed: pip install 'onebit[{peer.extra}]'"
        elif (run := peer.prepare(workload, threads)) is None:
            absent[name] = f"has no form for {workload.name}"
        else:
            runs[name] = run
    return runs, absent
