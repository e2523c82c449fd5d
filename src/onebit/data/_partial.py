"""The unfinished file of a download: the disk's side only. Every failure of the disk is an OutputError."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from onebit._errors import OutputError

try:
    import fcntl
except ImportError:  # Windows: two downloads of one file at once then end in a checksum error, not in bad data
    fcntl = None  # type: ignore[assignment]


class Partial:
    """`target`.part, which grows until it is renamed to `target` in one step; it stays behind when interrupted."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".part")

    @property
    def size(self) -> int:
        """Bytes on disk; 0 if there is no such file."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @contextlib.contextmanager
    def owned(self) -> Iterator[None]:
        """Make the folder and wait until no other process works on this file."""
        lock = self.target.with_name(f".{self.target.name}.lock")
        with _disk(lock):
            lock.parent.mkdir(parents=True, exist_ok=True)
            file = _lock(lock) if fcntl is not None else None
        try:
            yield
        finally:
            if file is not None:
                with _disk(lock):
                    lock.unlink(missing_ok=True)
                    file.close()

    @contextlib.contextmanager
    def appending(self, start: int) -> Iterator[IO[bytes]]:
        """Open for `write` at byte `start`, dropping what lies beyond."""
        with _disk(self.path):
            file = self.path.open("ab")
        try:
            with _disk(self.path):
                file.truncate(start)
            yield file
        finally:
            with _disk(self.path):
                file.close()

    def write(self, file: IO[bytes], data: bytes) -> None:
        """Append to the file that `appending` opened."""
        with _disk(self.path):
            file.write(data)

    def discard(self) -> None:
        """Remove the file if it is there."""
        with _disk(self.path):
            self.path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Give the complete file its name; whoever looks sees no file or all of it."""
        with _disk(self.target):
            self.path.replace(self.target)


def _lock(path: Path) -> IO[bytes]:
    """The lock file, opened and locked. Its last owner removes it, so what was waited for may be gone: try again."""
    while True:
        file = path.open("ab")
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
            return file
        file.close()


@contextlib.contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        advice = "Pass another root, or set ONEBIT_DATA to a folder that can be written."
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = "Free some space; loading again continues where this stopped. Or pass another root."
        raise OutputError(f"Cannot write {path}: {error.strerror or error}. {advice}") from error
