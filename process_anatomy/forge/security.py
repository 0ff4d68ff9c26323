"""Accounts, groups and privileges: what Windows gives each kind of process, as data.

Sources: Microsoft's documentation of well-known SIDs, privilege constants and service accounts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

PRIVILEGES = {
    "SeCreateTokenPrivilege": 2, "SeAssignPrimaryTokenPrivilege": 3, "SeLockMemoryPrivilege": 4,
    "SeIncreaseQuotaPrivilege": 5, "SeMachineAccountPrivilege": 6, "SeTcbPrivilege": 7, "SeSecurityPrivilege": 8,
    "SeTakeOwnershipPrivilege": 9, "SeLoadDriverPrivilege": 10, "SeSystemProfilePrivilege": 11,
    "SeSystemtimePrivilege": 12, "SeProfileSingleProcessPrivilege": 13, "SeIncreaseBasePriorityPrivilege": 14,
    "SeCreatePagefilePrivilege": 15, "SeCreatePermanentPrivilege": 16, "SeBackupPrivilege": 17,
    "SeRestorePrivilege": 18, "SeShutdownPrivilege": 19, "SeDebugPrivilege": 20, "SeAuditPrivilege": 21,
    "SeSystemEnvironmentPrivilege": 22, "SeChangeNotifyPrivilege": 23, "SeRemoteShutdownPrivilege": 24,
    "SeUndockPrivilege": 25, "SeSyncAgentPrivilege": 26, "SeEnableDelegationPrivilege": 27,
    "SeManageVolumePrivilege": 28, "SeImpersonatePrivilege": 29, "SeCreateGlobalPrivilege": 30,
    "SeTrustedCredManAccessPrivilege": 31, "SeRelabelPrivilege": 32, "SeIncreaseWorkingSetPrivilege": 33,
    "SeTimeZonePrivilege": 34, "SeCreateSymbolicLinkPrivilege": 35, "SeDelegateSessionUserImpersonatePrivilege": 36,
}  # fmt: skip

MANDATORY = 0x7
"""Mandatory, enabled by default and enabled: the usual attributes of a group."""
OWNER = 0xE
ADMINISTRATORS = 0xF
DENY_ONLY = 0x10
INTEGRITY = 0x60
LOGON_ID = 0xC0000007

TRAVERSE, BACKUP, RESTORE, IMPERSONATE = 0x1, 0x2, 0x4, 0x80
VIRTUALIZE_ALLOWED, FILTERED, NOT_LOW, LOW_BOX = 0x200, 0x800, 0x2000, 0x4000
"""Flags of a token."""


@dataclass(frozen=True)
class Logon:
    """A logon session: one authentication of one account."""

    luid: int
    account: str
    authority: str
    buddy: int = 0


@dataclass(frozen=True)
class Context:
    """A security context: the token that processes of one kind carry.

    Attributes:
        logon: the logon session.
        user: SID of the account.
        groups: (SID, attributes) in the token's order, integrity last.
        present: names of the privileges, those in ``enabled`` included.
        enabled: names of the privileges that count.
        defaults: names of the privileges that counted at creation; the same as ``enabled`` where empty.
        flags: token flags.
        source: component that made the token.
        elevation: 1 default, 2 full, 3 limited.
        package: AppContainer package SID.
        capabilities: (SID, attributes) of an AppContainer.
        primary_group: SID of the primary group.
    """

    logon: Logon
    user: str
    groups: tuple[tuple[str, int], ...]
    present: frozenset[str]
    enabled: frozenset[str]
    flags: int
    source: str
    primary_group: str
    defaults: frozenset[str] = frozenset()
    elevation: int = 1
    package: str | None = None
    capabilities: tuple[tuple[str, int], ...] = ()
    mandatory_policy: int = field(default=1)


def named(names: str) -> frozenset[str]:
    """Privileges by the short names in which they differ, for instance ``Debug Tcb``."""
    return frozenset(f"Se{name}Privilege" for name in names.split())


def bits(names: frozenset[str]) -> int:
    """Privileges as the token's bitmap."""
    return sum(1 << PRIVILEGES[name] for name in names)


MACHINE = "S-1-5-21-1004336348-1177238915-682003330"
USER, LOGON_SID = f"{MACHINE}-1001", "S-1-5-5-0-172401"
MEDIUM, HIGH, SYSTEM_LEVEL, LOW = "S-1-16-8192", "S-1-16-12288", "S-1-16-16384", "S-1-16-4096"

SYSTEM_ENABLED = named(
    "LockMemory Tcb SystemProfile ProfileSingleProcess IncreaseBasePriority CreatePagefile CreatePermanent Debug Audit "
    "ChangeNotify Impersonate CreateGlobal IncreaseWorkingSet TimeZone CreateSymbolicLink "
    "DelegateSessionUserImpersonate"
)
SYSTEM_PRESENT = SYSTEM_ENABLED | named(
    "CreateToken AssignPrimaryToken IncreaseQuota Security TakeOwnership LoadDriver Systemtime Backup Restore Shutdown "
    "SystemEnvironment Undock ManageVolume Relabel TrustedCredManAccess"
)
ADMIN_PRESENT = named(
    "IncreaseQuota Security TakeOwnership LoadDriver SystemProfile Systemtime ProfileSingleProcess "
    "IncreaseBasePriority CreatePagefile Backup Restore Shutdown Debug SystemEnvironment ChangeNotify RemoteShutdown "
    "Undock ManageVolume Impersonate CreateGlobal IncreaseWorkingSet TimeZone CreateSymbolicLink "
    "DelegateSessionUserImpersonate"
)
LIMITED_PRESENT = named("Shutdown ChangeNotify Undock IncreaseWorkingSet TimeZone")
SERVICE_PRESENT = named("AssignPrimaryToken IncreaseQuota Audit ChangeNotify Impersonate CreateGlobal")

