"""Loading a data set for a command: what `onebit.data` does, with a bar while a file is downloaded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from onebit import data

T = TypeVar("T")


def load(name: str, root: str | None, split: str) -> data.Dataset:
    """The data set of that name, in memory."""
    return with_bar(lambda progress: data.load(name, root, split, progress=progress))


def with_bar(open_it: Callable[[data.Progress | None], T]) -> T:
    """What `open_it` gives; a download shows a bar on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        return open_it(None)
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def report(file: str, done: int, total: int) -> None:
            if file not in tasks:
                tasks[file] = bars.add_task(file, total=total)
            bars.update(tasks[file], completed=done)

        return open_it(report)
