"""Members of a tar archive, read into memory and never written to disk. Knows nothing of data sets.

A published archive holds plain files below one folder. One that holds anything else under a wanted name, or a name
that leads out of its folder, is not the published one and is refused whole.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from onebit._errors import DataError, FormatError
from onebit.data._content import CHUNK, open_content

LARGEST = 1 << 30  # bytes of one member; the largest published one has 155 MB
ADVICE = "Delete the file and load again, or fetch it afresh."


def read_members(path: Path, wanted: Sequence[str]) -> list[bytes]:
    """The content of the members with these names, in this order, from a .tar or .tar.gz file.

    Raises FormatError if the archive is damaged, lacks one, holds one twice, too large or as something else than a
    plain file, or has a member whose name leads out of its folder; DataError if it cannot be opened.
    """
    found: dict[str, bytes] = {}
    try:
        with open_content(path) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    name = _safe_name(path, member)
                    if name in wanted:
                        if name in found:
                            raise FormatError(f"{path}: holds {name} twice. {ADVICE}")
                        found[name] = _content(path, archive, member)
            while stream.read(CHUNK):  # to its end, where gzip compares its checksum
                pass
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise FormatError(f"{path}: damaged or not a tar archive ({error}). {ADVICE}") from error
    except OSError as error:
        if error.errno is None:  # gzip's own complaints
            raise FormatError(f"{path}: damaged gzip file ({error}). {ADVICE}") from error
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error
    if missing := [name for name in wanted if name not in found]:
        raise FormatError(f"{path}: lacks {' and '.join(missing)}. {ADVICE}")
    return [found[name] for name in wanted]


def _safe_name(path: Path, member: tarfile.TarInfo) -> str:
    name = PurePosixPath(member.name.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts:
        raise FormatError(
            f"{path}: holds {member.name!r}, which leads out of its folder, so this is not the published archive. "
            f"{ADVICE}"
        )
    return str(name)


def _content(path: Path, archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member) if member.isreg() else None
    if file is None:
        raise FormatError(f"{path}: {member.name} is not a plain file in it. {ADVICE}")
    if member.size > LARGEST:
        raise FormatError(f"{path}: {member.name} has {member.size} bytes; expected at most {LARGEST}. {ADVICE}")
    content = file.read()
    if len(content) < member.size:
        raise FormatError(f"{path}: truncated: {member.name} has {len(content)} of {member.size} bytes. {ADVICE}")
    return content
