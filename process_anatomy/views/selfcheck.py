"""The view of how far the layout fits this image, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from process_anatomy.views.declaration import ADDRESS, INTEGER, TEXT, TEXTS, Column, Request, Row, View

if TYPE_CHECKING:
    from process_anatomy.walk.across.tables import Tables


def rows(request: Request) -> Iterator[Row]:
    """The verdict, and below it one row for each check."""
    from process_anatomy.notes.layout_rows import check_row, verdict_row

    tables, explain = request.tables, request.explain
    proof, build = tables.proof, tables.kernel.build
    yield (
        0,
        VIEW.all(None)
        | {
            "Check": "verdict",
            "Result": proof.verdict.value,
            "Passed": proof.passed,
            "Failed": proof.failed,
            "Unreadable": proof.unreadable,
            "Source": rests_on(tables),
            "Explanation": explain(verdict_row, proof, build.name, tables.kernel.file),
        },
    )
    for check in proof.checks:
        place = build.place(check.structure, check.field)
        yield (
            1,
            {
                "Check": check.id,
                "Result": check.outcome.value,
                "Structure": check.structure,
                "Field": check.field or None,
                "Place": place.offset if place else None,
                "Space": check.space,
                "Passed": check.passed,
                "Failed": check.failed,
                "Unreadable": check.unreadable,
                "FirstFailure": check.first,
                "Source": tables.source(check.structure, check.field) if place else None,
                "Problems": (check.problem,) if check.problem else (),
                "Explanation": explain(check_row, check, explain.library),
            },
        )


def rests_on(tables: Tables) -> str:
    """How many fields of a layout rest on what, the surest first, in words; without those that are proved first."""
    from collections import Counter

    from structs.mending import SOURCES
    from structs.places import FACTS, PROVED, SYMBOLS

    build, surest_first = tables.kernel.build, (FACTS, SYMBOLS, PROVED, *SOURCES)
    counts = Counter(
        tables.source(structure, field)
        for structure, fields in build.places.items()
        if structure not in build.natural
        for field in fields
    )
    order = sorted(counts, key=surest_first.index)
    return ", ".join(f"{source} {counts[source]}" for source in order)


def doubt(tables: Tables) -> str:
    """Why the layout is not to be trusted, by all checks; empty where it is."""
    return tables.proof.reason or tables.trust.reason


VIEW = View(
    name="selfcheck",
    title="Shows how far the structure layout fits this image: what must be true of it, and at how many objects it is.",
    component="process",
    columns=(
        Column(
            "Check",
            TEXT,
            "what must be true; the first row is the verdict of all of them",
            "process_anatomy.kernel.selfproof",
        ),
        Column(
            "Result",
            TEXT,
            "whether it is so: fits, fits mostly, does not fit, not checked; of the first row, the verdict",
            "process_anatomy.kernel.selfproof",
        ),
        Column("Structure", TEXT, "the structure that the check is about", "process_anatomy.kernel.selfproof"),
        Column(
            "Field",
            TEXT,
            "the field that it backs; empty where it is the structure's size",
            "process_anatomy.kernel.selfproof",
        ),
        Column(
            "Place",
            INTEGER,
            "bytes from the start of the structure to the field, in this layout",
            "structs/offsets",
            hexadecimal=True,
            unit="bytes",
        ),
        Column(
            "Space",
            TEXT,
            "the address space that the objects are in: system or user",
            "process_anatomy.kernel.selfproof",
        ),
        Column("Passed", INTEGER, "at how many objects it is so", "process_anatomy.kernel.selfproof"),
        Column("Failed", INTEGER, "at how many objects it is not so", "process_anatomy.kernel.selfproof"),
        Column(
            "Unreadable",
            INTEGER,
            "at how many objects it cannot be told, for they could not be read",
            "process_anatomy.kernel.selfproof",
        ),
        Column(
            "FirstFailure",
            ADDRESS,
            "the address of the field at the first object where it is not so",
            "process_anatomy.kernel.selfproof",
        ),
        Column(
            "Source",
            TEXT,
            "what the field's place rests on, as in dt; of the first row, how many fields of the layout rest on what",
            "structs.mending",
        ),
        Column(
            "Problems",
            TEXTS,
            "what speaks against the layout, or against some of the objects",
            "process_anatomy.kernel.selfproof",
        ),
        Column(
            "Explanation",
            TEXT,
            "why it must be so and what its outcome means, at the level that --explain asks for",
            "notes of the suite",
        ),
    ),
    rows=rows,
    telling=("Check", "Result", "Structure", "Field", "Passed", "Failed"),
    version=(1, 1, 0),
    by_process=False,
    doubt=doubt,
    process="",
    address="",
    through="",
)
