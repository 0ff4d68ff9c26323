"""Traces in tokens: one that is stolen, privileges and flags that were written into one."""

from __future__ import annotations

from process_anatomy.forge.traces.trace import Victim
from structs.token import TOKEN

LOW_BOX = 0x4000
FORGED_PRIVILEGES = 1 << 7 | 1 << 20
"""SeTcbPrivilege and SeDebugPrivilege."""


def steal_token(victim: Victim) -> None:
    """The process has System's token."""
    victim.process.token = victim.system.token


def forge_privileges(victim: Victim) -> None:
    """Privileges are enabled that the token does not have."""
    token = victim.process.token
    enabled = token["privileges"]["enabled"] | FORGED_PRIVILEGES
    victim.set_kernel_field(TOKEN, token["va"], "PrivilegesEnabled", enabled)
    token["privileges"]["enabled"] = enabled


def forge_flags(victim: Victim) -> None:
    """A flag says that the token is an AppContainer's."""
    token = victim.process.token
    victim.set_kernel_field(TOKEN, token["va"], "TokenFlags", token["token_flags"] | LOW_BOX)
