"""A local mirror that misbehaves on demand, and small collections to fetch from it."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from onebit.data import _mnist, encode_idx
from onebit.data._collection import COLLECTIONS, Collection, look_for
from onebit.data._download import RemoteFile


class Mirror(ThreadingHTTPServer):
    """Serves `files` under /<manner>/<name>; `asked` lists (manner, name, first byte asked for or None)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str, int | None]] = []
        self.release = threading.Event()  # lets the manner "silent" go

    def url(self, manner: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{manner}/"


class Handler(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        _, manner, name = self.path.split("/")
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else None
        self.server.asked.append((manner, name, start))
        body = self.server.files.get(name, b"")
        if manner == "missing":
            self.send_error(404)
        elif manner == "silent":
            self.server.release.wait(30)
        elif manner == "page":
            self.answer(200, b"<html>please log in</html>")
        elif manner == "wrong":
            self.serve(bytes(byte ^ 1 for byte in body), start)
        elif manner == "longer":
            self.serve(body * 3, start)
        elif manner == "shifted" and start:
            self.answer(206, body[start + 1 :], {"Content-Range": f"bytes {start + 1}-{len(body) - 1}/{len(body)}"})
        elif manner == "norange":
            self.serve(body, None)
        else:
            self.serve(body, start, cut=manner == "cut")

    def serve(self, body: bytes, start: int | None, cut: bool = False) -> None:
        if start is None:
            self.answer(200, body, cut=cut)
        elif start >= len(body):
            self.send_error(416)
        else:
            self.answer(206, body[start:], {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}, cut)

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None, cut: bool = False) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    server = Mirror()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()
    thread.join()


def describe(name: str, packed: bytes) -> RemoteFile:
    content = gzip.decompress(packed)
    return RemoteFile(name, len(packed), hashlib.md5(packed).hexdigest(), hashlib.sha256(content).hexdigest())


@pytest.fixture
def remote(mirror: Mirror) -> RemoteFile:
    """A file of some 300 kB on the mirror, which takes several pieces to read."""
    noise = torch.randint(0, 256, (300_000,), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mirror.files["noise.gz"] = gzip.compress(noise.numpy().tobytes(), mtime=0)
    return describe("noise.gz", mirror.files["noise.gz"])


def digits(count: int, seed: int) -> tuple[bytes, bytes]:
    """idx bytes of `count` random pictures and labels."""
    rng = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, 28, 28), dtype=torch.uint8, generator=rng)
    return encode_idx(images), encode_idx(torch.arange(count, dtype=torch.uint8) % 10)


@pytest.fixture
def tiny() -> tuple[Collection, dict[str, bytes]]:
    """A collection with MNIST's names and folders, 12 + 8 pictures, no sample and no mirrors; and its packed files."""
    packed: dict[str, bytes] = {}
    splits = {}
    for split, count in (("train", 12), ("test", 8)):
        files = []
        for file, content in zip(_mnist.MNIST.splits[split], digits(count, count), strict=True):
            packed[file.name] = gzip.compress(content, mtime=0)
            files.append(describe(file.name, packed[file.name]))
        splits[split] = tuple(files)
    return dataclasses.replace(_mnist.MNIST, splits=splits, sample=None, mirrors=()), packed


@pytest.fixture
def full() -> Callable[[str], str]:
    """full(name): the root that holds all of that data set, named by ONEBIT_DATA; skips without it."""

    def root_of(name: str) -> str:
        root = os.environ.get("ONEBIT_DATA", "")
        collection = COLLECTIONS[name]
        if not root or not all(look_for(collection, split, Path(root)).paths for split in collection.splits):
            pytest.skip(f"needs the full {name}: set ONEBIT_DATA to the folder that has it")
        return root

    return root_of
