from __future__ import annotations

import pytest
import torch

from onebit.bits._window import Window
from onebit.ops._conv_checks import Conv
from onebit.ops.cuda import _conv_plan, _nvrtc, _status
from onebit.ops.cuda._plan import VARIANTS, Device


def test_status_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert _status.status().startswith("no CUDA device")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A GPU")

    def absent() -> None:
        raise _nvrtc.NvrtcAbsentError("libnvrtc was not found")

    monkeypatch.setattr(_nvrtc, "compiler", absent)
    assert _status.status() == "A GPU, but: libnvrtc was not found"


def test_a_device_lists_the_kernels_it_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_status, "device_facts", lambda _: Device((8, 0), 100))
    assert _status.kernels() == _status.conv_kernels() == ["popc", "mma"]
    monkeypatch.setattr(_status, "device_facts", lambda _: Device((9, 0), 100))
    assert _status.kernels() == ["popc", "mma", *VARIANTS]
    assert _status.conv_kernels() == ["popc", "mma", *_conv_plan.SHAPES]
    narrow = Conv(64, 64, Window((3, 3)), 1, 0)  # 64 channels are 8 bytes: none of the copy engine's
    assert _status.conv_kernels(0, narrow) == ["popc", "mma"]
    assert _status.conv_kernels(0, narrow._replace(c=65)) == _status.conv_kernels()
