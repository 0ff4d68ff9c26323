"""What is seen of a batch while it runs: bars on a terminal, lines anywhere else."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from process_anatomy.fleet.progress import going_on

if TYPE_CHECKING:
    from process_anatomy.fleet.terms import Outcome

    Tell = Callable[[Outcome, int, int], None]

LOOKED = 1.0
"""Seconds between two looks at what is being done."""
SEEN = 32
"""Images that are seen at once."""


def line(one: Outcome, number: int, count: int) -> None:
    """What became of an image, as a line: who reads it later has no terminal."""
    from process_anatomy.views.shown import safe_text

    what = f"{one.windows}, {one.rows} rows, {one.seconds:g} s" if one.done else one.problem
    doubt = f"; {one.problem}" if one.done and one.problem else ""
    print(
        safe_text(f"{number}/{count} {one.path}: {what}{doubt}"),
        file=sys.stdout if one.done else sys.stderr,
        flush=True,
    )


@contextmanager
def watched(images: Path) -> Iterator[Tell]:
    """What is told of each image when it is done; on a terminal, what is being done is seen as well.

    Args:
        images: the folder in which images are being exported.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield line
        return
    try:
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
    except ImportError:
        yield line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[far]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        every = bars.add_task("images", total=None, far="")
        over = threading.Event()

        def look() -> None:
            seen: dict[str, TaskID] = {}
            while not over.wait(LOOKED):
                now = {one.name: one.doing for one in going_on(images)[:SEEN]}
                for name in [name for name in seen if name not in now]:
                    bars.remove_task(seen.pop(name))
                for name, doing in now.items():
                    if name not in seen:
                        seen[name] = bars.add_task("", total=None, far="")
                    bars.update(seen[name], description=escape(f"{name}  {doing}"))

        def tell(one: Outcome, number: int, count: int) -> None:
            line(one, number, count)
            bars.update(every, completed=number, total=count, far=f"{number}/{count}")

        looker = threading.Thread(target=look, daemon=True)
        looker.start()
        try:
            yield tell
        finally:
            over.set()
            looker.join()
