"""The cast of an older Windows: what its generation did not have yet is left out, of the image and of its truth.

Sources: Microsoft's documentation of well-known SIDs, privilege constants and user account control (which Windows each
came with); "Windows Internals" for the processes of a system that starts.
"""

from __future__ import annotations

from dataclasses import replace

from process_anatomy.forge.cast.lab import Actor, Impersonation
from process_anatomy.forge.ground.generations import one_desktop, version_of
from process_anatomy.forge.security.contexts import CONTEXTS, INTEGRITY, PRIVILEGES, Context
from structs.eprocess import EPROCESS
from structs.layout import Build
from structs.token import TOKEN

FIRST_WITH_ALL = (6, 3)
"""Version since which the whole cast is forged."""
VISTA_CONTEXTS = {"accessibility", "virtualized", "renderer", "write-restricted"}
"""Contexts that need what came with Vista; before it such a program had the usual token of its kind."""
USUAL = {"write-restricted": "local-service"}
VISTA_FLAGS, EIGHT_FLAGS, OLD_FLAGS = 0x3FFF, 0x7FFFF, 0xD7
"""Token flags that Vista and 7, that 8, and that Windows before Vista had."""
LAST_PRIVILEGE = {(5, 1): 30, (5, 2): 30, (6, 0): 35, (6, 1): 35, (6, 2): 35}
"""Version to the highest privilege."""
FIRST_SIDS: dict[str, tuple[int, int]] = {
    "S-1-5-80-": (6, 0), "S-1-5-33": (6, 0), "S-1-5-114": (6, 3), "S-1-5-113": (6, 3), "S-1-18-1": (6, 2),
    "S-1-5-21-0-0-0-49": (6, 2), "S-1-2-1": (6, 1), "S-1-16-": (6, 0),
}  # fmt: skip
"""Beginning of a SID to the version of Windows that it came with."""
MANY_HANDLES = 200
"""A table with more than these has two levels; on x86, where entries are half as large, twice as many are needed."""
FIRST_MISFITS = {"forged privileges": (6, 0), "forged flags": (6, 2)}
"""Trace of tampering to the version that brought what is tampered with: bitmaps of privileges, AppContainers."""
WININIT, WINLOGON, SESSION_MANAGER, SECOND_SUBSYSTEM = 588, 672, 388, 596
IS_RESTRICTED = 0x10
"""TokenFlags: the token has restricting SIDs (TOKEN_IS_RESTRICTED)."""
OLD_AUDIT = (0x4 | 0x5 << 4 | 1 << 36).to_bytes(8, "little")
"""Per-user audit policy before Windows Vista: failures of category System, both of Logon, and that one is set."""
PROFILES = "C:\\Users\\", "C:\\Documents and Settings\\"
TEMPORARY = "\\AppData\\Local\\Temp", "\\Local Settings\\Temp"


def cast_for(build: Build, cast: tuple[Actor, ...]) -> tuple[Actor, ...]:
    """The actors that this Windows can show, with what it can show of them."""
    if version_of(build) >= FIRST_WITH_ALL and build.pointer_size == 8:
        return cast
    return tuple(_as_then(build, actor) for actor in cast if _then(build, actor))


def _then(build: Build, actor: Actor) -> bool:
    """Whether there was such a process."""
    version = version_of(build)
    if actor.context == "low-box" and "Package" not in build[TOKEN]:
        return False
    if actor.context == "window-manager" and version < (6, 2):
        return False
    if actor.name == "Registry" and version < FIRST_WITH_ALL:
        return False
    return not (one_desktop(build) and actor.pid in (WININIT, SECOND_SUBSYSTEM))


def _as_then(build: Build, actor: Actor) -> Actor:
    protected, version = "ProtectionType" in build[EPROCESS], version_of(build)
    changed = replace(
        actor,
        protection=actor.protection if protected else 0,
        misfits=tuple(name for name in actor.misfits if FIRST_MISFITS.get(name, version) <= version),
        wow64=actor.wow64 and build.pointer_size == 8,
        handles=actor.handles * (2 if build.pointer_size == 4 and actor.handles > MANY_HANDLES else 1),
    )
    if not one_desktop(build):
        return changed
    parent = WINLOGON if actor.parent == WININIT else actor.parent
    if actor.name in ("winlogon.exe", "csrss.exe"):
        parent = SESSION_MANAGER
    context = actor.context
    if context in VISTA_CONTEXTS:
        context = USUAL.get(context, "limited")
    return replace(
        changed,
        parent=parent,
        session=None if actor.session is None else 0,
        context=context,
        impersonates=tuple(_in_one_session(each) for each in actor.impersonates),
        path=then_path(build, actor.path),
        arguments=then_path(build, actor.arguments),
        unlisted=then_path(build, actor.unlisted),
        window_title=then_path(build, actor.window_title),
    )


def _in_one_session(plan: Impersonation) -> Impersonation:
    return replace(plan, session=0)


def then_path(build: Build, path: str) -> str:
    """A path as it was then: users' folders had other names before Windows Vista."""
    if not one_desktop(build):
        return path
    return path.replace(*PROFILES).replace(*TEMPORARY)


def context_for(build: Build, name: str) -> Context:
    """The security context of that name, as this Windows could have it."""
    version = version_of(build)
    if version >= FIRST_WITH_ALL:
        return CONTEXTS[name]
    context = CONTEXTS[name]
    old = one_desktop(build)
    if old and name != "full" and context.logon.buddy:  # nobody's rights are split: an administrator has them all
        context = replace(CONTEXTS["full"], logon=context.logon, made_from=context.made_from,
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
