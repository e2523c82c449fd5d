from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from onebit.data._content import CHUNK, content_sha256, file_md5, open_content

CONTENT = bytes(range(256)) * (CHUNK // 256) + b"beyond one chunk"


def test_content_is_the_same_packed_and_unpacked(tmp_path: Path) -> None:
    packed, plain = tmp_path / "packed", tmp_path / "plain.gz"
    packed.write_bytes(gzip.compress(CONTENT, 1))
    plain.write_bytes(CONTENT)
    for path in (packed, plain):
        with open_content(path) as stream:
            assert stream.read() == CONTENT
        assert content_sha256(path) == hashlib.sha256(CONTENT).hexdigest()


def test_the_md5_is_that_of_the_file_on_disk(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(gzip.compress(CONTENT, 1))
    assert file_md5(tmp_path / "x") == hashlib.md5((tmp_path / "x").read_bytes()).hexdigest()
