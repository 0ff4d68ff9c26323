"""The plugin windows.anatomy.modules: what is loaded in each process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.volatility import Anatomy, Column, format_hints

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class Modules(Anatomy, interfaces.plugins.PluginInterface):
    """Lists the modules of each process, explained: the loader's lists beside the images that are mapped.

    Columns up to LoadTime are those of windows.dlllist, those from InLoad to MappedPath those of windows.ldrmodules.
    """

    _version = (1, 0, 0)
    columns = (
        Column("PID", int),
        Column("Process", str),
        Column("Base", format_hints.Hex),
        Column("Size", format_hints.Hex),
        Column("Name", str),
        Column("Path", str),
        Column("LoadCount", int),
        Column("LoadTime", datetime),
        Column("InLoad", bool),
        Column("InInit", bool),
        Column("InMem", bool),
        Column("MappedPath", str),
        Column("EntryPoint", format_hints.Hex),
        Column("TimeDateStamp", format_hints.Hex),
        Column("LoadReason", str),
        Column("References", int),
        Column("Bits", str),
        Column("State", str),
        Column("Header", str),
        Column("Offset", format_hints.Hex),
        Column("Problems", str),
        Column("Explanation", str),
    )

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each module."""
        from process_anatomy.walk.program.modules import modules

        _, chosen = self.chosen(kernel)
        explain = self.explainer(kernel)
        table = modules(kernel, chosen)
        self.report(table.problems)
        for row in table.rows:
            yield (
                0,
                (
                    row.process.pid,
                    row.process.name,
                    row.base,
                    row.size,
                    row.name,
                    row.told("path"),
                    row.told("load_count"),
                    row.told("load_time"),
                    row.held("InLoadOrder"),
                    row.held("InInitializationOrder"),
                    row.held("InMemoryOrder"),
                    row.mapped_path,
                    row.told("entry_point"),
                    row.told("timestamp"),
                    row.told("load_reason"),
                    row.told("references"),
                    row.bits or None,
                    row.state,
                    row.compared,
                    row.told("address"),
                    "; ".join(row.problems) or None,
                    explain.module(row),
                ),
            )
