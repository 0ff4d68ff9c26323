"""The plugin windows.anatomy.csrss: the Windows subsystem's own list of processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.volatility import Anatomy, Column, format_hints, process_ids, short_address

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class Csrss(Anatomy, interfaces.plugins.PluginInterface):
    """Lists the CSR_PROCESSes that each csrss.exe keeps in its own address space, explained."""

    _version = (1, 0, 0)
    columns = (
        Column("PID", int),
        Column("Process", str),
        Column("SessionId", int),
        Column("Offset", format_hints.Hex),
        Column("DTB", format_hints.Hex),
        Column("ClientPID", int),
        Column("ClientTID", int),
        Column("Client", str),
        Column("EPROCESS", format_hints.Hex),
        Column("Threads", int),
        Column("ThreadIds", str),
        Column("Flags", str),
        Column("SequenceNumber", int),
        Column("ProcessHandle", format_hints.Hex),
        Column("HandleTo", format_hints.Hex),
        Column("TiedBy", str),
        Column("LogonSession", format_hints.Hex),
        Column("NtSession", format_hints.Hex),
        Column("ClientPort", format_hints.Hex),
        Column("ClientViewBase", format_hints.Hex),
        Column("ReferenceCount", int),
        Column("ProcessGroupId", int),
        Column("ShutdownLevel", int),
        Column("ShutdownFlags", format_hints.Hex),
        Column("CsrRootProcess", format_hints.Hex),
        Column("SeenBy", str),
        Column("Problems", str),
        Column("Explanation", str),
    )

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each CSR_PROCESS, and for each csrss.exe whose list was not found."""
        from process_anatomy.absent import NOT_APPLICABLE, Absent
        from process_anatomy.walk.crossview.csr_processes import csrss

        everyone, _ = self.chosen(kernel)
        wanted = process_ids(self.config["pid"])
        self.progress(40, "Looking for the subsystem's list")
        table = csrss(kernel, everyone)
        self.report(table.problems)
        explain = self.explainer(kernel)
        for root in table.roots:
            process = root.process
            own = [row for row in table.rows if row.server is process]
            for row in own:
                if wanted and process.pid not in wanted and row.pid not in wanted:
                    continue
                client = row.process
                yield (
                    0,
                    (
                        process.pid,
                        process.name,
                        row.session,
                        row.address,
                        process.dtb,
                        row.pid,
                        row.tid,
                        client.name if client else None,
                        short_address(client.address) if client else None,
                        len(row.threads),
                        " ".join(str(t.tid) for t in row.threads if isinstance(t.tid, int)) or None,
                        row.flag_names,
                        row.sequence,
                        row.handle,
                        short_address(row.target),
                        ", ".join(row.tied_by) or None,
                        row.luid,
                        row.nt_session,
                        row.client_port,
                        row.view_base,
                        row.references,
                        row.group_id,
                        row.shutdown_level,
                        row.shutdown_flags,
                        root.variable,
                        ", ".join(row.seen_by) or None,
                        "; ".join(row.problems) or None,
                        explain.csr_process(row, len(own) - 1),
                    ),
                )
            if not own and (not wanted or process.pid in wanted):
                gone = root.node if isinstance(root.node, Absent) else NOT_APPLICABLE
                facts = [gone] * (len(self.columns) - 7)
                yield (
                    0,
                    (
                        process.pid,
                        process.name,
                        process.session,
                        gone,
                        process.dtb,
                        *facts,
                        "; ".join(root.problems) or None,
                        explain.csr_gap(root),
                    ),
                )
