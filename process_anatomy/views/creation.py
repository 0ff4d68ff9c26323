"""The view of how each process was made."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.views.declaration import ADDRESS, INTEGER, TEXT, TEXTS, TIME, Column, Request, Row, View

STORED = "the command line was read from the compression store"
"""Evidence of a row whose command line was decompressed."""


def rows(request: Request) -> Iterator[Row]:
    """One row for each process."""
    from process_anatomy.absent import NOT_APPLICABLE
    from process_anatomy.notes.security_rows import creation_note

    tables, explain = request.tables, request.explain
    request.chosen()
    for row in tables.creations:
        process, above = row.process, row.parent_token
        stored = (STORED,) if process.address in tables.compressed_command_lines else ()
        yield (
            0,
            {
                "PID": process.pid,
                "PPID": process.ppid,
                "ImageFileName": process.name,
                "Offset(V)": process.address,
                "CreateTime": process.create_time,
                "Parent": row.parent.name,
                "ParentState": row.parent.state,
                "CreatorPID": row.creator.pid,
                "Creator": row.creator.name,
                "Method": row.method,
                "Confidence": row.confidence,
                "TokenChanges": row.changes,
                "Evidence": row.evidence + stored,
                "User": row.token.user_name,
                "ParentUser": above.user_name if above else NOT_APPLICABLE,
                "TokenId": row.token.token_id,
                "ParentTokenId": row.token.parent_token_id,
                "ImagePath": process.image_path,
                "CommandLine": row.peb.command_line,
                "Problems": row.problems,
                "Explanation": explain(creation_note, row),
            },
        )


VIEW = View(
    name="creation",
    title="Judges how each process was made, explained: by whom, with whose token, on what evidence.",
    component="process",
    columns=(
        Column("PID", INTEGER, "the id of the process that was made", "_EPROCESS.UniqueProcessId"),
        Column(
            "PPID",
            INTEGER,
            "the id of the process that it names as its parent",
            "_EPROCESS.InheritedFromUniqueProcessId",
        ),
        Column(
            "ImageFileName", TEXT, "the short name of the program, as the kernel keeps it", "_EPROCESS.ImageFileName"
        ),
        Column(
            "Offset(V)",
            ADDRESS,
            "the virtual address of the process that was made, in system address space",
            "_EPROCESS",
        ),
        Column("CreateTime", TIME, "when the process was made (UTC)", "_EPROCESS.CreateTime"),
        Column(
            "Parent",
            TEXT,
            "the short name of the parent, where the process with its id can be the parent",
            "_EPROCESS.ImageFileName of the parent",
        ),
        Column(
            "ParentState",
            TEXT,
            "what became of the parent: alive, ended, newer, not found, none, unknown",
            "_EPROCESS.CreateTime, ExitTime",
        ),
        Column(
            "CreatorPID",
            INTEGER,
            "the id of the process that asked for the creation, where the build keeps it",
            "_EPROCESS.OwnerProcessId",
        ),
        Column(
            "Creator",
            TEXT,
            "the short name of the process that asked; where it is not the parent, the parent was chosen",
            "_EPROCESS.OwnerProcessId",
        ),
        Column(
            "Method",
            TEXT,
            "the way of creation that the evidence is consistent with",
            "process_anatomy.walk.across.creation",
        ),
        Column("Confidence", TEXT, "how sure that is: high, medium or low", "process_anatomy.walk.across.creation"),
        Column(
            "TokenChanges",
            TEXTS,
            "which parts of its token differ from the parent's token",
            "_TOKEN",
            separator=", ",
            empty="none",
        ),
        Column(
            "Evidence",
            TEXTS,
            "what the judgement rests on, and whether the command line was decompressed",
            "process_anatomy.walk.across.creation",
            empty="",
        ),
        Column("User", TEXT, "the user that the process acts as", "_TOKEN.UserAndGroups"),
        Column("ParentUser", TEXT, "the user that its parent acts as", "_TOKEN.UserAndGroups of the parent"),
        Column("TokenId", INTEGER, "the number (LUID) of its primary token", "_TOKEN.TokenId", hexadecimal=True),
        Column(
            "ParentTokenId",
            INTEGER,
            "the number of the token that its token was cut down from; empty for an original",
            "_TOKEN.ParentTokenId",
            hexadecimal=True,
        ),
        Column(
            "ImagePath",
            TEXT,
            "the full path of the program that the kernel recorded when the process was made",
            "_EPROCESS.SeAuditProcessCreationInfo",
        ),
        Column(
            "CommandLine",
            TEXT,
            "the command line in the PEB, which the process itself can change",
            "_RTL_USER_PROCESS_PARAMETERS.CommandLine",
        ),
        Column(
            "Problems",
            TEXTS,
            "what does not fit together in how the process was made",
            "process_anatomy.walk.across.creation",
        ),
        Column(
            "Explanation",
            TEXT,
            "how the process seems to have been made, at the level that --explain asks for",
            "notes, creation-row",
        ),
    ),
    rows=rows,
    telling=("PID", "ImageFileName", "Parent", "PPID", "ParentState", "Creator", "Method", "Confidence", "Evidence"),
    whole=True,
    process="ImageFileName",
    address="Offset(V)",
)
