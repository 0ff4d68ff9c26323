"""The view of the processes of an image."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.views.declaration import (
    ADDRESS,
    BOOLEAN,
    INTEGER,
    TEXT,
    TEXTS,
    TIME,
    Column,
    Moment,
    Request,
    Row,
    View,
)
from process_anatomy.views.sources import LISTED


def rows(request: Request) -> Iterator[Row]:
    """One row for each process, in the order of the active list."""
    from process_anatomy.notes.process_rows import process_note

    tables, explain = request.tables, request.explain
    chosen, kernel = request.chosen(), tables.kernel
    primary = tables.primary if explain.speaks else {}
    for row in chosen:
        yield (
            0,
            {
                "PID": row.pid,
                "PPID": row.ppid,
                "ImageFileName": row.name,
                "Offset(V)": row.address,
                "Threads": row.threads,
                "Handles": row.handles,
                "SessionId": row.session,
                "Wow64": row.wow64,
                "CreateTime": row.create_time,
                "ExitTime": row.exit_time,
                "DTB": row.dtb,
                "PEB": row.peb,
                "VadRoot": row.vad_root,
                "Token": row.token,
                "Protection": row.protection_name,
                "ImagePath": row.image_path,
                "SeenBy": row.seen_by,
                "Layout": kernel.layout,
                "Problems": row.problems,
                "Explanation": explain(process_note, row, tables.kin, primary.get(row.address), kernel.crash),
            },
        )


VIEW = View(
    name="processes",
    title="Lists the processes of an image, explained, without symbols.",
    component="process-id",
    columns=(
        Column(
            "PID",
            INTEGER,
            "the process id, unique among the processes and threads that exist at the same time",
            "_EPROCESS.UniqueProcessId",
        ),
        Column(
            "PPID",
            INTEGER,
            "the id of the process that counts as parent; the number may belong to another process by now",
            "_EPROCESS.InheritedFromUniqueProcessId",
        ),
        Column(
            "ImageFileName",
            TEXT,
            "the short name of the program that the kernel keeps, cut off after 14 characters",
            "_EPROCESS.ImageFileName",
        ),
        Column("Offset(V)", ADDRESS, "the virtual address of the process object, in system address space", "_EPROCESS"),
        Column(
            "Threads",
            INTEGER,
            "how many threads have not ended; none means that nothing can run in the process",
            "_EPROCESS.ActiveThreads",
        ),
        Column(
            "Handles",
            INTEGER,
            "open handles as the handle table's first free list counts them; with several processors the other lists "
            "count more",
            "_HANDLE_TABLE.HandleCount",
        ),
        Column(
            "SessionId",
            INTEGER,
            "the terminal session the process belongs to: 0 for services, empty for none",
            "_EPROCESS.Session; _MM_SESSION_SPACE.SessionId",
        ),
        Column("Wow64", BOOLEAN, "whether it is a 32-bit process on 64-bit Windows", "_EPROCESS.WoW64Process"),
        Column("CreateTime", TIME, "when the process was created (UTC)", "_EPROCESS.CreateTime", moment=Moment.CREATED),
        Column(
            "ExitTime",
            TIME,
            "when the process ended (UTC); empty while it runs",
            "_EPROCESS.ExitTime",
            moment=Moment.ENDED,
        ),
        Column("DTB", ADDRESS, "the physical address of the root of its page tables", "_KPROCESS.DirectoryTableBase"),
        Column(
            "PEB",
            ADDRESS,
            "the address of its process environment block, in its own (user) address space",
            "_EPROCESS.Peb",
        ),
        Column(
            "VadRoot",
            ADDRESS,
            "the address of the root node of its VAD tree, in system address space",
            "_EPROCESS.VadRoot",
        ),
        Column(
            "Token",
            ADDRESS,
            "the address of its primary access token, without the reference count in the lowest bits",
            "_EPROCESS.Token",
        ),
        Column(
            "Protection",
            TEXT,
            "the kind of protected process and the signer that it needs; empty for an ordinary one",
            "_EPROCESS.Protection",
        ),
        Column(
            "ImagePath",
            TEXT,
            "the full path of the program as the kernel recorded it for auditing at creation",
            "_EPROCESS.SeAuditProcessCreationInfo",
        ),
        Column(
            "SeenBy",
            TEXTS,
            "which direction of the list of active processes reached it: forward, backward or both",
            "_EPROCESS.ActiveProcessLinks",
            separator=",",
            empty="",
        ),
        Column(
            "Layout",
            TEXT,
            "exact, partial facts or estimated: how much of the layout is of this very kernel; then the kernel's file",
            "structs.builds",
        ),
        Column(
            "Problems",
            TEXTS,
            "what could not be read of this process, and why",
            "address space, reason for missing bytes",
        ),
        Column(
            "Explanation",
            TEXT,
            "what kind of process this is, at the level that --explain asks for",
            "notes, process-row",
        ),
    ),
    rows=rows,
    telling=("PID", "ImageFileName", "PPID", "CreateTime", "Protection", "ExitTime", "ImagePath"),
    whole=True,
    process="ImageFileName",
    address="Offset(V)",
    thing="process",
    known_by=("ImagePath",),
    through=LISTED,
)
