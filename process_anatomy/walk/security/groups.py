"""Groups: every SID of each token, with what it is there for, how it counts, and what its name is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.walk.processes.listed import NOT_READ
from process_anatomy.walk.security.attributes import Claims
from process_anatomy.walk.security.sid_arrays import Sid, SidArray
from process_anatomy.walk.security.sids import INTEGRITY_AUTHORITY
from process_anatomy.walk.security.token_facts import flag_text
from process_anatomy.walk.security.tokens import Token

MANDATORY, DEFAULT, ENABLED, OWNER, DENY_ONLY, INTEGRITY, INTEGRITY_ENABLED = 0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x40
RESOURCE, LOGON_ID = 0x20000000, 0xC0000000
GROUP_ATTRIBUTES = {
    MANDATORY: "Mandatory",
    DEFAULT: "Default",
    ENABLED: "Enabled",
    OWNER: "Owner",
    DENY_ONLY: "DenyOnly",
    INTEGRITY: "Integrity",
    INTEGRITY_ENABLED: "IntegrityEnabled",
    RESOURCE: "Resource",
    LOGON_ID: "LogonId",
}
"""SE_GROUP_* by value (winnt.h): Default is enabled by default, DenyOnly is SE_GROUP_USE_FOR_DENY_ONLY."""

COMBINATIONS = 1 << 10
"""Kinds of SIDs with attributes that are remembered; there are a few dozen in an image."""
USER, GROUP, RESTRICTED, CAPABILITY, PACKAGE, TRUST = (
    "user",
    "group",
    "restricted",
    "capability",
    "package",
    "trust level",
)
"""What a SID is in its token."""


class Group(NamedTuple):
    """One SID of a token.

    Attributes:
        token: whose.
        kind: ``user``, ``group``, ``restricted``, ``capability``, ``device group``, ``restricted device group``,
            ``package`` or ``trust level``.
        sid: the SID.
        mask: its attributes as a number, not applicable for a package and a trust level.
        roles: owner, primary group, integrity level: what else the token uses this SID for.
        problems: what cannot be on a healthy system, or could not be read, one line each.
    """

    token: Token
    kind: str
    sid: Sid
    mask: int | Absent
    roles: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def attributes(self) -> str | Absent:
        """The set attributes by name; bits without a name as one number."""
        return self.mask if isinstance(self.mask, Absent) else attribute_text(self.mask)

    @property
    def state(self) -> str:
        """How it counts: the row's note."""
        if isinstance(self.sid, Absent):
            return "unreadable"
        if self.kind != GROUP or isinstance(self.mask, Absent):
            return {"restricted device group": "device-group"}.get(self.kind, self.kind.replace(" ", "-"))
        if self.mask & INTEGRITY or self.sid.startswith(INTEGRITY_AUTHORITY):
            return "integrity"
        if self.mask & LOGON_ID == LOGON_ID:
            return "logon-id"
        if self.mask & DENY_ONLY:
            return "deny-only"
        return "enabled" if self.mask & ENABLED else "disabled"


def attribute_text(mask: int) -> str:
    """Attributes of a group by name, comma separated; the two bits of a logon id are one name."""
    names = {bit: name for bit, name in GROUP_ATTRIBUTES.items() if bit != LOGON_ID}
    if mask & LOGON_ID == LOGON_ID:
        return ",".join(part for part in (flag_text(mask & ~LOGON_ID, names), GROUP_ATTRIBUTES[LOGON_ID]) if part)
    return flag_text(mask, names)


def groups(tokens: Sequence[Token], claims: Claims) -> Iterator[Group | Token]:
    """Every SID of each token, in the token's order; a token none of whose SIDs can be read is yielded itself."""
    devices: dict[int, list[tuple[str, SidArray | Absent]]] = {}
    for token, kind, array in claims.device_groups:
        devices.setdefault(id(token), []).append((kind, array))
    for token in tokens:
        if isinstance(token.sids, Absent):
            yield token
            continue
        yield from _members(token, USER, token.sids[:1])
        yield from _members(token, GROUP, token.sids[1:])
        for kind, array in (
            (RESTRICTED, token.restricted),
            (CAPABILITY, token.capabilities),
            *devices.get(id(token), ()),
        ):
            if isinstance(array, tuple):
                yield from _members(token, kind, array)
            elif array.kind in NOT_READ:
                yield Group(token, kind, array, array, (), (str(array),))
        for kind, sid in ((PACKAGE, token.package), (TRUST, token.trust)):
            if isinstance(sid, str) or sid.kind in NOT_READ:
                problems = (str(sid),) if isinstance(sid, Absent) else ()
                yield Group(token, kind, sid, NOT_APPLICABLE, (), problems)


def _members(token: Token, kind: str, array: SidArray) -> Iterator[Group]:
    for sid, mask in array:
        if isinstance(sid, Absent) or isinstance(mask, Absent):
            told = dict.fromkeys(str(part) for part in (sid, mask) if isinstance(part, Absent))
            yield Group(token, kind, sid, mask, (), tuple(told))
        else:
            roles = _roles(token, sid) if kind in (USER, GROUP) else ()
            yield Group(token, kind, sid, mask, roles, _problems(kind, sid.startswith(INTEGRITY_AUTHORITY), mask))


def _roles(token: Token, sid: str) -> tuple[str, ...]:
    found = []
    if token.owner == sid:
        found.append("owner")
    if token.primary_group == sid:
        found.append("primary group")
    return tuple(found)


@lru_cache(maxsize=COMBINATIONS)
def _problems(kind: str, level: bool, mask: int) -> tuple[str, ...]:
    """Attributes that Windows never combines, of the SID of an integrity level or of another.

    Source: Microsoft Learn, SID Attributes in an Access Token.
    """
    odd = {
        "enabled and for denying only at the same time": mask & ENABLED and mask & DENY_ONLY,
        "mandatory, but not enabled": mask & MANDATORY and not mask & ENABLED,
        "may own objects, but counts only for denying": mask & OWNER and mask & DENY_ONLY,
        "an integrity level that is not marked as one": kind == GROUP and level and not mask & INTEGRITY,
        "marked as an integrity level, but it is none": mask & INTEGRITY and not level,
        "a user with attributes that only groups have": kind == USER
        and mask & ~(ENABLED | DENY_ONLY | OWNER | DEFAULT | MANDATORY),
    }
    return tuple(words for words, so in odd.items() if so)


def roles_text(group: Group) -> str | Absent:
    """The roles, comma separated, not applicable without any."""
    return ", ".join(group.roles) or NOT_APPLICABLE
