"""The view of one structure, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from process_anatomy.views.declaration import ADDRESS, INTEGER, TEXT, TEXTS, Column, Option, Request, Row, View

if TYPE_CHECKING:
    from process_anatomy.memory.view import View as MemoryView
    from structs.layout import Build


def rows(request: Request) -> Iterator[Row]:
    """One row for each field, of nested structures below the field that they are."""
    from process_anatomy.errors import RequestError
    from process_anatomy.notes.structure_rows import field_note
    from process_anatomy.walk.across.structures import fields, has_own, of_process, structure_named

    tables, explain = request.tables, request.explain
    kernel, at, depth = tables.kernel, request.options["address"], request.options["depth"]
    want = structure_named(kernel.build, request.options["structure"])
    found: list[tuple[MemoryView, int | None]] = []
    refusals: list[RequestError] = []
    if at is None and not has_own(kernel.build, want.structure):
        found.append((kernel.view, None))
        request.report(
            [f"{want.structure} does not belong to one process: say where with --address; this is its layout"]
        )
    chosen = () if found else request.chosen()
    for process in chosen if tables.pids else chosen[:1]:
        try:
            found.append(of_process(kernel, process, want.structure, at))
        except RequestError as error:
            refusals.append(error)
            continue
        if at is not None:
            break
    if not found and refusals:
        raise refusals[0]
    for view, where in found:
        for row in fields(view, want, where, depth, tables.trust.proved):
            yield (
                row.member.level,
                {
                    "Structure": row.structure,
                    "Offset": row.place.offset if row.place else None,
                    "Field": row.field,
                    "Type": row.type,
                    "Value": (row.text or None) if row.readable else row.value,
                    "Address": row.here,
                    "Meaning": row.meaning or None,
                    "Symbol": row.symbol or None,
                    "Size": row.place.size if row.place else None,
                    "Source": row.source or None,
                    "Problems": (row.problem,) if row.problem else (),
                    "Explanation": explain(field_note, row),
                },
            )
    request.report([str(refusal) for refusal in refusals] + cut_off(kernel.build, want.structure))


def cut_off(build: Build, structure: str) -> list[str]:
    """One line where not all fields of a structure are known, else none."""
    from structs.members import cut_short

    return [f"of {structure} not all fields are known: the facts of this build leave some out"] * cut_short(
        build, structure
    )


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
        Column(
            "Field",
            TEXT,
            "the name that the other views have for the field; where none of them reads it, its symbol",
            "structs",
        ),
        Column("Type", TEXT, "its type as symbols have it; of a part of a unit, which bits", "structs.published"),
        Column(
            "Value",
            TEXT,
            "what the field holds; empty without an object, where bytes are missing, and of a structure within",
            "structs.layout",
        ),
        Column(
            "Address",
            ADDRESS,
            "the virtual address of the field; empty where only the layout is shown",
            "structs.layout",
        ),
        Column("Meaning", TEXT, "what the field is for, in one line; empty where no other view reads it", "structs"),
        Column(
            "Symbol",
            TEXT,
            "the field's whole name as symbols have it, to be typed into a debugger; empty where they do not have it",
            "structs.published",
        ),
        Column("Size", INTEGER, "how many bytes the field has; of a part of a unit, the unit", "structs", unit="bytes"),
        Column(
            "Source",
            TEXT,
            "what its place rests on: facts of this very kernel, its code, known fields around it, or only a neighbour",
            "structs.mending",
        ),
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
    telling=("Offset", "Field", "Type", "Value"),
    version=(1, 1, 0),
    options=(
        Option("structure", TEXT, "Name of the structure, or of a member that is one: _EPROCESS.Vm", "_EPROCESS"),
        Option("address", ADDRESS, "Address of the structure"),
        Option("depth", INTEGER, "Levels of nested structures that are opened", 0),
    ),
    process="",
    address="Address",
    through="",
)
