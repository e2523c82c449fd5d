"""Download of one file: mirrors in order, resume, checksums, progress. Knows nothing of data sets.

What arrives is judged by its checksums alone, so a partial file may be continued from any mirror: if the result is
wrong, the partial file was stale and the download starts over.
"""

from __future__ import annotations

import http.client
import threading
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from onebit._errors import DataError
from onebit.data._content import content_sha256, file_md5, file_sha256
from onebit.data._partial import Partial

Progress = Callable[[str, int, int], None]
"""Called as progress(file name, bytes on disk, bytes in all) at the start, after every piece and at the end."""

_PIECE = 1 << 16  # bytes
_ATTEMPTS = 5  # per mirror, and only while each attempt brings new bytes


@dataclass(frozen=True)
class RemoteFile:
    """A file as published: `size` and `md5` of the file as served, `sha256` of its uncompressed content.

    whole: `sha256` is that of the file as served, too, as publishers state it for archives.
    A size or checksum that nobody publishes is 0 or None; what is downloaded has a size and an md5.
    """

    name: str
    size: int = 0
    md5: str | None = None
    sha256: str | None = None
    whole: bool = False

    def is_equal_to(self, path: Path) -> bool | None:
        """Whether the file on disk is the published one; None if no checksum is published for it as it lies there."""
        if self.sha256 is not None and not self.whole:
            return content_sha256(path) == self.sha256
        return file_md5(path) == self.md5 if self.md5 is not None and path.name == self.name else None


class UnreachableError(DataError):
    """No mirror answered with the file; nothing that arrived was wrong."""


class _NetworkError(Exception):
    """One attempt failed on the network's side."""


class _ChecksumError(Exception):
    """A complete file with a wrong checksum."""


def fetch(
    file: RemoteFile,
    mirrors: Sequence[str],
    folder: Path,
    *,
    progress: Progress | None = None,
    timeout: float = 8.0,
    patience: float = 20.0,
) -> Path:
    """Download mirror + file.name into `folder` from the first mirror that delivers it; returns its path.

    timeout: seconds until a server must have answered, name lookup included, and between two pieces.
    patience: seconds of fruitless waiting, over all mirrors, after which no further mirror is tried.

    Raises UnreachableError if no mirror delivers, DataError (wrong file removed; both checksums and URL named) if one
    delivered something else, OutputError if the disk refuses. An interrupted download is continued by the next call.
    """
    partial = Partial(folder / file.name)
    with partial.owned():
        if not partial.target.exists():  # else another process has fetched it while this one waited
            _from_mirrors(file, mirrors, partial, progress or _silent, timeout, patience)
    return partial.target


def _silent(name: str, done: int, total: int) -> None:
    pass


def _from_mirrors(
    file: RemoteFile, mirrors: Sequence[str], partial: Partial, report: Progress, timeout: float, patience: float
) -> None:
    failures: list[str] = []
    error: type[DataError] = UnreachableError
    waited = 0.0
    for url in (mirror + file.name for mirror in mirrors):
        if waited >= patience:
            failures.append(f"{url}: not tried, {waited:.0f} s were spent waiting")
            continue
        before, start = partial.size, time.monotonic()
        try:
            return _from_mirror(url, file, partial, report, min(timeout, patience - waited))
        except _NetworkError as trouble:
            failures.append(f"{url}: {trouble}")
            waited += time.monotonic() - start if partial.size <= before else 0.0
        except _ChecksumError as mismatch:
            failures.append(f"{url}: {mismatch}")
            error = DataError
    kept = f" {partial.size} of {file.size} bytes are kept and will be continued." if partial.size else ""
    raise error(f"{file.name} could not be downloaded.{kept} {'; '.join(failures) or 'There are no mirrors'}.")


