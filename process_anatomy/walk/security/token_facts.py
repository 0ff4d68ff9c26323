"""What the fields of a _TOKEN say: flags, types and policies by name, and what its pointers lead to, in batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.filetime import written
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.view import Records
from process_anatomy.walk.security.default_lists import default_lists
from process_anatomy.walk.security.logons import LogonSession, logon_sessions
from process_anatomy.walk.security.sid_arrays import SidArray, read_sid_arrays, read_sids
from process_anatomy.walk.security.sids import INTEGRITY_AUTHORITY, integrity_name
from process_anatomy.walk.security.token_privileges import token_privileges
from structs.attributes import SECURITY_ATTRIBUTES_INFORMATION
from structs.layout import Layout
from structs.token import LOGON_SESSION, LOWBOX_NUMBER_ENTRY

NO_INTEGRITY = 0xFFFFFFFF
NEVER = 0x7FFFFFFF_FFFFFFFF, 0x06207526_B64CEB90
"""ExpirationTimes of tokens that do not end; the second, a day in the year 3000, is what real ones hold."""
WRITE_RESTRICTED, RESTRICTED, VIRTUALIZE_ALLOWED, VIRTUALIZE_ENABLED = 0x8, 0x10, 0x200, 0x400
FILTERED, UI_ACCESS, LOWBOX = 0x800, 0x1000, 0x4000
"""Flags of a token that decide what it is."""
UNREFERENCED = 0x20
"""Flag of a token that holds no reference to its logon session."""
PRIMARY, IMPERSONATION = 1, 2
TOKEN_TYPES = {PRIMARY: "Primary", IMPERSONATION: "Impersonation"}
IMPERSONATION_LEVELS = {0: "Anonymous", 1: "Identification", 2: "Impersonation", 3: "Delegation"}
"""SECURITY_IMPERSONATION_LEVEL by value."""
MANDATORY_POLICIES = {0x1: "NO_WRITE_UP", 0x2: "NEW_PROCESS_MIN"}
"""TOKEN_MANDATORY_POLICY by bit."""
AUDIT_POLICIES = {0x1: "success include", 0x2: "success exclude", 0x4: "failure include", 0x8: "failure exclude"}
"""Bits of a subcategory of the per-user audit policy (ntsecapi.h, PER_USER_AUDIT_*)."""
AUDIT_CATEGORIES = (
    "System", "Logon", "ObjectAccess", "PrivilegeUse", "DetailedTracking", "PolicyChange", "AccountManagement",
    "DirectoryServiceAccess", "AccountLogon",
)  # fmt: skip
"""Members of _SEP_AUDIT_POLICY_CATEGORIES, lowest bits first."""

TOKEN_FLAGS = {
    0x1: "TOKEN_HAS_TRAVERSE_PRIVILEGE",
    0x2: "TOKEN_HAS_BACKUP_PRIVILEGE",
    0x4: "TOKEN_HAS_RESTORE_PRIVILEGE",
    0x8: "TOKEN_WRITE_RESTRICTED",
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
"""Bits of TokenFlags by value, since Windows Vista (ntifs.h); 0x400000 does not mean the same in every build."""
ADMIN_GROUP = "TOKEN_HAS_ADMIN_GROUP"
"""Older meaning of flag 0x8, in the same header since: without restricting SIDs, a token cannot be write-restricted."""
OLD_FLAGS = frozenset({0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x40, 0x80})
"""Flags that there were before Windows Vista (ntifs.h of the Windows Server 2003 driver kit)."""

ELEVATIONS = {1: "default", 2: "full", 3: "limited"}
"""TOKEN_ELEVATION_TYPE by value."""


def token_facts(kernel: Kernel, records: Records) -> dict[str, list[Any]]:
    """Every fact of the tokens, a list each."""
    get = records.values
    sessions = logon_sessions(kernel, records.array("LogonSession").tolist())
    flags, pointers = get("TokenFlags"), get("LogonSession")
    logons = [_logon(kernel, *each, sessions) for each in zip(pointers, flags, strict=True)]
    sids = _array(kernel, records, "UserAndGroups", "UserAndGroupCount")
    owners = get("DefaultOwnerIndex")
    restricted = _array(kernel, records, "RestrictedSids", "RestrictedSidCount")
    present, enabled, default, odd_privileges = token_privileges(kernel, records)
    leveled = _leveled(records, flags)
    primary_groups = _pointed(get("PrimaryGroup"), read_sids(kernel, _numbers(records, "PrimaryGroup")))
    return {
        "token_id": _ids(kernel, get("TokenId")),
        "authentication_id": _ids(kernel, get("AuthenticationId")),
        "user": [_member(array, 0, "user") for array in sids],
        "account": [_of(logon, "account") for logon in logons],
        "integrity": [_integrity(array, index) for array, index in zip(sids, get("IntegrityLevelIndex"), strict=True)],
        "elevation": [_elevation(flag, logon) for flag, logon in zip(flags, logons, strict=True)],
        "linked_session": [_of(logon, "linked") for logon in logons],
        "session": get("SessionId"),
        "token_type": _token_types(get("TokenType"), records),
        "level": [_enum(value, IMPERSONATION_LEVELS, "impersonation level") for value in get("ImpersonationLevel")],
        "sids": sids,
        "restricted": restricted,
        "capabilities": _array(kernel, records, "Capabilities", "CapabilityCount"),
        "present": present,
        "enabled": enabled,
        "default": default,
        "privileges_listed": ["PrivilegeCount" in records.structure] * len(records),
        "privilege_problems": odd_privileges,
        "flags": flags,
        "flag_names": [_flags(*each) for each in zip(flags, restricted, leveled, strict=True)],
        "source": [
            v if isinstance(v, Absent) else v.split(b"\0", 1)[0].decode("ascii", "replace").rstrip()
            for v in get("TokenSourceName")
        ],
        "source_identifier": get("TokenSourceIdentifier"),
        "origin": _unless(_ids(kernel, get("OriginatingLogonSession")), 0),
        "parent_token_id": _unless(_ids(kernel, get("ParentTokenId")), 0),
        "modified_id": _ids(kernel, get("ModifiedId")),
        "expires": [written(value) for value in _unless(get("ExpirationTime"), 0, *NEVER)],
        "owner": [_member(array, index, "owner") for array, index in zip(sids, owners, strict=True)],
        "primary_group": primary_groups,
        "dacl": default_lists(kernel, records, primary_groups),
        "mandatory_policy": [
            v if isinstance(v, Absent) else flag_text(v, MANDATORY_POLICIES) or "none" for v in get("MandatoryPolicy")
        ],
        "virtualization": [value if isinstance(value, Absent) else _virtualization(value) for value in leveled],
        "ui_access": [value if isinstance(value, Absent) else bool(value & UI_ACCESS) for value in leveled],
        "package": _pointed(get("Package"), read_sids(kernel, _numbers(records, "Package"))),
        "lowbox_number": _through(kernel, records, "LowboxNumberEntry", LOWBOX_NUMBER_ENTRY, "LowboxNumber"),
        "trust": _pointed(get("TrustLevelSid"), read_sids(kernel, _numbers(records, "TrustLevelSid"))),
        "attribute_count": _through(
            kernel, records, "pSecurityAttributes", SECURITY_ATTRIBUTES_INFORMATION, "SecurityAttributeCount"
        ),
        "attributes_at": get("pSecurityAttributes"),
        "claims_at": get("pClaimAttributes"),
        "audit_policy": _audit_policies(records),
        "logon": logons,
    }


def _logon(kernel: Kernel, pointer: Any, flags: Any, sessions: Mapping[int, LogonSession]) -> LogonSession | Absent:
    """The logon session behind a token's pointer; every token has one, but those flagged as without a reference."""
    if isinstance(pointer, Absent):
        return pointer
    if pointer in sessions:
        return sessions[pointer]
    if LOGON_SESSION not in kernel.build or (pointer == 0 and (isinstance(flags, Absent) or flags & UNREFERENCED)):
        return NOT_APPLICABLE
    return Absent(Kind.IMPLAUSIBLE, f"{pointer:#x} is no address of a logon session")


