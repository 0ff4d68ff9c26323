"""What a plugin says and does where the layout that it reads with does not fit the image.

The rows are shown all the same, each marked, for they may hold something that helps; but whoever runs plugins over
many images must be able to see it without reading them, so that Volatility's command line then ends with a status of
its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from process_anatomy.absent import Absent
from process_anatomy.views.declaration import Row
from process_anatomy.volatility.terminal import of_command_line

NOT_TRUSTED = 3
"""Exit status of a command whose rows were shown, but are read with a layout that does not fit."""
MARK = "do not trust"


def marked(rows: Iterator[Row], reason: str) -> Iterator[Row]:
    """The rows, each saying in its column of problems that it is not to be trusted, the first also why.

    Args:
        rows: of a view over an image.
        reason: why, in words.
    """
    words = f"{MARK}: {reason}"
    for depth, cells in rows:
        told = cells["Problems"]
        yield depth, cells | {"Problems": (words, *(() if told is None or isinstance(told, Absent) else told))}
        words = MARK


def end_with(status: int, opener: type) -> None:
    """Have Volatility's command line end with a status once it has shown the rows of its plugin.

    Its renderers are the last that it calls, and it has no status of its own for a plugin to set.  A program that uses
    Volatility as a library is left alone.

    Args:
        status: exit status.
        opener: the class that the plugin opens files with, by which it can tell who runs it.
    """
    if not of_command_line(opener):
        return
    from volatility3.cli.text_renderer import CLIRenderer
    from volatility3.framework import class_subclasses

    for renderer in class_subclasses(CLIRenderer):
        if "render" in vars(renderer):
            renderer.render = _ending(renderer.render, status)


def _ending(render: Callable[..., None], status: int) -> Callable[..., None]:
    @wraps(render)
    def shown(self: Any, grid: Any) -> None:
        outermost = not getattr(self, "anatomy_renders", False)
        self.anatomy_renders = True
        render(self, grid)
        if outermost:
            raise SystemExit(status)

    return shown
