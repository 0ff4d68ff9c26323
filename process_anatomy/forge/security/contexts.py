"""Accounts, groups and privileges: what Windows gives each kind of process, as data.

Sources: Microsoft's documentation of well-known SIDs, privilege constants and service accounts; the token
flags' names are those of ntifs.h; trust levels, restricted and UIAccess tokens: Forshaw, "Windows Security
Internals", chapters 2 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from process_anatomy.forge.security import attributes as sa
from process_anatomy.forge.security.attributes import Attribute, BinaryName, Claims

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

TRAVERSE, BACKUP, RESTORE, WRITE_RESTRICTED, RESTRICTED, SANDBOX_INERT = 0x1, 0x2, 0x4, 0x8, 0x10, 0x40
IMPERSONATE, VIRTUALIZE_ALLOWED, VIRTUALIZE_ENABLED, FILTERED, UI_ACCESS = 0x80, 0x200, 0x400, 0x800, 0x1000
NOT_LOW, LOW_BOX, OWN_CLAIMS, PRIVATE_NAMESPACE, NO_CHILD_PROCESS = 0x2000, 0x4000, 0x8000, 0x10000, 0x80000
"""Flags of a token."""

SYSTEM_USER, ADMINISTRATORS_GROUP = "S-1-5-18", "S-1-5-32-544"
SYSTEM_LUID, FIRST_LUID = 0x3E7, 0x1000
"""Logon session of the machine; those below the other number are Windows' own."""
TRUST_LEVELS = {0x61: "S-1-19-512-8192", 0x41: "S-1-19-512-4096"}
"""Protection of a process (light, by signer) to the trust level that its token carries: WinTcb and Windows."""


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
        mandatory_policy: what the integrity level forbids.
        restricted: (SID, attributes) that restrict it.
        made_from: context whose first primary token this one was made from, by filtering or duplicating.
        origin: logon session that asked for the logon.
        expires: seconds from boot to the token's end, ``None`` for never.
        audit: per-user audit policy, four bits for each subcategory.
        attributes: security attributes.
        claims: claims of its own.
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
    restricted: tuple[tuple[str, int], ...] = ()
    made_from: str = ""
    origin: int = SYSTEM_LUID
    expires: int | None = None
    audit: bytes = b""
    attributes: tuple[Attribute, ...] = ()
    claims: Claims | None = None

    @property
    def owner_index(self) -> int:
        """Number of the SID that owns what the token's holder creates: Administrators if they may, else the user."""
        owners = [place for place, group in enumerate(self.groups, 1) if group == (ADMINISTRATORS_GROUP, group[1] | 8)]
        return owners[0] if owners else 0

    @property
    def owner(self) -> str:
        """The SID of that number."""
        return [self.user, *(sid for sid, _ in self.groups)][self.owner_index]

    @property
    def logon_sid(self) -> str:
        """The group that stands for the logon."""
        return next(sid for sid, attributes in self.groups if attributes & LOGON_ID == LOGON_ID)

    @property
    def interactive(self) -> bool:
        """Logged on at the keyboard."""
        return ("S-1-5-4", MANDATORY) in self.groups

    @property
    def person(self) -> bool:
        """The account is a person's, not one of Windows' own."""
        return self.user.startswith("S-1-5-21-")


def named(names: str) -> frozenset[str]:
    """Privileges by the short names in which they differ, for instance ``Debug Tcb``."""
    return frozenset(f"Se{name}Privilege" for name in names.split())


def bits(names: frozenset[str]) -> int:
    """Privileges as the token's bitmap."""
    return sum(1 << PRIVILEGES[name] for name in names)


