"""Writing a file whole or not at all, with one clear error when the disk refuses."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from onebit._errors import OutputError


def make_folder(path: Path) -> None:
    """Create the folder and its parents; raises OutputError if that is not possible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refused(path, error) from None


def write_atomic(path: Path, write: Callable[[IO[bytes]], Any], keep: Path | None = None) -> None:
    """Let `write` fill a file beside `path`, then put it in its place: an interruption leaves the old file.

    keep: where the file that is replaced goes, in place of the one kept there before.
    Raises OutputError when there is no space or no permission; nothing of the new file stays behind.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if keep is not None and path.exists():
            _keep(path, keep)
        part.replace(path)
    except (OSError, RuntimeError) as error:  # torch.save says RuntimeError when its file refuses
        raise _refused(path, error) from None
    finally:
        part_is_left = part.is_file()
        if part_is_left:
            part.unlink()


def write_text(path: Path, text: str) -> None:
    """`write_atomic` for text."""
    write_atomic(path, lambda file: file.write(text.encode()))


def _keep(path: Path, kept: Path) -> None:
    """Give the file a second name, so that it is never without its own; where there are no links, move it."""
    twin = kept.with_name(f".{kept.name}.part")
    twin.unlink(missing_ok=True)
    try:
        os.link(path, twin)
    except OSError:
        path.replace(kept)
    else:
        twin.replace(kept)


def _refused(path: Path, error: Exception) -> OutputError:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__context__  # torch.save's own words hide what the disk said
    reason = getattr(cause, "strerror", None) or str(error).splitlines()[0]
    return OutputError(f"{path}: cannot be written ({reason}). Free some space, or choose another output folder.")