def _of(logon: LogonSession | Absent, fact: str) -> Any:
    return logon if isinstance(logon, Absent) else getattr(logon, fact)


def _numbers(records: Records, field: str) -> Any:
    return records.array(field).astype(np.uint64)


def _array(kernel: Kernel, records: Records, field: str, count: str) -> list[SidArray | Absent]:
    """The SIDs of an array of each token; the reason where pointer or count could not be read."""
    arrays = read_sid_arrays(kernel, _numbers(records, field), _numbers(records, count))
    counted = zip(records.values(field), records.values(count), arrays, strict=True)
    return [next((v for v in (pointer, number) if isinstance(v, Absent)), array) for pointer, number, array in counted]


def _pointed(pointers: list[Any], values: list[Any]) -> list[Any]:
    """What each pointer leads to, replaced by the reason where the pointer could not be read."""
    return [p if isinstance(p, Absent) else v for p, v in zip(pointers, values, strict=True)]


def _through(kernel: Kernel, records: Records, field: str, layout: Layout, fact: str) -> list[Any]:
    """A fact of the structure that a field points at; not applicable for a pointer of 0."""
    pointers = records.values(field)
    if layout not in kernel.build:
        return [p if isinstance(p, Absent) else NOT_APPLICABLE for p in pointers]
    values = kernel.view.records(layout, _numbers(records, field)).values(fact)
    return [
        NOT_APPLICABLE if p == 0 else p if isinstance(p, Absent) else v for p, v in zip(pointers, values, strict=True)
    ]


def _ids(kernel: Kernel, values: list[Any]) -> list[Any]:
    """LUIDs, which count up from the start of the system: one that could be a kernel address is none."""
    return [
        Absent(Kind.IMPLAUSIBLE, f"{value:#x} is a kernel address, no LUID")
        if isinstance(value, int) and value >= kernel.system_start
        else value
        for value in values
    ]


def _unless(values: list[Any], *nothing: int) -> list[Any]:
    return [NOT_APPLICABLE if value in nothing else value for value in values]


