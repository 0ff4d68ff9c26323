"""The plugin windows.anatomy.tebs: what each thread environment block says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.volatility import Anatomy, Column, format_hints

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class Tebs(Anatomy, interfaces.plugins.PluginInterface):
    """Shows each thread's TEB, explained: its stack, and what it repeats of the kernel's record."""

    _version = (1, 0, 0)
    columns = (
        Column("PID", int),
        Column("TID", int),
        Column("Process", str),
        Column("Bits", int),
        Column("TEB", format_hints.Hex),
        Column("DTB", format_hints.Hex),
        Column("StackBase", format_hints.Hex),
        Column("StackLimit", format_hints.Hex),
        Column("DeallocationStack", format_hints.Hex),
        Column("ClientId", str),
        Column("PEB", format_hints.Hex),
        Column("LastErrorValue", int),
        Column("LastStatusValue", format_hints.Hex),
        Column("Problems", str),
        Column("Explanation", str),
    )

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each thread."""
        from process_anatomy.absent import Absent
        from process_anatomy.walk.threads.listed import threads
        from process_anatomy.walk.threads.tebs import tebs

        _, chosen = self.chosen(kernel)
        explain = self.explainer(kernel)
        table = threads(kernel, chosen)
        self.report(table.problems)
        for row in tebs(kernel, table.rows):
            process = row.thread.process
            gone = row.process_id if isinstance(row.process_id, Absent) else row.thread_id
            yield (
                0,
                (
                    process.pid,
                    row.thread.tid,
                    process.name,
                    row.bits,
                    row.address,
                    process.dtb,
                    row.stack_base,
                    row.stack_limit,
                    row.deallocation_stack,
                    gone if isinstance(gone, Absent) else f"{row.process_id}.{row.thread_id}",
                    row.peb,
                    row.last_error,
                    row.last_status,
                    "; ".join(row.problems) or None,
                    explain.teb(row),
                ),
            )
