"""The view of the privileges of tokens."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.views.declaration import ADDRESS, INTEGER, TEXT, TEXTS, Column, Option, Request, Row, View
from process_anatomy.views.sources import TOKENS

STATES = ("present", "enabled", "default")


def rows(request: Request) -> Iterator[Row]:
    """One row for each privilege of each token; one row for a token that could not be read."""
    from process_anatomy.absent import Absent
    from process_anatomy.notes.security_rows import privilege_note, privilege_title, token_note
    from process_anatomy.walk.security.privileges import Privilege, privileges

    tables, explain = request.tables, request.explain
    request.chosen()
    request.report(tables.threads.problems)
    descriptions = request.privilege_descriptions()
    for row in privileges(tables.tokens):
        if not isinstance(row, Privilege):
            masks = row.present, row.enabled, row.default
            gone = next((value for value in masks if isinstance(value, Absent)), None)
            problems = row.privilege_problems if gone is None else row.problems
            yield (
                0,
                VIEW.all(gone)
                | {
                    "PID": row.process.pid,
                    "Process": row.process.name,
                    "TID": row.tid,
                    "Token": row.address,
                    "Problems": problems or (str(gone),),
                    "Explanation": explain(token_note, row, tables.number),
                },
            )
            continue
        yield (
            0,
            {
                "PID": row.token.process.pid,
                "Process": row.token.process.name,
                "Value": row.value,
                "Privilege": row.name or None,
                "Attributes": row.attributes,
                "Description": descriptions.get(row.value) or privilege_title(row, explain.library) or None,
                "TID": row.token.tid,
                "Token": row.token.address,
                "Problems": (row.problem,) if row.problem else (),
                "Explanation": explain(privilege_note, row, explain.library),
            },
        )


VIEW = View(
    name="privileges",
    title="Lists what each process, and each thread that impersonates, may do, explained, without symbols.",
    component="security-context",
    columns=(
        Column("PID", INTEGER, "the id of the process whose token holds the privilege", "_EPROCESS.UniqueProcessId"),
        Column("Process", TEXT, "the short name of the process whose token this is", "_EPROCESS.ImageFileName"),
        Column(
            "Value",
            INTEGER,
            "the number (LUID) of the privilege, which is also its bit in the token",
            "_TOKEN.Privileges",
        ),
        Column(
            "Privilege", TEXT, "the name of the privilege as programs use it", "Microsoft Learn, Privilege Constants"
        ),
        Column(
            "Attributes",
            TEXT,
            "how the token holds it: present, enabled, enabled by default",
            "_TOKEN.Privileges.Present, Enabled, EnabledByDefault; before Windows Vista "
            "_LUID_AND_ATTRIBUTES.Attributes",
        ),
        Column("Description", TEXT, "what the holder of the privilege may do", "notes, privilege"),
        Column(
            "TID",
            INTEGER,
            "the id of the thread that impersonates with the token; empty for the process's own token",
            "_ETHREAD.Cid",
        ),
        Column("Token", ADDRESS, "the address of the token that was read for this privilege", "_EPROCESS.Token"),
        Column(
            "Problems",
            TEXTS,
            "what could not be read of the token's privileges, and why",
            "address space, reason for missing bytes",
        ),
        Column(
            "Explanation",
            TEXT,
            "what it means that the process holds the privilege in this state, at the level of --explain",
            "notes, privilege-state",
        ),
    ),
    rows=rows,
    telling=("PID", "Process", "Privilege", "Attributes", "TID"),
    options=(
        Option("privilege", TEXT, "Only privileges with this in their name: SeDebug", columns=("Privilege",)),
        Option("state", TEXT, "Only privileges in this state", None, STATES, columns=("Attributes",)),
    ),
    address="Token",
    through=TOKENS,
)
