"""The plugin windows.anatomy.crossview: who sees each process, and what it means where one does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.volatility import Anatomy, Column, format_hints, process_ids, short_address

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class CrossView(Anatomy, interfaces.plugins.PluginInterface):
    """Compares all ways to find processes, and judges every absence.

    The columns up to Exit Time are those of windows.psxview; no process is left out for its name.
    """

    _version = (1, 0, 0)
    columns = (
        Column("Offset(Virtual)", format_hints.Hex),
        Column("Name", str),
        Column("PID", int),
        Column("pslist", bool),
        Column("psscan", bool),
        Column("thrdscan", bool),
        Column("csrss", bool),
        Column("Exit Time", str),
        Column("Forward", bool),
        Column("Backward", bool),
        Column("CID", bool),
        Column("Handles", bool),
        Column("CsrProcess", bool),
        Column("Session", bool),
        Column("Job", bool),
        Column("Win32Process", bool),
        Column("Verdict", str),
        Column("Confidence", str),
        Column("HiddenFrom", str),
        Column("Absences", str),
        Column("Offset(Physical)", format_hints.Hex),
        Column("Problems", str),
        Column("Explanation", str),
    )

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each process that any view sees."""
        from process_anatomy.filetime import moment
        from process_anatomy.walk.crossview.crossings import crossview

        explain = self.explainer(kernel)
        self.progress(30, "Searching physical memory")
        table = crossview(kernel).select(process_ids(self.config["pid"]))
        self.report(table.problems)
        for row in table.rows:
            process, views = row.process, row.views
            yield (
                0,
                (
                    short_address(process.address),
                    process.name,
                    process.pid,
                    row.listed,
                    views["psscan"],
                    views["thrdscan"],
                    views["csrss"],
                    moment(process.exit_time) or "",
                    *(
                        views[name]
                        for name in (
                            "Forward", "Backward", "CID", "Handles", "CsrProcess", "Session", "Job", "Win32Process",
                        )
                    ),
                    row.verdict,
                    row.confidence,
                    ",".join(row.hidden_from) or None,
                    "; ".join(f"{a.view}: {a.reason} ({a.confidence})" for a in row.absences) or None,
                    row.physical,
                    "; ".join(row.problems) or None,
                    explain.crossing(row),
                ),
            )  # fmt: skip
