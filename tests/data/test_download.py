from __future__ import annotations

import dataclasses
import gzip
import hashlib
import socket
import threading
import time
from pathlib import Path

import pytest

from onebit._errors import DataError, OutputError
from onebit.data._download import UnreachableError, fetch


def part(folder: Path) -> Path:
    return folder / "noise.gz.part"


def test_a_download_is_the_file_and_leaves_nothing_else(mirror, remote, tmp_path: Path) -> None:
    path = fetch(remote, [mirror.url("good")], tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "noise.gz"
    assert path.read_bytes() == mirror.files["noise.gz"]
    assert [entry.name for entry in path.parent.iterdir()] == ["noise.gz"]


def test_progress_counts_from_the_first_byte_to_the_last(mirror, remote, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    fetch(remote, [mirror.url("good")], tmp_path, progress=lambda *step: seen.append(step))
    done = [step[1] for step in seen]
    assert {(name, total) for name, _, total in seen} == {("noise.gz", remote.size)}
    assert (done[0], done[-1]) == (0, remote.size)
    assert done == sorted(done)
    assert len(done) > 3


def test_mirrors_are_tried_in_order(mirror, remote, tmp_path: Path) -> None:
    fetch(remote, [mirror.url(manner) for manner in ("missing", "page", "good", "wrong")], tmp_path)
    assert [manner for manner, _, _ in mirror.asked] == ["missing", "page", "good"]


def test_an_interrupted_download_is_continued_where_it_stopped(mirror, remote, tmp_path: Path) -> None:
    def interrupt(name: str, done: int, total: int) -> None:
        if done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(remote, [mirror.url("good")], tmp_path, progress=interrupt)
    kept = part(tmp_path).stat().st_size
    assert kept > 100_000
    fetch(remote, [mirror.url("good")], tmp_path)
    assert mirror.asked[1:] == [("good", "noise.gz", kept)]
    assert (tmp_path / "noise.gz").read_bytes() == mirror.files["noise.gz"]


def test_a_cut_connection_is_continued_from_the_same_mirror_then_from_the_next(mirror, remote, tmp_path: Path) -> None:
    fetch(remote, [mirror.url("cut"), mirror.url("good")], tmp_path)  # each attempt brings half of the rest
    manners = [manner for manner, _, _ in mirror.asked]
    starts = [start or 0 for _, _, start in mirror.asked]
    assert manners == ["cut"] * 5 + ["good"]
    assert starts == sorted(set(starts))
    assert (tmp_path / "noise.gz").read_bytes() == mirror.files["noise.gz"]


def test_a_download_that_is_always_cut_says_so_and_keeps_what_came(mirror, remote, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match=r"\d+ of \d+ bytes are kept.*/noise.gz: the connection was cut"):
        fetch(remote, [mirror.url("cut")], tmp_path)
    assert 0 < part(tmp_path).stat().st_size < remote.size


def test_a_server_without_ranges_makes_the_download_start_over(mirror, remote, tmp_path: Path) -> None:
    part(tmp_path).write_bytes(mirror.files["noise.gz"][:1000])
    seen: list[int] = []
    fetch(remote, [mirror.url("norange")], tmp_path, progress=lambda *step: seen.append(step[1]))
    assert mirror.asked == [("norange", "noise.gz", 1000)]
    assert seen[0] == 0
    assert (tmp_path / "noise.gz").read_bytes() == mirror.files["noise.gz"]


def test_a_stale_partial_file_makes_the_download_start_over(mirror, remote, tmp_path: Path) -> None:
    part(tmp_path).write_bytes(b"from another version of the file")
    fetch(remote, [mirror.url("good")], tmp_path)
    assert [start for _, _, start in mirror.asked] == [32, None]
    assert (tmp_path / "noise.gz").read_bytes() == mirror.files["noise.gz"]


@pytest.mark.parametrize("extra", [0, 1, 1000])
def test_a_partial_file_as_long_as_the_whole_or_longer_is_judged_or_replaced(mirror, remote, tmp_path, extra) -> None:
    part(tmp_path).write_bytes(bytes(remote.size + extra))
    fetch(remote, [mirror.url("good")], tmp_path)
    assert [start for _, _, start in mirror.asked] == [None]
    assert (tmp_path / "noise.gz").read_bytes() == mirror.files["noise.gz"]


def test_a_complete_partial_file_needs_no_request(mirror, remote, tmp_path: Path) -> None:
    part(tmp_path).write_bytes(mirror.files["noise.gz"])
    fetch(remote, [mirror.url("good")], tmp_path)
    assert mirror.asked == []
    assert (tmp_path / "noise.gz").exists()


def test_a_range_that_the_server_lacks_makes_the_download_start_over(mirror, remote, tmp_path: Path) -> None:
    longer = dataclasses.replace(remote, size=remote.size + 500)
    part(tmp_path).write_bytes(bytes(remote.size + 100))
    fetch(longer, [mirror.url("good")], tmp_path)  # answers 416 first
    assert [start for _, _, start in mirror.asked] == [remote.size + 100, None]


def test_an_answer_for_another_range_is_not_appended(mirror, remote, tmp_path: Path) -> None:
    part(tmp_path).write_bytes(mirror.files["noise.gz"][:1000])
    with pytest.raises(UnreachableError, match=r"asked for the bytes from 1000 on, the server sent 'bytes 1001-"):
        fetch(remote, [mirror.url("shifted")], tmp_path)
    assert part(tmp_path).read_bytes() == mirror.files["noise.gz"][:1000]


@pytest.mark.parametrize("manner", ["wrong", "longer", "page"])
def test_wrong_bytes_are_removed_and_both_checksums_and_the_url_named(mirror, remote, tmp_path: Path, manner) -> None:
    with pytest.raises(DataError) as error:
        fetch(remote, [mirror.url(manner)], tmp_path)
    assert not isinstance(error.value, UnreachableError)
    assert list(tmp_path.iterdir()) == []
    message = str(error.value)
    assert mirror.url(manner) + "noise.gz: wrong checksum, file removed: md5 " in message
    assert f"expected {remote.md5}" in message
    if manner == "wrong":
        assert hashlib.md5(bytes(byte ^ 1 for byte in mirror.files["noise.gz"])).hexdigest() in message


def test_the_content_is_checked_even_where_the_md5_agrees(mirror, remote, tmp_path: Path) -> None:
    other = dataclasses.replace(remote, sha256="0" * 64)
    with pytest.raises(DataError, match=rf"sha256 of the content {remote.sha256}, expected 0000"):
        fetch(other, [mirror.url("good")], tmp_path)
    mirror.files["noise.gz"] = gzip.compress(b"x")[:-3]
    cut = dataclasses.replace(remote, size=18, md5=hashlib.md5(mirror.files["noise.gz"]).hexdigest())
    with pytest.raises(DataError, match="cannot be unpacked"):
        fetch(cut, [mirror.url("good")], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_error_names_every_mirror_and_its_reason(mirror, remote, tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:1/"
    with pytest.raises(UnreachableError) as error:
        fetch(remote, [mirror.url("missing"), nobody], tmp_path)
    assert f"{mirror.url('missing')}noise.gz: HTTP 404 Not Found" in str(error.value)
    assert "http://127.0.0.1:1/noise.gz: [Errno 111] Connection refused" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_silent_mirrors_cost_no_more_than_the_patience(mirror, remote, tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(UnreachableError, match=r"no answer within .*not tried, 0 s were spent waiting"):
        fetch(remote, [mirror.url("silent")] * 5, tmp_path, timeout=0.2, patience=0.3)
    assert time.monotonic() - start < 2
    assert len(mirror.asked) == 2


def test_a_hanging_name_lookup_is_given_up(remote, tmp_path: Path, monkeypatch) -> None:
    release = threading.Event()

    def hang(*args: object, **kwargs: object) -> None:
        release.wait(30)
        raise socket.gaierror("gave up")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    start = time.monotonic()
    with pytest.raises(UnreachableError, match="no answer within"):
        fetch(remote, ["http://mirror.invalid/"], tmp_path, timeout=0.2)
    assert time.monotonic() - start < 2
    release.set()


def test_a_failing_name_lookup_is_reported(remote, tmp_path: Path, monkeypatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(UnreachableError, match="Name or service not known"):
        fetch(remote, ["http://mirror.invalid/"], tmp_path)


def test_a_folder_that_cannot_be_written_is_an_output_error(mirror, remote, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="Cannot write"):
        fetch(remote, [mirror.url("good")], tmp_path / "file" / "folder")


def test_two_downloads_of_one_file_at_once_fetch_it_once(mirror, remote, tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            fetch(remote, [mirror.url("good")], tmp_path, progress=lambda *_: time.sleep(0.01))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failures == []
    assert len(mirror.asked) == 1
    assert (tmp_path / "noise.gz").read_bytes() == mirror.files["noise.gz"]
