"""The view of security attributes and claims of tokens."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.absent import Absent
from process_anatomy.views.declaration import ADDRESS, INTEGER, TEXT, TEXTS, Column, Request, Row, View
from process_anatomy.views.sources import TOKENS


def rows(request: Request) -> Iterator[Row]:
    """One row for each value; one row for an attribute without a value, or that is not proved."""
    from process_anatomy.notes.security_rows import attribute_note

    explain, found = request.explain, request.security()
    for row in found.claims.attributes:
        for index, value in enumerate(row.values or (None,)):
            text = value.hex() if isinstance(value, bytes) else value
            yield (
                0,
                {
                    "PID": row.token.process.pid,
                    "TID": row.token.tid,
                    "Process": row.token.process.name,
                    "Kind": row.kind,
                    "Name": row.name,
                    "ValueType": row.type,
                    "Index": index if row.values else None,
                    "Value": text if text is None or isinstance(text, Absent) else str(text),
                    "Flags": row.flags,
                    "HeldBy": "logon session" if row.shared else "token",
                    "Offset": row.address,
                    "Problems": row.problems,
                    "Explanation": explain(attribute_note, row, index, explain.library),
                },
            )


VIEW = View(
    name="claims",
    title="Lists the security attributes and claims of each token, explained, one row for each value.",
    component="security-context",
    columns=(
        Column("PID", INTEGER, "the id of the process whose token has the attribute", "_EPROCESS.UniqueProcessId"),
        Column(
            "TID",
            INTEGER,
            "the id of the thread whose impersonation token has it; empty for the primary token",
            "_ETHREAD.Cid",
        ),
        Column(
            "Process", TEXT, "the short name of the process whose token has the attribute", "_EPROCESS.ImageFileName"
        ),
        Column(
            "Kind",
            TEXT,
            "security attribute, or a claim about the user or the device, plain or restricting",
            "_TOKEN.pSecurityAttributes, pClaimAttributes",
        ),
        Column(
            "Name",
            TEXT,
            "the name of the attribute, for instance WIN://SYSAPPID",
            "process_anatomy.walk.security.attributes",
        ),
        Column(
            "ValueType",
            TEXT,
            "what its values are: numbers, texts, SIDs, bytes and so on",
            "Microsoft Learn, CLAIM_SECURITY_ATTRIBUTE_V1",
        ),
        Column(
            "Index",
            INTEGER,
            "which of its values the row shows, counted from 0",
            "process_anatomy.walk.security.attributes",
        ),
        Column(
            "Value",
            TEXT,
            "the value, bytes in hexadecimal; empty where there is none",
            "process_anatomy.walk.security.attributes",
        ),
        Column(
            "Flags",
            TEXT,
            "flags of the attribute: not inheritable, for denying only, disabled and so on",
            "Microsoft Learn, CLAIM_SECURITY_ATTRIBUTE_V1",
        ),
        Column(
            "HeldBy",
            TEXT,
            "whether the token itself holds it or shares it with its logon session",
            "_TOKEN.pClaimAttributes, _SEP_LOGON_SESSION_REFERENCES.SharedClaimAttributes",
        ),
        Column(
            "Offset",
            ADDRESS,
            "the virtual address of the attribute, in system address space",
            "process_anatomy.walk.security.attributes",
        ),
        Column(
            "Problems",
            TEXTS,
            "what could not be read of the attribute, or is not proved to be one",
            "address space, reason for missing bytes; process_anatomy.walk.security.attributes",
        ),
        Column(
            "Explanation",
            TEXT,
            "what the attribute says about the process, at the level that --explain asks for",
            "notes, attribute-row and attribute",
        ),
    ),
    rows=rows,
    telling=("PID", "Process", "Name", "Value", "Kind", "TID"),
    through=f"{TOKENS}; _AUTHZBASEP_SECURITY_ATTRIBUTES_INFORMATION.SecurityAttributeCount, SecurityAttributesList",
)
