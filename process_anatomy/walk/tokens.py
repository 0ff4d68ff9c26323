"""Tokens: the primary token of each process, read in batches, with its user, integrity and logon session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.space import Addresses
from process_anatomy.memory.view import Records, addresses_of, unreadable
from process_anatomy.walk.processes import NOT_READ, Process
from process_anatomy.walk.sids import INTEGRITY_AUTHORITY, integrity_name, sid_name, sid_text
from structs.token import LOGON_SESSION, SID, SID_AND_ATTRIBUTES, TOKEN

SUB_AUTHORITY_LIMIT = 15
GROUP_LIMIT = 0x1000
NO_INTEGRITY = 0xFFFFFFFF
FILTERED = 0x800
TOKEN_TYPES = {1: "Primary", 2: "Impersonation"}

TOKEN_FLAGS = {
    0x1: "TOKEN_HAS_TRAVERSE_PRIVILEGE",
    0x2: "TOKEN_HAS_BACKUP_PRIVILEGE",
    0x4: "TOKEN_HAS_RESTORE_PRIVILEGE",
    0x10: "TOKEN_IS_RESTRICTED",
    0x20: "TOKEN_SESSION_NOT_REFERENCED",
    0x40: "TOKEN_SANDBOX_INERT",
    0x80: "TOKEN_HAS_IMPERSONATE_PRIVILEGE",
    0x100: "SE_BACKUP_PRIVILEGES_CHECKED",
    0x200: "TOKEN_VIRTUALIZE_ALLOWED",
    0x400: "TOKEN_VIRTUALIZE_ENABLED",
    0x800: "TOKEN_IS_FILTERED",
    0x1000: "TOKEN_UIACCESS",
    0x2000: "TOKEN_NOT_LOW",
    0x4000: "TOKEN_LOWBOX",
    0x8000: "TOKEN_HAS_OWN_CLAIM_ATTRIBUTES",
    0x10000: "TOKEN_PRIVATE_NAMESPACE",
    0x20000: "TOKEN_DO_NOT_USE_GLOBAL_ATTRIBS_FOR_QUERY",
    0x80000: "TOKEN_NO_CHILD_PROCESS",
    0x100000: "TOKEN_NO_CHILD_PROCESS_UNLESS_SECURE",
    0x200000: "TOKEN_AUDIT_NO_CHILD_PROCESS",
}
"""Bits of TokenFlags by value, those that mean the same in every build (0x8 and 0x400000 do not)."""

ELEVATIONS = {1: "default", 2: "full", 3: "limited"}
"""TOKEN_ELEVATION_TYPE by value."""


@dataclass(frozen=True, slots=True)
class Token:
    r"""The primary token of a process.  Every fact may be :class:`~process_anatomy.absent.Absent`.

    Attributes:
        process: whose token it is.
        address: of the _TOKEN.
        token_id: number of this token alone.
        authentication_id: logon session.
        user: SID of the user.
        user_name: well-known name of that SID, else the account of the logon session.
        account: ``authority\account`` of the logon session.
        integrity: name of the integrity level.
        elevation: ``default``, ``full`` or ``limited``.
        session: terminal session id.
        token_type: ``Primary`` or ``Impersonation``.
        groups: number of user and group SIDs.
        present: privileges that the token has, a bit each.
        enabled: privileges that count now.
        default: privileges that counted at creation.
        flags: TokenFlags.
        package: SID of the AppContainer package, not applicable outside one.
        problems: what is odd or could not be read, one line each.
    """

    process: Process
    address: int | Absent
    token_id: int | Absent
    authentication_id: int | Absent
    user: str | Absent
    user_name: str | Absent
    account: str | Absent
    integrity: str | Absent
    elevation: str | Absent
    session: int | Absent
    token_type: str | Absent
    groups: int | Absent
    present: int | Absent
    enabled: int | Absent
    default: int | Absent
    flags: int | Absent
    package: str | Absent
    problems: tuple[str, ...]

    @property
    def flag_names(self) -> str | Absent:
        """Names of the set bits of TokenFlags; bits without a known name as one number."""
        if isinstance(self.flags, Absent):
            return self.flags
        names = [name for bit, name in TOKEN_FLAGS.items() if self.flags & bit]
        rest = self.flags & ~sum(TOKEN_FLAGS)
        return ",".join([*names, f"{rest:#x}"] if rest else names)

    @property
    def privilege_summary(self) -> str | Absent:
        """How many privileges the token has, and how many of them count now."""
        if isinstance(self.present, Absent):
            return self.present
        if isinstance(self.enabled, Absent):
            return self.enabled
        return f"{self.present.bit_count()} present, {self.enabled.bit_count()} enabled"


def tokens(kernel: Kernel, processes: Sequence[Process]) -> list[Token]:
    """The primary token of each process, one row each, in the order of the processes."""
    where = addresses_of([p.token if isinstance(p.token, int) else 0 for p in processes])
    records = kernel.view.records(TOKEN, where)
    get = records.values
    count = records.array("UserAndGroupCount").astype(np.uint64)
    array = records.array("UserAndGroups")
    entry = np.uint64(kernel.build[SID_AND_ATTRIBUTES].sizeof)
    level = records.array("IntegrityLevelIndex").astype(np.uint64)
    inside = (level < count) & (count <= GROUP_LIMIT)
    users = sids(kernel, _sid_pointers(kernel, array))
    levels = sids(kernel, _sid_pointers(kernel, np.where(inside & (array != 0), array + level * entry, np.uint64(0))))
    packages = sids(kernel, records.array("Package"))
    sessions = kernel.view.records(LOGON_SESSION, records.array("LogonSession"))
    accounts = _accounts(kernel, sessions)
    columns: dict[str, list[Any]] = {
        "token_id": get("TokenId"),
        "authentication_id": get("AuthenticationId"),
        "user": _with(get("UserAndGroups"), users),
        "account": _with(get("LogonSession"), accounts),
        "integrity": _with(get("IntegrityLevelIndex"), _integrities(level.tolist(), count.tolist(), levels)),
        "elevation": _with(get("TokenFlags"), _elevations(get("TokenFlags"), get("LogonSession"), sessions)),
        "session": get("SessionId"),
        "token_type": [v if isinstance(v, Absent) else TOKEN_TYPES.get(v, str(v)) for v in get("TokenType")],
        "groups": get("UserAndGroupCount"),
        "present": get("PrivilegesPresent"),
        "enabled": get("PrivilegesEnabled"),
        "default": get("PrivilegesEnabledByDefault"),
        "flags": get("TokenFlags"),
        "package": [
            NOT_APPLICABLE if v == 0 else s
            for v, s in zip(_with(get("Package"), get("Package")), packages, strict=True)
        ],
    }
    rows: list[Token] = []
    for row, process in enumerate(processes):
        if not isinstance(process.token, int) or process.token == 0:
            reason = (
                process.token
                if isinstance(process.token, Absent)
                else Absent(Kind.NOT_APPLICABLE, "the process has no token")
            )
            facts: dict[str, Any] = dict.fromkeys(columns, reason)
        else:
            facts = {name: column[row] for name, column in columns.items()}
        facts["user_name"] = _user_name(facts["user"], facts["account"])
        bad = [f"{name}: {v}" for name, v in facts.items() if isinstance(v, Absent) and v.kind in NOT_READ]
        if (
            isinstance(facts["enabled"], int)
            and isinstance(facts["present"], int)
            and facts["enabled"] & ~facts["present"]
        ):
            bad.append("privileges are enabled that the token does not have")
        rows.append(Token(process=process, address=process.token, problems=tuple(bad), **facts))
    return rows


def _with(pointers: list[Any], values: list[Any]) -> list[Any]:
    """The values, replaced by the reason where the field that leads to them could not be read."""
    return [p if isinstance(p, Absent) else v for p, v in zip(pointers, values, strict=True)]


def _sid_pointers(kernel: Kernel, entries: Addresses) -> Addresses:
    """The Sid pointer of each _SID_AND_ATTRIBUTES, 0 where it cannot be read."""
    place = kernel.build[SID_AND_ATTRIBUTES].place("Sid")
    data, there = kernel.space.read_many(entries + np.uint64(place.offset), place.size)
    pointers: npt.NDArray[np.uint64] = data.view("<u8").reshape(-1)
    return np.where(there, pointers, np.uint64(0))


def sids(kernel: Kernel, pointers: Addresses) -> list[str | Absent]:
    """The SID at each address, as text."""
    structure = kernel.build[SID]
    offset = structure.offset("SubAuthority")
    heads, there = kernel.space.read_many(pointers, offset)
    found: list[str | Absent] = []
    cache: dict[int, str | Absent] = {}
    for pointer, head, readable in zip(pointers.tolist(), heads, there.tolist(), strict=True):
        if pointer not in cache:
            cache[pointer] = (
                _sid(kernel, pointer, head.tobytes(), offset) if readable else unreadable(kernel.space, pointer, offset)
            )
        found.append(cache[pointer])
    return found


def _sid(kernel: Kernel, pointer: int, head: bytes, offset: int) -> str | Absent:
    revision, count = head[0], head[1]
    if revision != 1 or count > SUB_AUTHORITY_LIMIT:
        return Absent(Kind.IMPLAUSIBLE, f"no SID at {pointer:#x}: revision {revision}, {count} sub-authorities")
    rest = kernel.space.read(pointer + offset, 4 * count)
    if rest is None:
        return unreadable(kernel.space, pointer + offset, 4 * count)
    return sid_text(revision, head[2:8], [int.from_bytes(rest[i : i + 4], "little") for i in range(0, 4 * count, 4)])


def _accounts(kernel: Kernel, sessions: Records) -> list[Any]:
    r"""``authority\account`` of each logon session."""
    found: list[Any] = []
    cache: dict[int, Any] = {}
    for at, account, authority in zip(
        sessions.addresses.tolist(), sessions.values("AccountName"), sessions.values("AuthorityName"), strict=True
    ):
        if at not in cache:
            parts = [
                p if isinstance(p, Absent) else kernel.view.string(p.Buffer, p.Length) for p in (authority, account)
            ]
            absent = [p for p in parts if isinstance(p, Absent)]
            cache[at] = absent[0] if absent else "\\".join(str(p) for p in parts if p) or NOT_APPLICABLE
        found.append(cache[at] if at else NOT_APPLICABLE)
    return found


def _integrities(levels: list[int], counts: list[int], found: list[str | Absent]) -> list[Any]:
    """Names of the integrity levels; a token without an integrity SID counts as having none."""
    names: list[Any] = []
    for level, count, sid in zip(levels, counts, found, strict=True):
        if level == NO_INTEGRITY:
            names.append(NOT_APPLICABLE)
        elif level >= count or count > GROUP_LIMIT:
            names.append(Absent(Kind.IMPLAUSIBLE, f"integrity SID number {level} of {count}"))
        elif isinstance(sid, Absent):
            names.append(sid)
        else:
            names.append(
                integrity_name(sid) or Absent(Kind.IMPLAUSIBLE, f"{sid} does not start with {INTEGRITY_AUTHORITY}")
            )
    return names


def _elevations(flags: list[Any], pointers: list[Any], sessions: Records) -> list[Any]:
    """Elevation types, by the rule of the security reference monitor.

    A logon session without a linked one has only default tokens; of a linked pair, filtered tokens are
    limited and the others full.  Source: Forshaw, "Windows Security Internals", chapter 4.
    """
    found: list[Any] = []
    for flag, pointer, buddy in zip(flags, pointers, sessions.values("BuddyLogonId"), strict=True):
        if pointer == 0 or isinstance(pointer, Absent):
            none = Absent(Kind.NOT_APPLICABLE, "the token has no logon session")
            found.append(pointer if isinstance(pointer, Absent) else none)
        elif isinstance(buddy, Absent):
            found.append(buddy)
        elif buddy == 0:
            found.append(ELEVATIONS[1])
        else:
            found.append(ELEVATIONS[3] if isinstance(flag, int) and flag & FILTERED else ELEVATIONS[2])
    return found


def _user_name(user: str | Absent, account: str | Absent) -> str | Absent:
    """The well-known name of a SID, else the account that its logon session names."""
    if isinstance(user, Absent):
        return user
    return sid_name(user) or account
