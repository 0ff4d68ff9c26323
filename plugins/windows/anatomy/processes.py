"""The plugin windows.anatomy.processes: the processes of an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.volatility import Anatomy, Column, format_hints, short_address

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class Processes(Anatomy, interfaces.plugins.PluginInterface):
    """Lists the processes of an image, explained, without symbols.

    The list of active processes is followed forwards and backwards; SeenBy says which direction reached a
    process. The columns up to ExitTime are those of windows.pslist.
    """

    _version = (1, 0, 0)
    columns = (
        Column("PID", int),
        Column("PPID", int),
        Column("ImageFileName", str),
        Column("Offset(V)", format_hints.Hex),
        Column("Threads", int),
        Column("Handles", int),
        Column("SessionId", int),
        Column("Wow64", bool),
        Column("CreateTime", datetime),
        Column("ExitTime", datetime),
        Column("DTB", format_hints.Hex),
        Column("PEB", format_hints.Hex),
        Column("VadRoot", format_hints.Hex),
        Column("Token", format_hints.Hex),
        Column("Protection", str),
        Column("ImagePath", str),
        Column("SeenBy", str),
        Column("Layout", str),
        Column("Problems", str),
        Column("Explanation", str),
    )

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each process, in the order of the active list."""
        from process_anatomy.walk.security.tokens import tokens

        everyone, chosen = self.chosen(kernel)
        explain = self.explainer(kernel, everyone, tokens(kernel, chosen))
        for row in chosen:
            yield (
                0,
                (
                    row.pid,
                    row.ppid,
                    row.name,
                    short_address(row.address),
                    row.threads,
                    row.handles,
                    row.session,
                    row.wow64,
                    row.create_time,
                    row.exit_time,
                    row.dtb,
                    row.peb,
                    short_address(row.vad_root),
                    short_address(row.token),
                    row.protection_name,
                    row.image_path,
                    ",".join(row.seen_by),
                    "estimated" if kernel.build.estimated else "exact",
                    "; ".join(row.problems) or None,
                    explain.process(row),
                ),
            )
