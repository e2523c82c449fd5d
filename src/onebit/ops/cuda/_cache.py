"""Compiled kernels on disk, so that a process compiles only what no process before it did.

A file's name is the digest of everything that decides its content: source, headers, macros, architecture, compiler.
Files are written beside their place and moved into it, so a reader sees all of a file or none; two processes that
compile the same kernel write the same bytes. A folder that cannot be written is no error: the kernel is compiled again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from onebit.ops.cuda._sources import Kernel, headers, source

LIMIT = 64 << 20  # bytes of the whole folder; a kernel has tens of kilobytes


def folder() -> Path:
    """$ONEBIT_CUDA_CACHE, else onebit/cuda in the user's cache folder."""
    chosen = os.environ.get("ONEBIT_CUDA_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "onebit" / "cuda"


def digest(kernel: Kernel, arch: str, version: tuple[int, int]) -> str:
    """The name of a compiled kernel: changes with anything that could change its bytes."""
    parts = [repr(version), arch, kernel.file, *kernel.options(), source(kernel.file)]
    parts += [part for header in headers().items() for part in header]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def cubin(kernel: Kernel, arch: str, version: tuple[int, int], make: Callable[[Kernel, str], bytes]) -> bytes:
    """The compiled kernel, from disk or freshly made and stored."""
    path = folder() / f"{digest(kernel, arch, version)}.cubin"
    with contextlib.suppress(OSError):
        found = path.read_bytes()
        if found.startswith(b"\x7fELF"):
            with contextlib.suppress(OSError):
                os.utime(path)  # the pruning forgets what was used longest ago
            return found
    made = make(kernel, arch)
    with contextlib.suppress(OSError):
        _store(path, made)
        prune(path.parent, LIMIT)
    return made


def _store(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def prune(place: Path, limit: int) -> None:
    """Removes the files used longest ago until the rest fits the limit; another process may be doing the same."""
    files = []
    for path in place.glob("*.cubin"):
        with contextlib.suppress(OSError):
            facts = path.stat()
            files.append((facts.st_mtime_ns, facts.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= limit:
            break
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size