MACHINE = "S-1-5-21-1004336348-1177238915-682003330"
USER, LOGON_SID = f"{MACHINE}-1001", "S-1-5-5-0-172401"
DOMAIN = "S-1-5-21-2052111302-1275210071-725345543"
FIREWALL = "S-1-5-80-3088073201-1464728630-1879813800-1107566885-823218052"
"""The firewall service's own SID."""
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
WINDOW_MANAGER_LOGON = Logon(0xE3A1, "DWM-1", "Window Manager")
FULL_LOGON = Logon(0x2A1C4, "student", "LABWIN11", buddy=0x2A1E9)
LIMITED_LOGON = Logon(0x2A1E9, "student", "LABWIN11", buddy=0x2A1C4)
MARIA_LOGON = Logon(0x5D3F0, "maria", "CONTOSO")
BOB_LOGON = Logon(0x91F3A, "bob", "LABWIN11")
MANAGED_LOGONS = (Logon(0xA4C61, "ADMIN_Q7VX2KM9TB", "LABWIN11"), Logon(0xB1D27, "ADMIN_Q7VX2KM9TB", "LABWIN11"))
"""Two elevations under Administrator Protection: one account, which is logged on anew each time."""

_SERVICE_GROUPS = (
    ("S-1-1-0", MANDATORY), ("S-1-5-32-545", MANDATORY), ("S-1-5-6", MANDATORY), ("S-1-2-1", MANDATORY),
    ("S-1-5-11", MANDATORY), ("S-1-5-15", MANDATORY),
)  # fmt: skip


def _interactive(local_admin: int, administrators: int, level: str) -> tuple[tuple[str, int], ...]:
    return (
        (f"{MACHINE}-513", MANDATORY), ("S-1-1-0", MANDATORY), ("S-1-5-114", local_admin),
        (ADMINISTRATORS_GROUP, administrators), ("S-1-5-32-545", MANDATORY), ("S-1-5-4", MANDATORY),
        ("S-1-2-1", MANDATORY), ("S-1-5-11", MANDATORY), ("S-1-5-15", MANDATORY), ("S-1-5-113", MANDATORY),
        (LOGON_SID, LOGON_ID), ("S-1-2-0", MANDATORY), ("S-1-5-64-10", MANDATORY), (level, INTEGRITY),
    )  # fmt: skip


def _service(service: str, logon: str, *further: str) -> tuple[tuple[str, int], ...]:
    return (
        *_SERVICE_GROUPS, (service, OWNER), *((sid, MANDATORY) for sid in further), (logon, LOGON_ID | 8),
        ("S-1-2-0", MANDATORY), (SYSTEM_LEVEL, INTEGRITY),
    )  # fmt: skip


def _at_level(context: Context, level: str) -> tuple[tuple[str, int], ...]:
    return (*context.groups[:-1], (level, INTEGRITY))


_LOCAL_SERVICE = Context(
    LOCAL_LOGON, "S-1-5-19",
    _service("S-1-5-80-880578595-1860270145-482643319-2788375705-1540778122", "S-1-5-5-0-54021"),
    SERVICE_PRESENT | named("Systemtime TimeZone IncreaseWorkingSet"),
    named("ChangeNotify Impersonate CreateGlobal"), TRAVERSE | IMPERSONATE | NOT_LOW, "Advapi", "S-1-5-19",
)  # fmt: skip
_LIMITED = Context(
    LIMITED_LOGON, USER, _interactive(DENY_ONLY, DENY_ONLY, MEDIUM), LIMITED_PRESENT, named("ChangeNotify"),
    TRAVERSE | VIRTUALIZE_ALLOWED | FILTERED | NOT_LOW, "User32", f"{MACHINE}-513", elevation=3, mandatory_policy=3,
)  # fmt: skip
_CALCULATOR_ATTRIBUTES = (
    Attribute("WIN://SYSAPPID", sa.STRING, ("Microsoft.WindowsCalculator_11.2210.0.0_x64__8wekyb3d8bbwe", "App")),
    Attribute("WIN://PKG", sa.UINT64, (0x20001,)),
    Attribute("WIN://PKGHOSTID", sa.UINT64, (0x1000000000001,)),
)
_AGENT_ATTRIBUTES = (
    Attribute(
        "APPID://FQBN",
        sa.FULLY_QUALIFIED,
        (BinaryName(0x0004000200070001, "O=CONTOSO LTD, L=LEIPZIG, C=DE\\CONTOSO AGENT\\CONTOSOAGENT.EXE"),),
        sa.NON_INHERITABLE,
    ),
    Attribute(
        "APPID://SHA256HASH",
        sa.OCTETS,
        (bytes.fromhex("5f1d3a8e9c0247b6a1e4d7f03b6c2895e8714d0a6f3c9b25d1870e4fa2b95c36"),),
        sa.NON_INHERITABLE,
    ),
    Attribute("CONTOSO://Signed", sa.BOOLEAN, (True,), sa.MANDATORY),
    Attribute("CONTOSO://Operators", sa.SID, (f"{DOMAIN}-1137", f"{DOMAIN}-512"), sa.NON_INHERITABLE | sa.MANDATORY),
    Attribute("CONTOSO://Offset", sa.INT64, (-7200,)),
)
_AGENT_CLAIMS = Claims(
    user=(
        Attribute("ad://ext/department:88d1c5f2a04be973", sa.STRING, ("Forensics",)),
        Attribute("ad://ext/clearance", sa.INT64, (3,)),
    ),
    device=(Attribute("ad://ext/managed", sa.BOOLEAN, (True,)),),
    device_groups=((f"{DOMAIN}-515", MANDATORY), ("S-1-5-21-0-0-0-497", MANDATORY)),
)

