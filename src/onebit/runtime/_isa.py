"""Which kernel would compute a node of a packed graph, by the library's own choice for its shape, or the GPU's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from onebit.export._operators import Operator
from onebit.export._trace import Value
from onebit.ops import native

if TYPE_CHECKING:
    from onebit.ops.cuda import Device


def isa_for(operator: Operator, sizes: dict[str, Any], given: Value, result: Value, batch: int) -> str:
    """Instruction set of the kernel that `batch` examples of this node would run now.

    sizes: the node's attributes. given, result: what flows into it and out of it.
    """
    if operator.row == "dense":
        return native.choice("dense", batch * result.rows, sizes["n"], sizes["k"]).isa
    if operator.row == "conv2d":
        height, width, _ = given.shape
        names = ("c", "n", "kernel", "stride", "padding", "dilation", "groups")
        return native.conv2d_choice((height, width), batch=batch, **{name: sizes[name] for name in names}).isa
    return native.active(operator.row)


def gpu_of(device: torch.device | str | Device) -> Device | None:
    """What decides on a CUDA device, None for the CPU. A Device stands for a GPU that need not be here."""
    if isinstance(device, (str, torch.device)):
        device = torch.device(device)
        if device.type != "cuda":
            return None
        from onebit.ops import cuda

        return cuda.device_facts(torch.cuda.current_device() if device.index is None else device.index)
    return device


def cuda_kernels(
    operator: Operator, sizes: dict[str, Any], given: Value, result: Value, batch: int, device: Device
) -> str:
    """The CUDA kernels that `batch` examples of this node would run on the device: "cuda wgmma 128x256"."""
    from onebit.ops import cuda

    if operator.is_dense:
        name = cuda.dense_kernels(device, operator.torch_name, batch * result.rows, sizes["n"], sizes["k"])
    elif operator.is_conv:
        height, width, _ = given.shape
        arguments = [sizes[each] for each in operator.attributes]
        name = cuda.conv2d_kernels(device, operator.torch_name, (batch, height, width), arguments)
    else:
        name = operator.row
    return f"cuda {name}"
