"""The view of what of each process could be read, and what stood in the way."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.views.declaration import ADDRESS, INTEGER, TEXT, TEXTS, Column, Request, Row, View


def rows(request: Request) -> Iterator[Row]:
    """One row for each process."""
    from process_anatomy.notes.completeness_rows import completeness_note
    from process_anatomy.walk.across.completeness import ADDRESS_SPACE, COMPONENTS, EXECUTABLE, HANDLES, THREADS

    tables, explain = request.tables, request.explain
    request.chosen()
    request.progress(30, "Walking all components")
    request.report(tables.completeness.problems)
    counted = {
        "Nodes": ADDRESS_SPACE,
        "ProgramPages": EXECUTABLE,
        "HandleEntries": HANDLES,
        "ThreadObjects": THREADS,
    }
    for row in tables.completeness.rows:
        parts = row.components
        counts = {column: parts[name] for column, name in counted.items()}
        yield (
            0,
            {
                "PID": row.process.pid,
                "Process": row.process.name,
                "Offset": row.process.address,
                **{name: parts[name].state for name in COMPONENTS},
                **{c: f"{part.found} of {part.expected}" if part.expected else None for c, part in counts.items()},
                "Obstacles": row.obstacles,
                "Problems": row.process.problems,
                "Explanation": explain(completeness_note, row),
            },
        )


VIEW = View(
    name="completeness",
    title="Shows which of the six components of each process could be read whole, in part, or not.",
    component="process",
    columns=(
        Column("PID", INTEGER, "the id of the process that is told of", "_EPROCESS.UniqueProcessId"),
        Column("Process", TEXT, "the short name of the program whose completeness is told", "_EPROCESS.ImageFileName"),
        Column("Offset", ADDRESS, "the address of the process object, without its upper 16 bits", "_EPROCESS"),
        Column(
            "AddressSpace",
            TEXT,
            "whether the VAD tree and the page tables could be read: whole, part, not or none",
            "_EPROCESS.VadRoot, VadCount",
        ),
        Column(
            "Program",
            TEXT,
            "whether PEB, loader's lists and the pages of the program could be read: whole, part, not or none",
            "_EPROCESS.SectionBaseAddress, _PEB",
        ),
        Column(
            "Handles", TEXT, "whether the handle table could be read: whole, part, not or none", "_EPROCESS.ObjectTable"
        ),
        Column(
            "SecurityContext",
            TEXT,
            "whether the primary token could be read: whole, part, not or none",
            "_EPROCESS.Token",
        ),
        Column(
            "ProcessId",
            TEXT,
            "whether id, parent, name and creation time could be read: whole, part, not or none",
            "_EPROCESS",
        ),
        Column(
            "Threads",
            TEXT,
            "whether the list of threads could be read: whole, part, not or none",
            "_EPROCESS.ThreadListHead, ActiveThreads",
        ),
        Column("Nodes", TEXT, "VAD nodes that were read, of those that there should be", "_EPROCESS.VadCount"),
        Column(
            "ProgramPages",
            TEXT,
            "pages of the program that are in memory, of all that it has",
            "SizeOfImage; page tables of the process",
        ),
        Column(
            "HandleEntries", TEXT, "handles that were read, of those that the table counts", "_HANDLE_TABLE.HandleCount"
        ),
        Column(
            "ThreadObjects", TEXT, "threads that were read, of those that the process counts", "_EPROCESS.ActiveThreads"
        ),
        Column(
            "Obstacles",
            TEXTS,
            "what stood in the way, with counts, for each component that is not whole",
            "reasons given by the address space",
        ),
        Column(
            "Problems",
            TEXTS,
            "what is odd about the process object, or could not be read of it",
            "comparison of the walk",
        ),
        Column(
            "Explanation",
            TEXT,
            "what the image can and cannot tell of the process, at the level that --explain asks for",
            "the study note",
        ),
    ),
    rows=rows,
    telling=("PID", "Process", "AddressSpace", "Program", "Handles", "SecurityContext", "ProcessId", "Threads"),
    whole=True,
)