CONTEXTS = {
    "system": Context(
        SYSTEM_LOGON, SYSTEM_USER,
        ((ADMINISTRATORS_GROUP, OWNER), ("S-1-1-0", MANDATORY), ("S-1-5-11", MANDATORY), (SYSTEM_LEVEL, INTEGRITY)),
        SYSTEM_PRESENT, SYSTEM_ENABLED, TRAVERSE | IMPERSONATE | NOT_LOW, "*SYSTEM*", SYSTEM_USER, origin=0,
    ),
    "local-service": _LOCAL_SERVICE,
    "network-service": Context(
        NETWORK_LOGON, "S-1-5-20",
        _service("S-1-5-80-979556362-403687129-3954533659-2335141334-1547273080", "S-1-5-5-0-55170"),
        SERVICE_PRESENT, named("ChangeNotify Impersonate CreateGlobal Audit"), TRAVERSE | IMPERSONATE | NOT_LOW,
        "Advapi", "S-1-5-20", defaults=named("ChangeNotify Impersonate CreateGlobal"),
    ),
    "write-restricted": replace(
        _LOCAL_SERVICE, groups=_service(FIREWALL, "S-1-5-5-0-56348", "S-1-5-33"),
        flags=_LOCAL_SERVICE.flags | RESTRICTED | WRITE_RESTRICTED,
        restricted=(
            ("S-1-5-33", MANDATORY), ("S-1-1-0", MANDATORY), (FIREWALL, MANDATORY), ("S-1-5-5-0-56348", MANDATORY),
        ),
    ),
    "window-manager": Context(
        WINDOW_MANAGER_LOGON, "S-1-5-90-0-1",
        (
            ("S-1-1-0", MANDATORY), ("S-1-5-32-545", MANDATORY), ("S-1-5-90-0", MANDATORY), ("S-1-5-4", MANDATORY),
            ("S-1-2-1", MANDATORY), ("S-1-5-11", MANDATORY), ("S-1-5-15", MANDATORY), ("S-1-5-5-0-58273", LOGON_ID),
            ("S-1-2-0", MANDATORY), (SYSTEM_LEVEL, INTEGRITY),
        ),
        named("ChangeNotify Impersonate CreateGlobal IncreaseBasePriority IncreaseWorkingSet"),
        named("ChangeNotify Impersonate CreateGlobal"), TRAVERSE | IMPERSONATE | NOT_LOW, "User32", "S-1-5-90-0-1",
    ),
    "limited": _LIMITED,
    "full": Context(
        FULL_LOGON, USER, _interactive(MANDATORY, ADMINISTRATORS, HIGH), ADMIN_PRESENT,
        named("ChangeNotify Impersonate CreateGlobal Debug"), TRAVERSE | BACKUP | RESTORE | IMPERSONATE | NOT_LOW,
        "User32", f"{MACHINE}-513", defaults=named("ChangeNotify Impersonate CreateGlobal"), elevation=2,
    ),
    **{
        name: Context(
            logon, f"{MACHINE}-1004",
            tuple((f"S-1-5-5-0-{logon.luid + 9}" if mask == LOGON_ID else sid, mask)
                  for sid, mask in _interactive(MANDATORY, ADMINISTRATORS, HIGH)),
            ADMIN_PRESENT, named("ChangeNotify Impersonate CreateGlobal Debug"),
            TRAVERSE | BACKUP | RESTORE | IMPERSONATE | NOT_LOW, "User32", f"{MACHINE}-513",
            defaults=named("ChangeNotify Impersonate CreateGlobal"),
        )
        for name, logon in zip(("managed-administrator", "managed-again"), MANAGED_LOGONS, strict=True)
    },
    "low-box": replace(
        _LIMITED, groups=_at_level(_LIMITED, LOW), flags=TRAVERSE | VIRTUALIZE_ALLOWED | FILTERED | LOW_BOX,
        package="S-1-15-2-466767348-3739614953-2700836392-1801644223-4227750657-1087833535-2488631167",
        capabilities=(
            ("S-1-15-3-1", 4), ("S-1-15-3-8", 4),
            ("S-1-15-3-1024-1065365936-1281604716-3511738428-1654721687-432734479-3232135806-4053264122-3456934681", 4),
        ),
        attributes=_CALCULATOR_ATTRIBUTES, made_from="limited",
    ),
    "sandboxed": replace(
        _LIMITED, groups=_at_level(_LIMITED, LOW), present=named("ChangeNotify"), made_from="limited",
        flags=TRAVERSE | VIRTUALIZE_ALLOWED | FILTERED | RESTRICTED,
        restricted=(("S-1-5-12", MANDATORY), ("S-1-1-0", MANDATORY)),
    ),
    "renderer": replace(
        _LIMITED, groups=_at_level(_LIMITED, LOW),
        flags=TRAVERSE | VIRTUALIZE_ALLOWED | FILTERED | PRIVATE_NAMESPACE | NO_CHILD_PROCESS,
    ),
    "accessibility": replace(_LIMITED, groups=_at_level(_LIMITED, HIGH), flags=_LIMITED.flags | UI_ACCESS),
    "virtualized": replace(_LIMITED, flags=_LIMITED.flags | VIRTUALIZE_ENABLED),
    "installer": replace(_LIMITED, flags=_LIMITED.flags | SANDBOX_INERT, made_from="limited"),
    "bob": Context(
        BOB_LOGON, f"{MACHINE}-1002",
        tuple(group for group in _interactive(0, 0, MEDIUM) if group[1]), LIMITED_PRESENT, named("ChangeNotify"),
        TRAVERSE | VIRTUALIZE_ALLOWED | NOT_LOW, "seclogo", f"{MACHINE}-513", mandatory_policy=3,
        origin=LIMITED_LOGON.luid,
    ),
    "agent": Context(
        MARIA_LOGON, f"{DOMAIN}-1104",
        (
            (f"{DOMAIN}-513", MANDATORY), *_SERVICE_GROUPS, ("S-1-5-5-0-381911", LOGON_ID), ("S-1-2-0", MANDATORY),
            (f"{DOMAIN}-1137", MANDATORY), ("S-1-18-1", MANDATORY), ("S-1-5-21-0-0-0-496", MANDATORY),
            ("S-1-5-21-0-0-0-497", MANDATORY), (HIGH, INTEGRITY),
        ),
        named("ChangeNotify Impersonate CreateGlobal IncreaseWorkingSet TimeZone"),
        named("ChangeNotify Impersonate CreateGlobal"), TRAVERSE | IMPERSONATE | NOT_LOW, "Advapi", f"{DOMAIN}-513",
        expires=36_120, audit=bytes.fromhex("000050000020"), attributes=_AGENT_ATTRIBUTES, claims=_AGENT_CLAIMS,
    ),
}  # fmt: skip
"""Kind of process to its security context; two halves of one split logon are ``limited`` and ``full``."""
