"""``vol -r notes``: rows laid out to be read, as ``anatomy show`` lays them out.

Volatility takes every class below its ``CLIRenderer`` that exists once it has imported the folders of plugins
(volatility3/cli/__init__.py of 2.28), which import this module where ``vol`` is what runs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from volatility3.cli import text_renderer
from volatility3.framework import interfaces, renderers
from volatility3.framework.renderers import format_hints

from process_anatomy.views.declaration import EXPLANATION, PROBLEMS
from process_anatomy.views.reading import UNKNOWN, Head, Plan, Reading, Told, plan_of
from process_anatomy.views.screen import screen_of
from process_anatomy.views.shown import safe_text, shown_moment, shown_truth
from process_anatomy.volatility.cells import NotInBuildValue, ViewGrid
from process_anatomy.volatility.terminal import show_every_letter

NUMBERS = (int, format_hints.Hex)
"""Types of columns whose cells stand on the right."""
NOTHING = (renderers.NotApplicableValue, NotInBuildValue)
"""What stands where there is nothing to tell."""


class NotesRenderer(text_renderer.CLIRenderer):
    """A compact line of facts for each row, and beside or below it what it means, on any width."""

    name = "notes"
    structured_output = False

    def get_render_options(self) -> list[Any]:
        """None, as of every renderer of Volatility's command line."""
        return []

    def render(self, grid: interfaces.renderers.TreeGrid) -> None:
        """Print the rows of a grid: ours with the columns that tell most, those of other plugins with all.

        Args:
            grid: of a plugin.
        """
        import click  # where nobody asks for this renderer, it costs nothing

        show_every_letter()
        screen = screen_of()
        hidden = {column.name for column in self.ignored_columns(grid)}
        reading = Reading(_plan(grid, hidden), screen)

        def put(lines: Iterator[str]) -> None:
            for line in lines:
                click.echo(line, file=sys.stdout, color=screen.colour)

        def visit(node: interfaces.renderers.TreeNode, none: None) -> None:
            if not self._filtered(grid, node):
                cells = {
                    column.name: _text(value, self._shown(column, value))
                    for column, value in zip(grid.columns, node.values, strict=True)
                    if column.name not in hidden
                }
                put(reading.add(Told(max(node.path_depth - 1, 0), cells)))

        put(iter([""]))
        if grid.populated:
            grid.visit(node=None, function=visit, initial_accumulator=None)
        else:
            grid.populate(visit, None)
        put(reading.end())

    def _filtered(self, grid: interfaces.renderers.TreeGrid, node: interfaces.renderers.TreeNode) -> bool:
        """Whether ``--filters`` leaves a row out, which sees cells as the quick renderer prints them."""
        if not self.filter:
            return False
        line = [self._shown(column, value) for column, value in zip(grid.columns, node.values, strict=True)]
        return bool(self.filter.filter(line))

    def _shown(self, column: interfaces.renderers.Column, value: Any) -> str:
        """A cell as Volatility's own renderers print it."""
        return str(self._type_renderers.get(column.type, self._type_renderers["default"])(value))


def _plan(grid: interfaces.renderers.TreeGrid, hidden: set[str]) -> Plan:
    """How a grid is read."""
    if isinstance(grid, ViewGrid):
        plan = plan_of(grid.view, grid.wide)
    else:
        plan = Plan(
            tuple(
                Head(column.name, column.type in NUMBERS)
                for column in grid.columns
                if column.name not in (PROBLEMS, EXPLANATION)
            )
        )
    heads = tuple(head for head in plan.heads if head.name not in hidden)
    return plan._replace(heads=heads, above=tuple(name for name in plan.above if name not in hidden))


def _text(value: Any, shown: str) -> str:
    """A cell as people read it."""
    if isinstance(value, interfaces.renderers.BaseAbsentValue):
        return "" if isinstance(value, NOTHING) else UNKNOWN
    if isinstance(value, bool):
        return shown_truth(value)
    if isinstance(value, datetime):
        return shown_moment(value)
    return "\n".join(safe_text(line.expandtabs()) for line in shown.strip("\n").split("\n"))
