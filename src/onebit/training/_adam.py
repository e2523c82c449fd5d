"""torch's fused Adam for weights in channels-last order, without the copy of their gradients that it makes of them."""

from __future__ import annotations

from typing import Any

from torch import Tensor, optim


class Adam(optim.Adam):
    """`torch.optim.Adam`, to the last bit; its fused update sees tensors as they lie in memory.

    The update treats one value after the other, so it may take them in any order. torch's kernel for CPUs copies each
    gradient that is not contiguous, such as that of a convolution whose weights are channels last: a third of the
    update's time for such weights. A view whose dimensions stand in memory order is contiguous.
    """

    def _init_group(self, group: dict[str, Any], *lists: Any) -> Any:
        has_complex = super()._init_group(group, *lists)  # type: ignore[no-untyped-call]
        if group["fused"]:
            columns = [column for column in lists[:-1] if column]  # all but the steps; amsgrad's maxima may be none
            for at, tensors in enumerate(zip(*columns, strict=True)):
                for column, view in zip(columns, _as_they_lie(tensors), strict=True):
                    column[at] = view
        return has_complex


def _as_they_lie(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Views in the order of memory, if it is the same for all of them and has no gaps; else the tensors."""
    strides = tensors[0].stride()
    order = sorted(range(len(strides)), key=lambda dim: -strides[dim])
    views = tuple(tensor.detach().permute(order) for tensor in tensors)
    alike = all(
        tensor.stride() == strides and view.is_contiguous() for tensor, view in zip(tensors, views, strict=True)
    )
    return views if alike and order != sorted(order) else tensors
