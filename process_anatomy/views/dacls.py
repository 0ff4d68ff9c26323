"""The view of the default access lists of tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from process_anatomy.absent import Absent
from process_anatomy.views.declaration import ADDRESS, INTEGER, TEXT, TEXTS, Cells, Column, Request, Row, View
from process_anatomy.views.sources import ACCOUNTS, SIDS, TOKENS

if TYPE_CHECKING:
    from process_anatomy.walk.security.tokens import Token


def rows(request: Request) -> Iterator[Row]:
    """One row for each entry; one row for a token without a list, with an empty one or with an unreadable one."""
    from process_anatomy.notes.security_rows import ace_note, dacl_note
    from process_anatomy.walk.security.acls import Acl

    explain, found = request.explain, request.security()
    for token in found.tokens:
        who = {"PID": token.process.pid, "TID": token.tid, "Process": token.process.name}
        if not isinstance(token.dacl, Acl) or not token.dacl.entries:
            yield 0, VIEW.all(None) | who | _empty(token) | {"Explanation": explain(dacl_note, token)}
            continue
        for number, ace in enumerate(token.dacl.entries, 1):
            name = "" if isinstance(ace.sid, Absent) else found.names.name(ace.sid)
            yield (
                0,
                {
                    **who,
                    "Entry": number,
                    "Type": ace.type_name,
                    "Flags": ace.flag_names or None,
                    "AccessMask": ace.mask,
                    "Rights": ace.rights,
                    "SID": ace.sid,
                    "Name": name or None,
                    "Offset": ace.address,
                    "Problems": token.dacl.problems if number == len(token.dacl.entries) else (),
                    "Explanation": explain(ace_note, token, ace, name, number),
                },
            )


def _empty(token: Token) -> Cells:
    """Of a token without entries to show: where its list lies, and why there are none."""
    dacl = token.dacl
    if not isinstance(dacl, Absent):
        return {"Offset": dacl.address, "Problems": dacl.problems}
    facts = ("Entry", "Type", "Flags", "AccessMask", "Rights", "SID", "Name", "Offset")
    return dict.fromkeys(facts, dacl) | {"Problems": (f"default access list: {dacl}",) if dacl.kind.lost else ()}


VIEW = View(
    name="dacls",
    title="Lists the default access list of each token, explained: who may do what with the objects it makes.",
    component="security-context",
    columns=(
        Column(
            "PID", INTEGER, "the id of the process whose token has the default access list", "_EPROCESS.UniqueProcessId"
        ),
        Column(
            "TID",
            INTEGER,
            "the id of the thread whose impersonation token has the list; empty for the primary token",
            "_ETHREAD.Cid",
        ),
        Column(
            "Process",
            TEXT,
            "the short name of the process whose token has the default access list",
            "_EPROCESS.ImageFileName",
        ),
        Column(
            "Entry",
            INTEGER,
            "the place of the entry in the list, counted from 1; entries are read in this order",
            "_ACL",
        ),
        Column(
            "Type",
            TEXT,
            "what the entry does: grant, refuse or audit, outright or on a condition",
            "[MS-DTYP] 2.4.4.1 ACE_HEADER",
        ),
        Column("Flags", TEXT, "whether and how the entry is inherited or audited", "[MS-DTYP] 2.4.4.1 ACE_HEADER"),
        Column(
            "AccessMask",
            INTEGER,
            "the rights of the entry as the number that is stored",
            "[MS-DTYP] 2.4.3 ACCESS_MASK",
            hexadecimal=True,
        ),
        Column(
            "Rights",
            TEXT,
            "the rights that all kinds of objects share, by name; other bits as one number",
            "[MS-DTYP] 2.4.3 ACCESS_MASK",
        ),
        Column("SID", TEXT, "the account or group that the entry is about", "[MS-DTYP] 2.4.4 ACE"),
        Column(
            "Name", TEXT, "the name of the entry's SID, where one is known", "process_anatomy.walk.security.sid_names"
        ),
        Column(
            "Offset", ADDRESS, "the virtual address of the entry, or of a list without entries", "_TOKEN.DefaultDacl"
        ),
        Column(
            "Problems",
            TEXTS,
            "what could not be read or decoded of the list, and why",
            "address space, reason for missing bytes; process_anatomy.walk.security.acls",
        ),
        Column(
            "Explanation",
            TEXT,
            "what the entry means for what the process makes, at the level that --explain asks for",
            "notes, dacl-row",
        ),
    ),
    rows=rows,
    telling=("PID", "Process", "Entry", "Type", "Name", "Rights", "TID"),
    through=f"{TOKENS}, DefaultDacl; _ACL.AclRevision, AclSize, AceCount; {SIDS}; {ACCOUNTS}",
)
