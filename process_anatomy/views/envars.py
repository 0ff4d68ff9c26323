"""The view of the environment of each process."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.views.declaration import INTEGER, TEXT, TEXTS, Column, Request, Row, View
from process_anatomy.views.sources import BLOCKS, LISTED


def rows(request: Request) -> Iterator[Row]:
    """One row for each variable, and for each block that cannot be read."""
    from process_anatomy.absent import Absent
    from process_anatomy.notes.block_rows import variable_note

    tables, explain = request.tables, request.explain
    request.chosen()
    for row in tables.environments:
        process = row.peb.process
        yield (
            0,
            {
                "PID": process.pid,
                "Process": process.name,
                "Block": row.block if isinstance(row.block, Absent) else f"{row.block:#x}",
                "Variable": row.name,
                "Value": row.value,
                "Bits": row.peb.bits,
                "Problems": row.problems,
                "Explanation": explain(variable_note, row),
            },
        )


VIEW = View(
    name="envars",
    title="Lists each process's environment variables, explained; also of the 32-bit half of 32-bit processes.",
    component="executable-program",
    columns=(
        Column("PID", INTEGER, "the id of the process that was given the variable", "_EPROCESS.UniqueProcessId"),
        Column("Process", TEXT, "the short name of the process that was given the variable", "_EPROCESS.ImageFileName"),
        Column(
            "Block",
            TEXT,
            "where the environment block lies in the process's own address space",
            "_RTL_USER_PROCESS_PARAMETERS.Environment",
        ),
        Column("Variable", TEXT, "the name of the variable", "the environment block"),
        Column("Value", TEXT, "its value", "the environment block, behind the first equals sign"),
        Column(
            "Bits",
            INTEGER,
            "which PEB leads to the block: Windows' own kind, or the 32-bit one of a 32-bit process on 64-bit Windows",
            "_EPROCESS.Peb, _EPROCESS.WoW64Process",
        ),
        Column(
            "Problems",
            TEXTS,
            "what is odd about the string, and what of the block could not be read",
            "process_anatomy.walk.program.environments",
        ),
        Column(
            "Explanation",
            TEXT,
            "what such a variable does, at the level that --explain asks for",
            "notes, environment-row",
        ),
    ),
    rows=rows,
    telling=("PID", "Process", "Bits", "Variable", "Value"),
    address="",
    through=f"{LISTED}; {BLOCKS}; _PEB.ProcessParameters; _RTL_USER_PROCESS_PARAMETERS.Environment, EnvironmentSize",
)
