"""The plugin windows.anatomy.completeness: what of each process could be read, and what stood in the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.volatility import Anatomy, Column, format_hints, short_address

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class Completeness(Anatomy, interfaces.plugins.PluginInterface):
    """Shows which of the six components of each process could be read whole, in part, or not.

    What a row cannot tell was not in the image: an absence there proves nothing.
    """

    _version = (1, 0, 0)
    columns = (
        Column("PID", int),
        Column("Process", str),
        Column("Offset", format_hints.Hex),
        Column("AddressSpace", str),
        Column("Program", str),
        Column("Handles", str),
        Column("SecurityContext", str),
        Column("ProcessId", str),
        Column("Threads", str),
        Column("Nodes", str),
        Column("ProgramPages", str),
        Column("HandleEntries", str),
        Column("ThreadObjects", str),
        Column("Obstacles", str),
        Column("Problems", str),
        Column("Explanation", str),
    )

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each process."""
        from process_anatomy.walk.across.completeness import (
            ADDRESS_SPACE,
            COMPONENTS,
            EXECUTABLE,
            HANDLES,
            THREADS,
            completeness,
        )

        _, chosen = self.chosen(kernel)
        explain = self.explainer(kernel)
        self.progress(30, "Walking all components")
        table = completeness(kernel, chosen)
        self.report(table.problems)
        for row in table.rows:
            parts = row.components
            counted = (parts[name] for name in (ADDRESS_SPACE, EXECUTABLE, HANDLES, THREADS))
            yield (
                0,
                (
                    row.process.pid,
                    row.process.name,
                    short_address(row.process.address),
                    *(parts[name].state for name in COMPONENTS),
                    *(f"{part.found} of {part.expected}" if part.expected else None for part in counted),
                    "; ".join(row.obstacles) or None,
                    "; ".join(row.process.problems) or None,
                    explain.completeness(row),
                ),
            )
