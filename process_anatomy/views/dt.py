"""The view of one structure, field by field."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.views.declaration import ADDRESS, INTEGER, TEXT, TEXTS, Column, Option, Request, Row, View


def rows(request: Request) -> Iterator[Row]:
    """One row for each field."""
    from process_anatomy.errors import RequestError
    from process_anatomy.notes.structure_rows import field_note
    from process_anatomy.walk.across.structures import fields, layout_named, of_process

    tables, explain = request.tables, request.explain
    layout = layout_named(request.options["structure"])
    chosen = request.chosen()
    if not tables.pids:
        chosen = chosen[:1]
    at = request.options["address"]
    shown = 0
    refusals: list[RequestError] = []
    for process in chosen:
        try:
            view, where = of_process(tables.kernel, process, layout, at)
        except RequestError as error:
            refusals.append(error)
            continue
        shown += 1
        for row in fields(view, layout, where):
            yield (
                0,
                {
                    "Structure": row.layout.name,
                    "Offset": row.place.offset if row.place else None,
                    "Field": row.field,
                    "Type": row.type,
                    "Value": row.text if row.readable else row.value,
                    "Address": row.address + row.place.offset if row.place else None,
                    "Meaning": row.meaning,
                    "Problems": (row.problem,) if row.problem else (),
                    "Explanation": explain(field_note, row),
                },
            )
        if at is not None:
            break
    if not shown and refusals:
        raise refusals[0]
    request.report([str(refusal) for refusal in refusals])


VIEW = View(
    name="dt",
    title="Shows a structure field by field, like a debugger's dt: at an address, or that of a process.",
    component="process",
    columns=(
        Column("Structure", TEXT, "the Windows structure that the field belongs to", "structs"),
        Column(
            "Offset",
            INTEGER,
            "how many bytes into the structure the field lies, in this image's build",
            "structs, offsets of the build",
            hexadecimal=True,
            unit="bytes",
        ),
        Column("Field", TEXT, "the name of the field as the structure's declaration has it", "structs"),
        Column(
            "Type", TEXT, "how the bytes are read: number, address, time, list link, string and so on", "structs.layout"
        ),
        Column(
            "Value",
            TEXT,
            "what the field holds in this image; empty where no object was asked for or the bytes are missing",
            "structs.layout",
        ),
        Column(
            "Address",
            ADDRESS,
            "the virtual address of the field; empty where only the layout is shown",
            "structs.layout",
        ),
        Column("Meaning", TEXT, "what the field is for, in one line", "structs"),
        Column(
            "Problems",
            TEXTS,
            "what could not be read of the structure, and why",
            "address space, reason for missing bytes",
        ),
        Column(
            "Explanation",
            TEXT,
            "which part of a process the structure belongs to, at the level that --explain asks for",
            "notes, component and term",
        ),
    ),
    rows=rows,
    options=(
        Option("structure", TEXT, "Name of the structure", "_EPROCESS"),
        Option("address", ADDRESS, "Address of the structure"),
    ),
)
