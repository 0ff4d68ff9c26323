"""The view of the Windows subsystem's own list of processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from process_anatomy.views.declaration import ADDRESS, INTEGER, TEXT, TEXTS, Cells, Column, Request, Row, View

if TYPE_CHECKING:
    from process_anatomy.notes.explainer import Explainer
    from process_anatomy.walk.crossview.csr_processes import CsrProcess
    from process_anatomy.walk.crossview.csr_roots import CsrRoot


def rows(request: Request) -> Iterator[Row]:
    """One row for each CSR_PROCESS, and for each csrss.exe whose list was not found."""
    tables = request.tables
    request.chosen()
    request.progress(40, "Looking for the subsystem's list")
    table, wanted = tables.csrss, tables.pids
    request.report(table.problems)
    for root in table.roots:
        own = [row for row in table.rows if row.server is root.process]
        asked = not wanted or root.process.pid in wanted
        for row in own:
            if asked or row.pid in wanted:
                yield 0, _entry(root, row, len(own) - 1, request.explain)
        if not own and asked:
            yield 0, _gap(root, request.explain)


def _entry(root: CsrRoot, row: CsrProcess, others: int, explain: Explainer) -> Cells:
    """An entry of a list that has so many others."""
    from process_anatomy.notes.thread_rows import csr_note

    client = row.process
    return {
        "PID": root.process.pid,
        "Process": root.process.name,
        "SessionId": row.session,
        "Offset": row.address,
        "DTB": root.process.dtb,
        "ClientPID": row.pid,
        "ClientTID": row.tid,
        "Client": client.name if client else None,
        "EPROCESS": client.address if client else None,
        "Threads": len(row.threads),
        "ThreadIds": [str(thread.tid) for thread in row.threads if isinstance(thread.tid, int)],
        "Flags": row.flag_names,
        "SequenceNumber": row.sequence,
        "ProcessHandle": row.handle,
        "HandleTo": row.target,
        "TiedBy": row.tied_by,
        "LogonSession": row.luid,
        "NtSession": row.nt_session,
        "ClientPort": row.client_port,
        "ClientViewBase": row.view_base,
        "ReferenceCount": row.references,
        "ProcessGroupId": row.group_id,
        "ShutdownLevel": row.shutdown_level,
        "ShutdownFlags": row.shutdown_flags,
        "CsrRootProcess": root.variable,
        "SeenBy": row.seen_by,
        "Problems": row.problems,
        "Explanation": explain(csr_note, row, others),
    }


def _gap(root: CsrRoot, explain: Explainer) -> Cells:
    """A csrss.exe whose list was not found."""
    from process_anatomy.absent import NOT_APPLICABLE, Absent
    from process_anatomy.notes.thread_rows import csr_gap_note

    return VIEW.all(root.node if isinstance(root.node, Absent) else NOT_APPLICABLE) | {
        "PID": root.process.pid,
        "Process": root.process.name,
        "SessionId": root.process.session,
        "DTB": root.process.dtb,
        "Problems": root.problems,
        "Explanation": explain(csr_gap_note, root),
    }


VIEW = View(
    name="csrss",
    title="Lists the CSR_PROCESSes that each csrss.exe keeps in its own address space, explained.",
    component="process",
    columns=(
        Column("PID", INTEGER, "the id of the csrss.exe that keeps the list", "_EPROCESS.UniqueProcessId"),
        Column("Process", TEXT, "the short name of the process that keeps the list", "_EPROCESS.ImageFileName"),
        Column("SessionId", INTEGER, "the session that this csrss.exe serves", "_EPROCESS.Session"),
        Column("Offset", ADDRESS, "where the entry lies, in csrss.exe's own address space", "CSR_PROCESS"),
        Column(
            "DTB",
            ADDRESS,
            "the page-table root that the entry was read through",
            "_KPROCESS.DirectoryTableBase of csrss.exe",
        ),
        Column("ClientPID", INTEGER, "the process id that the entry says", "CSR_PROCESS.ClientId"),
        Column(
            "ClientTID",
            INTEGER,
            "the thread id that the entry says: the first thread of its process",
            "CSR_PROCESS.ClientId",
        ),
        Column(
            "Client",
            TEXT,
            "the short name of the process with that id; empty where the active list has none",
            "_EPROCESS.ImageFileName",
        ),
        Column("EPROCESS", ADDRESS, "where the kernel's object of that process lies", "_EPROCESS"),
        Column("Threads", INTEGER, "how many CSR_THREADs the entry lists", "CSR_PROCESS.ThreadList"),
        Column("ThreadIds", TEXTS, "the ids of those threads", "CSR_THREAD.ClientId", separator=" "),
        Column("Flags", TEXT, "what csrss.exe noted of the process, by name", "CSR_PROCESS.Flags"),
        Column(
            "SequenceNumber",
            INTEGER,
            "the number of the entry, counted since csrss.exe started",
            "CSR_PROCESS.SequenceNumber",
        ),
        Column(
            "ProcessHandle",
            INTEGER,
            "the handle of the process in csrss.exe's handle table; all bits set for csrss.exe itself",
            "CSR_PROCESS.ProcessHandle",
            hexadecimal=True,
        ),
        Column(
            "HandleTo",
            ADDRESS,
            "what that handle leads to in csrss.exe's handle table: the process object; empty for csrss.exe itself",
            "_HANDLE_TABLE of csrss.exe",
        ),
        Column(
            "TiedBy",
            TEXTS,
            "what leads from the entry to the process: its id, its handle, or both",
            "process_anatomy.walk.crossview.csr_processes",
            separator=", ",
        ),
        Column("LogonSession", INTEGER, "the logon session that the entry names", "CSR_PROCESS.Luid", hexadecimal=True),
        Column(
            "NtSession",
            INTEGER,
            "where csrss.exe keeps what it knows of the session",
            "CSR_PROCESS.NtSession",
            hexadecimal=True,
        ),
        Column("ClientPort", ADDRESS, "the handle of the port to the process", "CSR_PROCESS.ClientPort"),
        Column(
            "ClientViewBase", ADDRESS, "where the memory for messages lies in the process", "CSR_PROCESS.ClientViewBase"
        ),
        Column("ReferenceCount", INTEGER, "how many parts of csrss.exe use the entry", "CSR_PROCESS.ReferenceCount"),
        Column("ProcessGroupId", INTEGER, "the console group of the process", "CSR_PROCESS.ProcessGroupId"),
        Column(
            "ShutdownLevel",
            INTEGER,
            "when the process is asked to end at shutdown, higher levels first",
            "CSR_PROCESS.ShutdownLevel",
        ),
        Column(
            "ShutdownFlags",
            INTEGER,
            "how the process is asked to end at shutdown",
            "CSR_PROCESS.ShutdownFlags",
            hexadecimal=True,
        ),
        Column(
            "CsrRootProcess",
            ADDRESS,
            "where csrsrv.dll keeps the pointer with which the list begins",
            "csrsrv.dll, CsrRootProcess",
        ),
        Column(
            "SeenBy", TEXTS, "the directions of the list that reached the entry", "CSR_PROCESS.ListLink", separator=", "
        ),
        Column(
            "Problems",
            TEXTS,
            "what contradicts the entry, and what could not be had of it",
            "process_anatomy.walk.crossview.csr_processes",
        ),
        Column("Explanation", TEXT, "what this entry is, at the level that --explain asks for", "notes, csr-row"),
    ),
    rows=rows,
    telling=("PID", "Process", "ClientPID", "Client", "Threads", "SessionId", "SeenBy"),
)