SYSTEM_LOGON = Logon(0x3E7, "LABWIN11$", "WORKGROUP")
LOCAL_LOGON = Logon(0x3E5, "LOCAL SERVICE", "NT AUTHORITY")
NETWORK_LOGON = Logon(0x3E4, "LABWIN11$", "WORKGROUP")
FULL_LOGON = Logon(0x2A1C4, "student", "LABWIN11", buddy=0x2A1E9)
LIMITED_LOGON = Logon(0x2A1E9, "student", "LABWIN11", buddy=0x2A1C4)

_SERVICE_GROUPS = (
    ("S-1-1-0", MANDATORY), ("S-1-5-32-545", MANDATORY), ("S-1-5-6", MANDATORY), ("S-1-2-1", MANDATORY),
    ("S-1-5-11", MANDATORY), ("S-1-5-15", MANDATORY),
)  # fmt: skip


def _interactive(local_admin: int, administrators: int, level: str) -> tuple[tuple[str, int], ...]:
    return (
        (f"{MACHINE}-513", MANDATORY), ("S-1-1-0", MANDATORY), ("S-1-5-114", local_admin),
        ("S-1-5-32-544", administrators), ("S-1-5-32-545", MANDATORY), ("S-1-5-4", MANDATORY),
        ("S-1-2-1", MANDATORY), ("S-1-5-11", MANDATORY), ("S-1-5-15", MANDATORY), ("S-1-5-113", MANDATORY),
        (LOGON_SID, LOGON_ID), ("S-1-2-0", MANDATORY), ("S-1-5-64-10", MANDATORY), (level, INTEGRITY),
    )  # fmt: skip


CONTEXTS = {
    "system": Context(
        SYSTEM_LOGON, "S-1-5-18",
        (("S-1-5-32-544", OWNER), ("S-1-1-0", MANDATORY), ("S-1-5-11", MANDATORY), (SYSTEM_LEVEL, INTEGRITY)),
        SYSTEM_PRESENT, SYSTEM_ENABLED, TRAVERSE | IMPERSONATE | NOT_LOW, "*SYSTEM*", "S-1-5-18",
    ),
    "local-service": Context(
        LOCAL_LOGON, "S-1-5-19",
        (*_SERVICE_GROUPS, ("S-1-5-80-880578595-1860270145-482643319-2788375705-1540778122", OWNER),
         ("S-1-5-5-0-54021", LOGON_ID | 8), ("S-1-2-0", MANDATORY), (SYSTEM_LEVEL, INTEGRITY)),
        SERVICE_PRESENT | named("Systemtime TimeZone IncreaseWorkingSet"),
        named("ChangeNotify Impersonate CreateGlobal"), TRAVERSE | IMPERSONATE | NOT_LOW, "Advapi", "S-1-5-19",
    ),
    "network-service": Context(
        NETWORK_LOGON, "S-1-5-20",
        (*_SERVICE_GROUPS, ("S-1-5-80-979556362-403687129-3954533659-2335141334-1547273080", OWNER),
         ("S-1-5-5-0-55170", LOGON_ID | 8), ("S-1-2-0", MANDATORY), (SYSTEM_LEVEL, INTEGRITY)),
        SERVICE_PRESENT, named("ChangeNotify Impersonate CreateGlobal Audit"), TRAVERSE | IMPERSONATE | NOT_LOW,
        "Advapi", "S-1-5-20", defaults=named("ChangeNotify Impersonate CreateGlobal"),
    ),
    "limited": Context(
        LIMITED_LOGON, USER, _interactive(DENY_ONLY, DENY_ONLY, MEDIUM), LIMITED_PRESENT, named("ChangeNotify"),
        TRAVERSE | VIRTUALIZE_ALLOWED | FILTERED | NOT_LOW, "User32", f"{MACHINE}-513", elevation=3,
        mandatory_policy=3,
    ),
    "full": Context(
        FULL_LOGON, USER, _interactive(MANDATORY, ADMINISTRATORS, HIGH), ADMIN_PRESENT,
        named("ChangeNotify Impersonate CreateGlobal Debug"), TRAVERSE | BACKUP | RESTORE | IMPERSONATE | NOT_LOW,
        "User32", f"{MACHINE}-513", defaults=named("ChangeNotify Impersonate CreateGlobal"), elevation=2,
    ),
    "low-box": Context(
        LIMITED_LOGON, USER, _interactive(DENY_ONLY, DENY_ONLY, LOW), LIMITED_PRESENT, named("ChangeNotify"),
        TRAVERSE | VIRTUALIZE_ALLOWED | FILTERED | LOW_BOX, "User32", f"{MACHINE}-513", elevation=3,
        package="S-1-15-2-466767348-3739614953-2700836392-1801644223-4227750657-1087833535-2488631167",
        capabilities=(("S-1-15-3-1", 4), ("S-1-15-3-8", 4)), mandatory_policy=3,
    ),
}  # fmt: skip
"""Kind of process to its security context; two halves of one split logon are ``limited`` and ``full``."""
