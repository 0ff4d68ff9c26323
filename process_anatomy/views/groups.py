"""The view of every SID of every token."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.views.declaration import ADDRESS, INTEGER, TEXT, TEXTS, Column, Request, Row, View
from process_anatomy.views.sources import ACCOUNTS, SIDS, TOKENS


def rows(request: Request) -> Iterator[Row]:
    """One row for each SID; one row for a token whose SIDs could not be read."""
    from process_anatomy.absent import NOT_APPLICABLE, Absent
    from process_anatomy.notes.security_rows import group_note, token_note
    from process_anatomy.walk.security.groups import Group, groups

    explain, found = request.explain, request.security()
    for row in groups(found.tokens, found.claims):
        token = row.token if isinstance(row, Group) else row
        who = {
            "PID": token.process.pid,
            "Process": token.process.name,
            "TID": token.tid,
            "Token": token.address,
        }
        if not isinstance(row, Group):
            gone = row.sids if isinstance(row.sids, Absent) else NOT_APPLICABLE
            yield (
                0,
                VIEW.all(None)
                | dict.fromkeys(("SID", "Name", "Attributes"), gone)
                | who
                | {
                    "Problems": token.problems or (str(gone),),
                    "Explanation": explain(token_note, token, request.tables.number),
                },
            )
            continue
        sid = row.sid
        name = "" if isinstance(sid, Absent) else found.names.name(sid)
        yield (
            0,
            {
                **who,
                "SID": sid,
                "Name": sid if isinstance(sid, Absent) else name or None,
                "NameSource": None if isinstance(sid, Absent) else found.names.source(sid) or None,
                "Kind": row.kind,
                "Attributes": row.attributes,
                "Role": row.roles,
                "Problems": row.problems,
                "Explanation": explain(group_note, row, name, request.tables.number),
            },
        )


VIEW = View(
    name="groups",
    title="Lists every SID of each token, explained: user, groups, restricting SIDs, capabilities, how each counts.",
    component="security-context",
    columns=(
        Column("PID", INTEGER, "the id of the process whose token has the SID", "_EPROCESS.UniqueProcessId"),
        Column("Process", TEXT, "the short name of the process whose token has the SID", "_EPROCESS.ImageFileName"),
        Column("SID", TEXT, "the SID, which is what access checks compare", "_SID_AND_ATTRIBUTES.Sid"),
        Column("Name", TEXT, "the name of the SID, where anybody knows one", "process_anatomy.walk.security.sid_names"),
        Column(
            "NameSource",
            TEXT,
            "who knows the name: a shipped list, the image's services, a logon session, the profile list",
            "process_anatomy.walk.security.sid_names",
        ),
        Column(
            "TID",
            INTEGER,
            "the id of the thread that impersonates with this token; empty for the primary one",
            "_ETHREAD.Cid",
        ),
        Column(
            "Kind",
            TEXT,
            "what the SID is in the token: user, group, restricted, capability, device group, package, trust level",
            "_TOKEN.UserAndGroups, RestrictedSids, Capabilities, Package, TrustLevelSid",
        ),
        Column(
            "Attributes",
            TEXT,
            "how the SID counts: enabled, mandatory, for denying only and so on",
            "_SID_AND_ATTRIBUTES.Attributes",
        ),
        Column(
            "Role",
            TEXTS,
            "what else the token uses the SID for: owner or primary group of new objects",
            "_TOKEN.DefaultOwnerIndex, PrimaryGroup",
            separator=", ",
        ),
        Column(
            "Token", ADDRESS, "the address of the token that lists the SID", "_EPROCESS.Token, _ETHREAD.ClientSecurity"
        ),
        Column(
            "Problems",
            TEXTS,
            "what could not be read of the SID, or does not go together on a healthy system",
            "address space, reason for missing bytes; process_anatomy.walk.security.groups",
        ),
        Column(
            "Explanation",
            TEXT,
            "what the SID means for this process, at the level that --explain asks for",
            "notes, group-row",
        ),
    ),
    rows=rows,
    telling=("PID", "Process", "Name", "Kind", "Attributes", "Role", "TID"),
    address="Token",
    through=f"{TOKENS}; {SIDS}; {ACCOUNTS}; _TOKEN.RestrictedSidCount, CapabilityCount, pClaimAttributes",
)
