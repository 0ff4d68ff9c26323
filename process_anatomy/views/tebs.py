"""The view of what each thread environment block says."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.views.declaration import ADDRESS, INTEGER, TEXT, TEXTS, Column, Request, Row, View
from process_anatomy.views.sources import LISTED, THREADS


def rows(request: Request) -> Iterator[Row]:
    """One row for each thread."""
    from process_anatomy.absent import Absent
    from process_anatomy.notes.block_rows import teb_note

    tables, explain = request.tables, request.explain
    request.chosen()
    request.report(tables.threads.problems)
    for row in tables.tebs:
        process = row.thread.process
        gone = row.process_id if isinstance(row.process_id, Absent) else row.thread_id
        yield (
            0,
            {
                "PID": process.pid,
                "TID": row.thread.tid,
                "Process": process.name,
                "Bits": row.bits,
                "TEB": row.address,
                "DTB": process.dtb,
                "StackBase": row.stack_base,
                "StackLimit": row.stack_limit,
                "DeallocationStack": row.deallocation_stack,
                "ClientId": gone if isinstance(gone, Absent) else f"{row.process_id}.{row.thread_id}",
                "PEB": row.peb,
                "LastErrorValue": row.last_error,
                "LastStatusValue": row.last_status,
                "Problems": row.problems,
                "Explanation": explain(teb_note, row),
            },
        )


VIEW = View(
    name="tebs",
    title="Shows each thread's TEB, explained: its stack, and what it repeats of the kernel's record.",
    component="threads",
    columns=(
        Column("PID", INTEGER, "the id of the process that the thread belongs to", "_EPROCESS.UniqueProcessId"),
        Column("TID", INTEGER, "the id of the thread that the TEB belongs to", "_ETHREAD.Cid.UniqueThread"),
        Column("Process", TEXT, "the short name of the process that the thread belongs to", "_EPROCESS.ImageFileName"),
        Column(
            "Bits",
            INTEGER,
            "of the TEB's own pointers: those of Windows itself, or 32 for the second one of a WOW64 process's thread",
            "_TEB.WowTebOffset; before Windows 10 _NT_TIB.ExceptionList of the 64-bit one",
        ),
        Column(
            "TEB",
            ADDRESS,
            "where the TEB lies in the process's own address space; empty for threads that never leave the kernel",
            "_KTHREAD.Teb",
        ),
        Column(
            "DTB",
            ADDRESS,
            "the page-table root that the TEB was read through",
            "_KPROCESS.DirectoryTableBase of the thread's process",
        ),
        Column("StackBase", ADDRESS, "the upper end of the thread's user stack", "_TEB.NtTib.StackBase"),
        Column("StackLimit", ADDRESS, "the lowest address of the stack that is committed", "_TEB.NtTib.StackLimit"),
        Column("DeallocationStack", ADDRESS, "where the stack's whole range begins", "_TEB.DeallocationStack"),
        Column("ClientId", TEXT, "process id and thread id as the TEB tells them to user code", "_TEB.ClientId"),
        Column("PEB", ADDRESS, "where the TEB says that the process's PEB lies", "_TEB.ProcessEnvironmentBlock"),
        Column(
            "LastErrorValue",
            INTEGER,
            "the error code of the last Windows call of the thread that failed",
            "_TEB.LastErrorValue",
        ),
        Column(
            "LastStatusValue",
            INTEGER,
            "the status of the last native call of the thread that failed",
            "_TEB.LastStatusValue",
            hexadecimal=True,
        ),
        Column(
            "Problems",
            TEXTS,
            "what the TEB says otherwise than the kernel, and what could not be read",
            "process_anatomy.walk.threads.tebs",
        ),
        Column("Explanation", TEXT, "what this TEB is, at the level that --explain asks for", "notes, teb-row"),
    ),
    rows=rows,
    telling=("PID", "Process", "TID", "Bits", "TEB", "StackBase", "StackLimit", "LastErrorValue"),
    address="TEB",
    through=f"{LISTED}, DirectoryTableBase; {THREADS}; _KTHREAD.Teb",
)
