"""Security contexts of an older Windows: what its generation did not have yet is left out.

Sources: Microsoft's documentation of well-known SIDs, privilege constants and user account control (which Windows each
came with).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from process_anatomy.forge.ground.generations import FIRST_WITH_ALL, one_desktop, version_of
from process_anatomy.forge.security.contexts import CONTEXTS, INTEGRITY, PRIVILEGES, Context
from structs.layout import Build
from structs.token import TOKEN

VISTA_FLAGS, EIGHT_FLAGS, OLD_FLAGS = 0x3FFF, 0x7FFFF, 0xD7
"""Token flags that Vista and 7, that 8, and that Windows before Vista had."""
LAST_PRIVILEGE = {(5, 1): 30, (5, 2): 30, (6, 0): 35, (6, 1): 35, (6, 2): 35}
"""Version to the highest privilege."""
FIRST_SIDS: dict[str, tuple[int, int]] = {
    "S-1-5-80-": (6, 0), "S-1-5-33": (6, 0), "S-1-5-114": (6, 3), "S-1-5-113": (6, 3), "S-1-18-1": (6, 2),
    "S-1-5-21-0-0-0-49": (6, 2), "S-1-2-1": (6, 1), "S-1-16-": (6, 0),
}  # fmt: skip
"""Beginning of a SID to the version of Windows that it came with."""
IS_RESTRICTED = 0x10
"""TokenFlags: the token has restricting SIDs (TOKEN_IS_RESTRICTED)."""
OLD_AUDIT = (0x4 | 0x5 << 4 | 1 << 36).to_bytes(8, "little")
"""Per-user audit policy before Windows Vista: failures of category System, both of Logon, and that one is set."""


def context_for(build: Build, name: str, contexts: Mapping[str, Context] = CONTEXTS) -> Context:
    """The security context of that name, as this Windows could have it.

    Args:
        build: which Windows runs.
        name: key of ``contexts``.
        contexts: those of the machine and its people.
    """
    version = version_of(build)
    context = contexts[name]
    if version >= FIRST_WITH_ALL:
        return context
    old = one_desktop(build)
    kind, at, key = name.partition("@")
    if old and kind != "full" and context.logon.buddy:  # nobody's rights are split: an administrator has them all
        context = replace(contexts[f"full{at}{key}"], logon=context.logon, made_from=context.made_from,
                          restricted=context.restricted)  # fmt: skip
    most = LAST_PRIVILEGE[version]
    allowed = frozenset(name for name, number in PRIVILEGES.items() if number <= most)
    restriction = IS_RESTRICTED * bool(old and context.restricted)  # write-restricted tokens are Vista's
    flags = restriction | context.flags & (OLD_FLAGS if old else VISTA_FLAGS if version < (6, 2) else EIGHT_FLAGS)
    groups = tuple(
        (sid, mask) for sid, mask in context.groups if _known(sid, version) and not (old and mask == INTEGRITY)
    )
    return replace(
        context,
        logon=replace(context.logon, buddy=0) if old else context.logon,
        groups=groups,
        restricted=tuple((sid, mask) for sid, mask in context.restricted if _known(sid, version)),
        present=context.present & allowed,
        enabled=context.enabled & allowed,
        defaults=context.defaults & allowed,
        flags=flags,
        audit=context.audit if "AuditPolicy" in build[TOKEN] else OLD_AUDIT * bool(context.audit),
        attributes=context.attributes if "pSecurityAttributes" in build[TOKEN] else (),
        claims=context.claims if "pClaimAttributes" in build[TOKEN] else None,
    )


def _known(sid: str, version: tuple[int, int]) -> bool:
    """Whether a SID existed."""
    return all(version >= first for start, first in FIRST_SIDS.items() if sid.startswith(start))
