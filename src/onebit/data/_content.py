"""The uncompressed bytes of a file and their checksum, whether the file on disk is compressed or not."""

from __future__ import annotations

import gzip
import hashlib
from io import BufferedIOBase
from pathlib import Path

GZIP_MAGIC = b"\x1f\x8b"
CHUNK = 1 << 20  # bytes


def open_content(path: Path) -> BufferedIOBase:
    """Open for reading uncompressed bytes. Compression is told by the first two bytes, since names lie:
    browsers and proxies unpack .gz files without renaming them.
    """
    with path.open("rb") as file:
        compressed = file.read(2) == GZIP_MAGIC
    return gzip.GzipFile(path, "rb") if compressed else path.open("rb")


def content_sha256(path: Path) -> str:
    """SHA-256 of the uncompressed bytes, in hex; raises what gzip raises (OSError, EOFError, zlib.error) if damaged."""
    with open_content(path) as stream:
        return _digest(hashlib.sha256(), stream)


def file_md5(path: Path) -> str:
    """MD5 of the file as it lies on disk, in hex: publishers state it; it guards against accidents, not attackers."""
    with path.open("rb") as stream:
        return _digest(hashlib.md5(usedforsecurity=False), stream)


def file_sha256(path: Path) -> str:
    """SHA-256 of the file as it lies on disk, in hex."""
    with path.open("rb") as stream:
        return _digest(hashlib.sha256(), stream)


def _digest(digest: hashlib._Hash, stream: BufferedIOBase) -> str:
    while chunk := stream.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()
