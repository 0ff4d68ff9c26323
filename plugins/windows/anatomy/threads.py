"""The plugin windows.anatomy.threads: every thread, what it does, and where it starts."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.volatility import Anatomy, Column, format_hints, short_address

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class Threads(Anatomy, interfaces.plugins.PluginInterface):
    """Lists threads, explained: state, wait, flags, token, and the module, driver or memory that each starts in."""

    _version = (1, 0, 0)
    columns = (
        Column("Offset", format_hints.Hex),
        Column("PID", int),
        Column("TID", int),
        Column("StartAddress", format_hints.Hex),
        Column("StartPath", str),
        Column("Win32StartAddress", format_hints.Hex),
        Column("Win32StartPath", str),
        Column("CreateTime", datetime.datetime),
        Column("ExitTime", datetime.datetime),
        Column("Process", str),
        Column("Name", str),
        Column("State", str),
        Column("WaitReason", str),
        Column("Priority", int),
        Column("BasePriority", int),
        Column("SuspendCount", int),
        Column("ExitStatus", format_hints.Hex),
        Column("TEB", format_hints.Hex),
        Column("KernelStack", format_hints.Hex),
        Column("InitialStack", format_hints.Hex),
        Column("StackLimit", format_hints.Hex),
        Column("CrossThreadFlags", format_hints.Hex),
        Column("Flags", str),
        Column("ImpersonationToken", format_hints.Hex),
        Column("ImpersonationLevel", int),
        Column("Attached", format_hints.Hex),
        Column("StartIn", str),
        Column("StartProtection", str),
        Column("Win32StartIn", str),
        Column("Win32StartProtection", str),
        Column("Alarm", str),
        Column("Problems", str),
        Column("Explanation", str),
    )

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each thread."""
        from process_anatomy.absent import Absent
        from process_anatomy.walk.across.starts import placed_threads

        _, chosen = self.chosen(kernel)
        self.progress(40, "Walking threads")
        found = placed_threads(kernel, chosen)
        self.report(found.problems)
        explain = self.explainer(kernel)
        for row in found.rows:
            facts, thread = row.facts, row.facts.thread
            status = facts.exit_status
            yield (
                0,
                (
                    short_address(thread.address),
                    thread.process.pid,
                    thread.tid,
                    short_address(facts.start),
                    row.start.path,
                    short_address(facts.win32_start),
                    row.win32.path,
                    facts.create_time,
                    facts.exit_time,
                    thread.process.name,
                    facts.name,
                    facts.state,
                    facts.wait_reason,
                    facts.priority,
                    facts.base_priority,
                    facts.suspend_count,
                    status if isinstance(status, Absent) else status & 0xFFFFFFFF,
                    facts.teb,
                    short_address(facts.kernel_stack),
                    short_address(facts.initial_stack),
                    short_address(facts.stack_limit),
                    facts.flags,
                    facts.flag_names if isinstance(facts.flag_names, Absent) else " ".join(facts.flag_names),
                    short_address(thread.client_token),
                    thread.level,
                    short_address(facts.attached),
                    row.start.kind,
                    row.start.protection,
                    row.win32.kind,
                    row.win32.protection,
                    row.alarm,
                    "; ".join(row.problems) or None,
                    explain.thread(row),
                ),
            )
