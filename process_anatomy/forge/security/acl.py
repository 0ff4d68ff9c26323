"""Access control lists, and the one that Windows puts into each kind of token.

Sources: [MS-DTYP] 2.4.4 (ACE) and 2.4.5 (ACL); the default lists are what LSASS and the kernel give tokens
(Forshaw, "Windows Security Internals", chapter 4).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from process_anatomy.forge.ground.records import record
from process_anatomy.forge.security.contexts import ADMINISTRATORS_GROUP, SYSTEM_USER, Context
from process_anatomy.forge.security.sids import sid_bytes
from structs.layout import Build
from structs.token import ACL

ACL_REVISION = 2
ALLOWED = 0
GENERIC_ALL, GENERIC_EXECUTE, GENERIC_READ, READ_CONTROL = 1 << 28, 1 << 29, 1 << 31, 1 << 17
READ_EXECUTE = GENERIC_READ | GENERIC_EXECUTE
ACE_HEADER = "<BBHI"
"""Type, flags, size of the entry and access mask; the SID follows."""


@dataclass(frozen=True)
class Entry:
    """One entry that allows: whom and what."""

    sid: str
    mask: int

    def facts(self) -> dict[str, Any]:
        """The entry as the answer key shows it."""
        return {"flags": 0, "mask": self.mask, "sid": self.sid, "type": ALLOWED}


def default_dacl(context: Context) -> tuple[Entry, ...]:
    """The list that objects get which a token's holder creates without saying who may use them."""
    if context.user == SYSTEM_USER:
        return Entry(SYSTEM_USER, GENERIC_ALL), Entry(ADMINISTRATORS_GROUP, READ_EXECUTE | READ_CONTROL)
    holder = Entry(context.owner, GENERIC_ALL)
    entries = [holder, Entry(SYSTEM_USER, GENERIC_ALL), Entry(context.logon_sid, READ_EXECUTE)]
    if context.package:
        entries.append(Entry(context.package, GENERIC_ALL))
    return tuple(entries)


def acl_bytes(build: Build, entries: tuple[Entry, ...]) -> bytes:
    """An _ACL with its entries behind it."""
    body = b""
    for entry in entries:
        sid = sid_bytes(build, entry.sid)
        body += struct.pack(ACE_HEADER, ALLOWED, 0, struct.calcsize(ACE_HEADER) + len(sid), entry.mask) + sid
    size = build[ACL].sizeof + len(body)
    return record(build, ACL, AclRevision=ACL_REVISION, AclSize=size, AceCount=len(entries)) + body