def _member(array: SidArray | Absent, index: Any, what: str) -> str | Absent:
    """The SID with a number in a token's array of user and groups."""
    if isinstance(array, Absent):
        return array
    if not isinstance(index, int):
        return Absent(index.kind, index.reason)
    if index >= len(array):
        return Absent(Kind.IMPLAUSIBLE, f"{what} is SID number {index} of {len(array)}")
    return array[index][0]


def _integrity(array: SidArray | Absent, index: Any) -> str | Absent:
    """Name of the integrity level; not applicable for a token without an integrity SID."""
    if index == NO_INTEGRITY:
        return NOT_APPLICABLE
    sid = _member(array, index, "integrity")
    if isinstance(sid, Absent):
        return sid
    return integrity_name(sid) or Absent(Kind.IMPLAUSIBLE, f"{sid} does not start with {INTEGRITY_AUTHORITY}")


def _enum(value: Any, names: Mapping[int, str], what: str) -> str | Absent:
    if isinstance(value, Absent):
        return value
    return names[value] if value in names else Absent(Kind.IMPLAUSIBLE, f"{what} {value}")


def _token_types(values: list[Any], records: Records) -> list[str | Absent]:
    """Primary or impersonation; anything else means that no token is there."""
    return [
        v
        if isinstance(v, Absent)
        else TOKEN_TYPES.get(v) or Absent(Kind.IMPLAUSIBLE, f"no token at {address:#x}: its type would be {v}")
        for v, address in zip(values, records.addresses.tolist(), strict=True)
    ]


def _elevation(flags: Any, logon: LogonSession | Absent) -> str | Absent:
    """Elevation type, by the rule of the security reference monitor.

    A logon session without a linked one has only default tokens; of a linked pair, filtered tokens are
    limited and the others full.  Source: Forshaw, "Windows Security Internals", chapter 4.
    """
    if isinstance(logon, Absent):
        return Absent(Kind.NOT_APPLICABLE, "the token has no logon session") if logon == NOT_APPLICABLE else logon
    if isinstance(flags, Absent):
        return flags
    if isinstance(logon.linked, Absent):
        return ELEVATIONS[1] if logon.linked == NOT_APPLICABLE else logon.linked
    return ELEVATIONS[3] if flags & FILTERED else ELEVATIONS[2]


def _leveled(records: Records, flags: list[Any]) -> list[Any]:
    """TokenFlags where the build has integrity levels, and with them the flags that Windows Vista brought."""
    if "IntegrityLevelIndex" in records.structure:
        return flags
    return [Absent(Kind.NOT_IN_BUILD, f"before Windows Vista, as {records.structure.build.name} is")] * len(records)


def _flags(value: Any, restricted: SidArray | Absent, leveled: Any) -> str | Absent:
    """TokenFlags by name."""
    if isinstance(value, Absent):
        return value
    if isinstance(restricted, Absent):  # what flag 0x8 means depends on them
        names = {bit: name for bit, name in TOKEN_FLAGS.items() if bit != WRITE_RESTRICTED}
    else:
        names = TOKEN_FLAGS if restricted else TOKEN_FLAGS | {WRITE_RESTRICTED: ADMIN_GROUP}
    if isinstance(leveled, Absent):
        names = {bit: name for bit, name in TOKEN_FLAGS.items() if bit in OLD_FLAGS} | {WRITE_RESTRICTED: ADMIN_GROUP}
    return flag_text(value, names)


def _virtualization(flags: int) -> str:
    if flags & VIRTUALIZE_ENABLED:
        return "enabled"
    return "allowed" if flags & VIRTUALIZE_ALLOWED else "no"


def flag_text(value: int, names: Mapping[int, str]) -> str:
    """Names of the set bits, comma separated; bits without a name as one number."""
    known = [name for bit, name in names.items() if value & bit]
    rest = value & ~sum(names)
    return ",".join([*known, f"{rest:#x}"] if rest else known)


def _audit_policies(records: Records) -> list[str | Absent]:
    """Per-user audit policies in words."""
    if "AuditCategories" in records.structure:
        told = records.values("AuditCategories")
        return [value if isinstance(value, Absent) else category_text(value) for value in told]
    return [value if isinstance(value, Absent) else audit_text(value) for value in records.values("AuditPolicy")]


def category_text(policy: int) -> str:
    """A per-user audit policy of before Windows Vista in words: four bits for each category of the security log."""
    found = []
    for number, name in enumerate(AUDIT_CATEGORIES):
        setting = policy >> 4 * number & 0xF
        if setting:
            found.append(f"{name}: {flag_text(setting, AUDIT_POLICIES).replace(',', ' and ')}")
    return "; ".join(found) or "none"


def audit_text(policy: bytes) -> str:
    """A per-user audit policy in words: each subcategory by its number, four bits each, low half of a byte first."""
    found = []
    for number in range(2 * len(policy)):
        setting = policy[number // 2] >> 4 * (number % 2) & 0xF
        if setting:
            found.append(f"subcategory {number}: {flag_text(setting, AUDIT_POLICIES).replace(',', ' and ')}")
    return "; ".join(found) or "none"