def _from_mirror(url: str, file: RemoteFile, partial: Partial, report: Progress, timeout: float) -> None:
    """Complete the file from one mirror, continuing after a cut as long as every attempt brings new bytes."""
    trouble = _NetworkError(f"the connection was cut {_ATTEMPTS} times")
    for _ in range(_ATTEMPTS):
        before = partial.size
        try:
            _pull(url, file, partial, report, timeout)
        except _NetworkError as error:
            if partial.size <= before:
                raise
            trouble = error
            continue
        mismatch = _mismatch(file, partial.path)
        if mismatch is None:
            return partial.finish()
        partial.discard()
        if before == 0:  # nothing of it was old, so starting over would bring the same
            raise _ChecksumError(mismatch)
    raise trouble


def _pull(url: str, file: RemoteFile, partial: Partial, report: Progress, timeout: float) -> None:
    """One request: append what the server still has to give, or start over if it cannot continue."""
    have = partial.size if partial.size <= file.size else 0
    if have == file.size:
        return
    with _open(url, have, timeout) as response:
        done = have if response.status == 206 else 0  # 200: the server ignores ranges and sends the whole file
        total = _promised(response, done)
        with partial.appending(done) as part:
            report(file.name, done, file.size)
            while done <= file.size and (piece := _receive(response)):
                partial.write(part, piece)
                done += len(piece)
                report(file.name, done, file.size)
    if total is not None and done < total and done <= file.size:  # a longer file is wrong, not cut: checksums tell
        raise _NetworkError(f"the connection was cut after {done} of {total} bytes")


def _promised(response: http.client.HTTPResponse, start: int) -> int | None:
    """Size of the whole file according to the server, if it says; checks that a partial answer continues ours."""
    if response.status == 206:
        field = response.headers.get("Content-Range", "")
        if not field.startswith(f"bytes {start}-"):
            raise _NetworkError(f"asked for the bytes from {start} on, the server sent {field or 'an unnamed range'!r}")
    length = response.headers.get("Content-Length", "")
    return start + int(length) if length.isdecimal() else None


def _receive(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(_PIECE)
    except (OSError, http.client.HTTPException) as error:
        raise _NetworkError(f"the connection was cut ({error or type(error).__name__})") from error


def _open(url: str, start: int, timeout: float) -> http.client.HTTPResponse:
    request = urllib.request.Request(url, headers={"User-Agent": "onebit", "Accept-Encoding": "identity"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        return _open_within(request, timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:  # our partial file is not the beginning of this one
            return _open(url, 0, timeout)
        raise _NetworkError(f"HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _NetworkError(str(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _NetworkError(str(error) or type(error).__name__) from error


def _open_within(request: urllib.request.Request, timeout: float) -> http.client.HTTPResponse:
    """urlopen with a limit that holds: its own covers neither the name lookup, which can take a minute offline, nor
    the sum over a host's addresses. The thread that is left behind ends by itself and closes what it opened.
    """
    outcome: list[http.client.HTTPResponse | Exception] = []
    given_up = threading.Event()

    def attempt() -> None:
        try:
            outcome.append(cast("http.client.HTTPResponse", urllib.request.urlopen(request, timeout=timeout)))
        except Exception as error:
            outcome.append(error)
        if given_up.is_set() and isinstance(outcome[0], http.client.HTTPResponse | urllib.error.HTTPError):
            outcome[0].close()

    thread = threading.Thread(target=attempt, name="onebit-download", daemon=True)
    thread.start()
    thread.join(timeout)
    if not outcome:
        given_up.set()
        raise TimeoutError(f"no answer within {timeout:.0f} s")
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def _mismatch(file: RemoteFile, path: Path) -> str | None:
    """What is wrong with the bytes, or None. The published md5 is compared first, then the content."""
    found = file_md5(path)
    if found != file.md5:
        size = path.stat().st_size
        return f"wrong checksum, file removed: md5 {found} ({size} bytes), expected {file.md5} ({file.size} bytes)"
    if file.sha256 is None:
        return None
    try:
        content = file_sha256(path) if file.whole else content_sha256(path)
    except (OSError, EOFError, zlib.error) as error:
        return f"wrong content, file removed: cannot be unpacked ({error}), expected sha256 {file.sha256}"
    if content != file.sha256:
        return f"wrong checksum, file removed: sha256 of the content {content}, expected {file.sha256}"
    return None
