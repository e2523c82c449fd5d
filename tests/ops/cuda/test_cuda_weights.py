from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from onebit import bits, ops
from onebit._errors import NativeError
from onebit.ops.cuda import _weights
from onebit.ops.cuda._plan import BITS, BYTES


def handle_of(n: int, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    rows = bits.pack(torch.randn(n, k, generator=torch.Generator().manual_seed(n * k))).words
    return rows, ops.pack_weights(rows, k)


@pytest.mark.parametrize(("n", "k"), [(1, 1), (7, 63), (8, 64), (9, 65), (130, 784)])
def test_a_handle_is_its_rows_in_another_order(n: int, k: int) -> None:
    rows, handle = handle_of(n, k)
    assert torch.equal(_weights.handle_to_rows(handle, n, k), rows)
    assert torch.equal(_weights.rows_to_handle(rows, k), handle)


def test_a_header_names_its_sizes() -> None:
    _, handle = handle_of(9, 65)
    _weights.check_header(handle[: _weights.HEADER], 9, 65)
    for n, k in ((9, 66), (10, 65)):
        with pytest.raises(NativeError, match=f"n={n}, k={k}"):
            _weights.check_header(handle[: _weights.HEADER], n, k)


def test_weights_are_prepared_once_and_again_when_they_change(software_gpu: Callable) -> None:
    software_gpu((9, 0))
    rows, handle = handle_of(9, 65)
    first = _weights.prepared(handle, 9, 65, BITS)
    assert torch.equal(first.rows, rows)
    assert first.sums is not None
    assert first.sums.tolist() == (bits.unpack(bits.Packed(rows, 65)) < 0).sum(1).tolist()
    assert _weights.prepared(handle, 9, 65, BITS) is first
    other, changed = handle_of(9, 65)[0], _weights.rows_to_handle(rows.flip(0).contiguous(), 65)
    handle.copy_(changed)
    assert torch.equal(_weights.prepared(handle, 9, 65, BITS).rows, other.flip(0))
    assert len(_weights._prepared) == 1  # the old ones are gone


def test_signs_become_bytes_and_padding_becomes_zero(software_gpu: Callable) -> None:
    software_gpu((9, 0))
    rows, handle = handle_of(9, 65)
    signs = _weights.prepared(handle, 9, 65, BYTES).rows
    assert signs.shape == (9, 80)
    assert torch.equal(signs[:, :65].float(), bits.unpack(bits.Packed(rows, 65)))
    assert not signs[:, 65:].any()


def test_what_was_prepared_goes_with_its_handle(software_gpu: Callable) -> None:
    software_gpu((9, 0))
    _, handle = handle_of(9, 65)
    _weights.prepared(handle, 9, 65, BITS)
    del handle
    _, another = handle_of(8, 64)
    _weights.prepared(another, 8, 64, BITS)
    assert len(_weights._prepared) == 1


def test_a_graph_cannot_be_captured_over_the_first_use(software_gpu: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    software_gpu((9, 0))
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    with pytest.raises(NativeError, match="Call the model once before the capture"):
        _weights.prepared(handle_of(9, 65)[1], 9, 65, BITS)
