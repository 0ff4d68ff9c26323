"""Privileges: what each token allows, one row for each privilege that its token tells of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from process_anatomy.walk.security.tokens import Token

PRIVILEGES = {
    2: "SeCreateTokenPrivilege",
    3: "SeAssignPrimaryTokenPrivilege",
    4: "SeLockMemoryPrivilege",
    5: "SeIncreaseQuotaPrivilege",
    6: "SeMachineAccountPrivilege",
    7: "SeTcbPrivilege",
    8: "SeSecurityPrivilege",
    9: "SeTakeOwnershipPrivilege",
    10: "SeLoadDriverPrivilege",
    11: "SeSystemProfilePrivilege",
    12: "SeSystemtimePrivilege",
    13: "SeProfileSingleProcessPrivilege",
    14: "SeIncreaseBasePriorityPrivilege",
    15: "SeCreatePagefilePrivilege",
    16: "SeCreatePermanentPrivilege",
    17: "SeBackupPrivilege",
    18: "SeRestorePrivilege",
    19: "SeShutdownPrivilege",
    20: "SeDebugPrivilege",
    21: "SeAuditPrivilege",
    22: "SeSystemEnvironmentPrivilege",
    23: "SeChangeNotifyPrivilege",
    24: "SeRemoteShutdownPrivilege",
    25: "SeUndockPrivilege",
    26: "SeSyncAgentPrivilege",
    27: "SeEnableDelegationPrivilege",
    28: "SeManageVolumePrivilege",
    29: "SeImpersonatePrivilege",
    30: "SeCreateGlobalPrivilege",
    31: "SeTrustedCredManAccessPrivilege",
    32: "SeRelabelPrivilege",
    33: "SeIncreaseWorkingSetPrivilege",
    34: "SeTimeZonePrivilege",
    35: "SeCreateSymbolicLinkPrivilege",
    36: "SeDelegateSessionUserImpersonatePrivilege",
}
"""LUID of each privilege, which is also its bit in the token's masks (wdm.h, SE_*_PRIVILEGE)."""
EVERY = sum(1 << value for value in PRIVILEGES)
"""All of them as such a mask."""


STRONG = frozenset(
    f"Se{name}Privilege"
    for name in ("CreateToken", "Tcb", "TakeOwnership", "LoadDriver", "Backup", "Restore", "Debug", "Relabel")
)
"""Privileges that a token with less than high integrity cannot enable.

Source: Forshaw, "Windows Security Internals", chapter 4 (SeImpersonatePrivilege is left out: services of
medium integrity do hold it).
"""
WEAK = frozenset({"untrusted", "low", "medium", "medium-plus"})


class Privilege(NamedTuple):
    """One privilege of one token.

    Attributes:
        token: whose.
        value: LUID of the privilege.
        name: its Windows name.
        present: the token has it.
        enabled: it counts now.
        default: it counted when the token was made.
    """

    token: Token
    value: int
    name: str
    present: bool
    enabled: bool
    default: bool

    @property
    def state(self) -> str:
        """``absent``, ``present``, ``enabled``, ``enabled-by-default`` or ``enabled-not-present``."""
        if self.enabled and not self.present:
            return "enabled-not-present"
        if self.enabled:
            return "enabled-by-default" if self.default else "enabled"
        return "present" if self.present else "absent"

    @property
    def attributes(self) -> str:
        """The set attributes as stock Volatility writes them."""
        named = (("Present", self.present), ("Enabled", self.enabled), ("Default", self.default))
        return ",".join(name for name, there in named if there)

    @property
    def problem(self) -> str:
        """What is impossible about it on a healthy system; usually empty."""
        found = []
        if self.enabled and not self.present:
            found.append("enabled, but the token does not have it")
        if not self.name:
            found.append("there is no such privilege")
        if self.enabled and self.name in STRONG and self.token.integrity in WEAK:
            found.append(f"enabled at integrity {self.token.integrity}, where Windows refuses to enable it")
        return "; ".join(found)


def privileges(tokens: list[Token]) -> Iterator[Privilege | Token]:
    """Every privilege of each token; a token whose privileges could not be read, all or some, is yielded itself.

    A token of before Windows Vista lists the privileges that it has, so there is no row for those that it has not.
    """
    for token in tokens:
        present, enabled, default = token.present, token.enabled, token.default
        if not (isinstance(present, int) and isinstance(enabled, int) and isinstance(default, int)):
            yield token
            continue
        told = present | enabled | default | (0 if token.privileges_listed else EVERY)
        for value in range(told.bit_length()):
            bit = 1 << value
            if told & bit:
                name = PRIVILEGES.get(value, "")
                yield Privilege(token, value, name, present & bit != 0, enabled & bit != 0, default & bit != 0)
        if token.privilege_problems:
            yield token
