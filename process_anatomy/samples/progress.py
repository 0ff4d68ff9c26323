"""How far a long piece of work is: a bar for a person at a terminal, nothing for a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Step = Callable[[int, "int | None"], None]
"""Told the bytes that are done by now, and of how many, where that is known."""
Progress = Callable[[str], AbstractContextManager[Step]]
"""Begins a piece of work that has a name."""


def _nothing(done: int, total: int | None) -> None:
    """Show nothing."""


@contextmanager
def silent(text: str) -> Iterator[Step]:
    """Work that nobody watches."""
    yield _nothing


@contextmanager
def bar(text: str) -> Iterator[Step]:
    """A bar on standard error."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(escape(text), total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def watched() -> Progress:
    """A bar where standard error is a terminal and rich is installed, else nothing."""
    if sys.stderr is None or not sys.stderr.isatty():
        return silent
    try:
        import rich.progress  # noqa: F401
    except ImportError:
        return silent
    return bar
