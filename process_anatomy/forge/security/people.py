"""Security contexts of the people and the machine of a scenario: the usual ones, with other names and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from process_anatomy.forge.ground.identity import Identity, Person
from process_anatomy.forge.security import contexts as usual
from process_anatomy.forge.security.contexts import CONTEXTS, Context, Logon

OF_PEOPLE = (
    "limited", "full", "managed-administrator", "managed-again", "low-box", "sandboxed", "renderer", "accessibility",
    "virtualized", "installer",
)  # fmt: skip
"""Contexts that each person has, in an order in which one is made before those that are made from it."""
STANDARD = "standard"
"""The context of a person who is no administrator; the usual ones call it after one."""
WINDOW_MANAGER = "window-manager"
LOGON_OF_WINDOW_MANAGER = 0xE3A1
MORE_WINDOW_MANAGERS = 0x1000
"""How far apart the logon sessions of the window managers of two terminal sessions are."""


def context_name(kind: str, key: str) -> str:
    """What the context of a person is called."""
    return f"{kind}@{key}"


def contexts_of(identity: Identity) -> dict[str, Context]:
    """The contexts of Windows' own accounts under their usual names, those of people as ``KIND@KEY``."""
    machine = replace(usual.SYSTEM_LOGON, account=f"{identity.computer}$", authority=identity.domain)
    found = {
        "system": replace(CONTEXTS["system"], logon=machine),
        "local-service": CONTEXTS["local-service"],
        "network-service": replace(
            CONTEXTS["network-service"], logon=replace(machine, luid=usual.NETWORK_LOGON.luid)
        ),
        "write-restricted": CONTEXTS["write-restricted"],
    }  # fmt: skip
    for session in sorted({1, *(person.session for person in identity.people)}):
        found[f"{WINDOW_MANAGER}@{session}"] = _window_manager(session)
    for person in identity.people:
        for kind in OF_PEOPLE:
            found[context_name(kind, person.key)] = _of(person, CONTEXTS[kind], identity)
        own = replace(CONTEXTS["bob"], source="User32", origin=usual.SYSTEM_LUID)
        found[context_name(STANDARD, person.key)] = _of(person, own, identity)
    return found


def _window_manager(session: int) -> Context:
    context, sid = CONTEXTS[WINDOW_MANAGER], f"S-1-5-90-0-{session}"
    logon = Logon(LOGON_OF_WINDOW_MANAGER + MORE_WINDOW_MANAGERS * (session - 1), f"DWM-{session}", "Window Manager")
    return replace(context, logon=logon, user=sid, primary_group=sid)


def _of(person: Person, context: Context, identity: Identity) -> Context:
    """A context as this person has it."""
    logons = {
        usual.FULL_LOGON.luid: Logon(person.full_luid, person.account, person.authority, buddy=person.luid),
        usual.LIMITED_LOGON.luid: Logon(person.luid, person.account, person.authority, buddy=person.full_luid),
        usual.BOB_LOGON.luid: Logon(person.luid, person.account, person.authority),
        **{
            logon.luid: Logon(luid, person.managed, identity.computer)
            for logon, luid in zip(usual.MANAGED_LOGONS, person.managed_luids, strict=True)
        },
    }
    managed = context.user == f"{usual.MACHINE}-1004"
    base = identity.machine if managed else person.sid.rpartition("-")[0]
    words = {
        context.user: person.managed_sid if managed else person.sid,
        usual.LOGON_SID: person.logon,
        f"{usual.MACHINE}-513": f"{base}-513",
        **{f"S-1-5-5-0-{logon.luid + 9}": f"S-1-5-5-0-{logons[logon.luid].luid + 9}" for logon in usual.MANAGED_LOGONS},
    }
    if person.authority != identity.computer and not managed:  # an account of the domain is no local account
        words |= {"S-1-5-113": "", "S-1-5-114": ""}
    return replace(
        context,
        logon=logons[context.logon.luid],
        user=words[context.user],
        groups=_renamed(context.groups, words),
        restricted=_renamed(context.restricted, words),
        primary_group=words.get(context.primary_group, context.primary_group),
        made_from=context_name(context.made_from, person.key) if context.made_from else "",
    )


def _renamed(groups: tuple[tuple[str, int], ...], words: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    return tuple((words.get(sid, sid), mask) for sid, mask in groups if words.get(sid, sid))
