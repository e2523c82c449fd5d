import hashlib

import pytest
import torch

from onebit._errors import FormatError, OutputError
from onebit.training._checked import TRAILER, load_state, load_weights, save_state, save_weights

STATE = {"epoch": 3, "weights": torch.arange(1000.0), "list": [{"a": 1}]}


def test_a_state_comes_back_and_torch_alone_reads_it_too(tmp_path):
    save_state(tmp_path / "a.pt", STATE)
    for read in (load_state, lambda path: torch.load(path, weights_only=True)):
        state = read(tmp_path / "a.pt")
        assert (state["epoch"], state["list"]) == (3, [{"a": 1}])
        assert torch.equal(state["weights"], STATE["weights"])
    data = (tmp_path / "a.pt").read_bytes()
    assert data[-65:-1].decode() == hashlib.sha256(data[:-TRAILER]).hexdigest()


def test_every_changed_byte_of_a_state_is_found(tmp_path):
    save_state(tmp_path / "a.pt", STATE)
    data = (tmp_path / "a.pt").read_bytes()
    for place in [*range(0, len(data) - TRAILER, 97), len(data) - 10]:
        damaged = bytearray(data)
        damaged[place] ^= 4
        (tmp_path / "b.pt").write_bytes(damaged)
        with pytest.raises(FormatError, match=r"b\.pt: is damaged"):
            load_state(tmp_path / "b.pt")


@pytest.mark.parametrize("keep", [0, 10, 72, 73, 74, 3000])
def test_a_truncated_state_is_found(tmp_path, keep):
    save_state(tmp_path / "a.pt", STATE)
    (tmp_path / "a.pt").write_bytes((tmp_path / "a.pt").read_bytes()[:keep])
    with pytest.raises(FormatError, match=r"a\.pt: is damaged"):
        load_state(tmp_path / "a.pt")


@pytest.mark.parametrize("content", [b"torn", b"", b"\x80\x02}", b"PK\x03\x04 no archive", b"]" * 200])
def test_foreign_bytes_are_no_state(tmp_path, content):
    (tmp_path / "state.pt").write_bytes(content)
    with pytest.raises(FormatError, match=r"state\.pt: is damaged or foreign \("):
        load_state(tmp_path / "state.pt")


def test_a_state_without_a_checksum_is_taken(tmp_path):
    torch.save(STATE, tmp_path / "a.pt")
    assert load_state(tmp_path / "a.pt")["epoch"] == 3


def test_the_state_before_is_kept_and_a_full_disk_touches_neither(tmp_path, monkeypatch):
    last, previous = tmp_path / "a.pt", tmp_path / "b.pt"
    for epoch in (1, 2, 3):
        save_state(last, {"epoch": epoch}, keep=previous)
    assert (load_state(last)["epoch"], load_state(previous)["epoch"]) == (3, 2)

    def full(state, file):
        file.write(b"a part of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match=r"a\.pt: cannot be written \(No space left on device\)"):
        save_state(last, {"epoch": 4}, keep=previous)
    assert (load_state(last)["epoch"], load_state(previous)["epoch"]) == (3, 2)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.pt", "b.pt"]


def test_weights_come_back_and_a_changed_bit_is_found(tmp_path):
    weights = {"b": torch.randn(3, 4), "a": torch.tensor(7), "c": torch.ones(2, dtype=torch.bool)}
    path = tmp_path / "model.safetensors"
    save_weights(path, weights)
    for name, tensor in load_weights(path).items():
        assert torch.equal(tensor, weights[name])
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(FormatError, match="do not have the SHA-256"):
        load_weights(path)
