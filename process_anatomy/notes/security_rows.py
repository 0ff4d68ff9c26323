"""Which note belongs to a row of the security context, and the facts that fill it in.

As :mod:`process_anatomy.notes.process_rows`: pure functions; the words are in the notes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from process_anatomy.absent import Absent
from process_anatomy.notes.explainer import Told
from process_anatomy.notes.library import Level, Library, NoteError, Words
from process_anatomy.notes.process_rows import account_of, count, listing, who, word
from process_anatomy.walk.across.creation import Creation
from process_anatomy.walk.processes.listed import NOT_READ
from process_anatomy.walk.security.acls import Ace, Acl
from process_anatomy.walk.security.attributes import Attribute
from process_anatomy.walk.security.groups import Group
from process_anatomy.walk.security.managed import managed
from process_anatomy.walk.security.privileges import Privilege
from process_anatomy.walk.security.token_facts import FILTERED, LOWBOX, RESTRICTED, WRITE_RESTRICTED
from process_anatomy.walk.security.tokens import Token

Fact = tuple[str, dict[str, object]]
SERVICE_ACCOUNTS = {"S-1-5-19", "S-1-5-20"}
SERVICE = re.compile(r"S-1-5-80-\d+(?:-\d+){4}")
"""The SID of one service: five numbers of the hash of its name."""
MOST_SERVICES = 4
"""Services that a sentence names."""
ALLOWING, DENYING = (0, 9), (1, 10)
"""AceType of entries that grant, and of those that refuse."""


LOOKING = ("Anonymous", "Identification")
"""Levels at which a thread may at most learn who its client is."""
SESSION_STARTED = {"csrss.exe", "wininit.exe", "winlogon.exe"}
"""Programs that the Session Manager of a new session starts before it ends."""
MANAGEABLE = {"user", "elevated"}
"""Kinds of tokens that may be of an account that Windows manages for an administrator."""
OTHERS = {"create-process", "restricted", "as-user"}
"""Ways of creation whose notes name the parent as the one that made the process."""


def _holder(token: Token) -> dict[str, object]:
    """Who has the token: a process, or one of its threads."""
    facts = who(token.process)
    acting = Words(f"thread {word(token.tid)} of {facts['process']}") if token.thread else facts["process"]
    return facts | {"tid": word(token.tid), "holder": acting}


def privilege_note(row: Privilege, library: Library) -> Fact:
    """The note of a privilege row."""
    facts = _holder(row.token) | {"value": row.value}
    if not row.name:
        return "privilege-state/unknown", facts
    may = library[f"privilege/{row.name}"].text(Level.BRIEF)
    return f"privilege-state/{row.state}", facts | {"privilege": row.name, "may": may}


def privilege_title(row: Privilege, library: Library) -> str:
    """A privilege in a few words, empty where no Windows has it."""
    return library[f"privilege/{row.name}"].title if row.name else ""


def token_note(token: Token, number: int = 0, services: Sequence[str] = ()) -> Fact:
    """The note of a token row.

    Args:
        token: the token.
        number: build number of the Windows that runs.
        services: names of the services whose own SIDs the token carries, by :func:`services_of`.
    """
    facts = _holder(token) | {
        "user": word(token.user) if isinstance(token.user_name, str) else "a SID without a known name",
        "name": account_of(token.user_name, token.user),
        "account": account_of(token.account, token.user),
        "rank": _labelled("integrity", "integrity level", token.integrity),
        "elevation": _labelled("elevation type", "elevation type", token.elevation),
        "session": word(token.session),
        "services": _services(services),
        "level": word(token.level),
        "restricting": count(_size(token.restricted), "restricting SID"),
        "capabilities": count(_size(token.capabilities), "capability SID"),
    }
    kind = _token_kind(token)
    if kind in MANAGEABLE and managed(token, number):
        kind = "managed-administrator"
    return f"token-row/{kind}", facts


def services_of(token: Token) -> list[str]:
    """The SIDs of services among the groups of a token: Service Control gives each service that it starts its own."""
    held = token.sids if isinstance(token.sids, tuple) else ()
    return [sid for sid, _ in held if isinstance(sid, str) and SERVICE.fullmatch(sid)]


def _services(names: Sequence[str]) -> str:
    """For which services a process acts, to be read behind its account; empty for none."""
    if not names:
        return ""
    more = len(names) - MOST_SERVICES
    told = [*names[:MOST_SERVICES], f"{more} more"] if more > 0 else list(names)
    return f" for the {'service' if len(names) == 1 else 'services'} {listing(told)}"


def _labelled(label: str, noun: str, value: str | Absent) -> str:
    """A fact behind its label; a Windows that has no such fact has none of the noun."""
    if isinstance(value, Absent) and value.kind not in NOT_READ:
        return f"no {noun}"
    return f"{label} {word(value)}"


def _account(token: Token | None) -> str:
    return "unknown" if token is None else account_of(token.user_name, token.user)


def _size(array: tuple[object, ...] | Absent) -> int | Absent:
    return array if isinstance(array, Absent) else len(array)


def _token_kind(token: Token) -> str:
    if isinstance(token.user, Absent) or isinstance(token.flags, Absent):
        return "unreadable"
    if token.thread is not None:
        return "identification" if token.level in LOOKING else "impersonation"
    if token.flags & LOWBOX:
        return "app-container"
    if token.flags & RESTRICTED:
        return "write-restricted" if token.flags & WRITE_RESTRICTED else "restricted"
    if token.user == "S-1-5-18":
        return "system-user"
    if token.user in SERVICE_ACCOUNTS or token.user.startswith("S-1-5-80-"):
        return "service"
    if token.elevation == "full":
        return "elevated"
    if token.elevation == "limited" or token.flags & FILTERED:
        return "ui-access" if token.ui_access is True else "limited"
    return "user"


def group_note(row: Group, name: str, number: int = 0) -> Fact:
    """The note of a SID of a token.

    Args:
        row: the SID.
        name: its name, empty where none is known.
        number: build number of the Windows that runs.
    """
    sid = word(row.sid)
    facts = _holder(row.token) | {
        "sid": sid,
        "name": name or sid,
        "attributes": "none" if row.attributes == "" else word(row.attributes),
        "also": f", and also its {listing(row.roles)}" if row.roles else "",
    }
    looked_at = row.token.thread is not None and row.token.level in LOOKING and row.state == "enabled"
    state = "looked-at" if looked_at else row.state
    if state == "user" and managed(row.token, number):
        state = "managed-administrator"
    return f"group-row/{state}", facts


def attribute_note(row: Attribute, index: int, library: Library) -> Fact:
    """The note of a value of a security attribute or claim.

    Args:
        row: the attribute.
        index: number of the value, from 0.
        library: holds the meanings of the names that are known.
    """
    known = ""
    if isinstance(row.name, str):
        try:
            known = library[f"attribute/{row.name}"].brief
        except NoteError:
            known = library["attribute/other"].brief
    facts = _holder(row.token) | {
        "name": word(row.name),
        "type": word(row.type),
        "kind": row.kind,
        "value_count": count(len(row.values), "value"),
        "place": f"value {index + 1} of {len(row.values)}" if row.values else "no value",
        "value": _value(row, index),
        "meaning": known,
        "by": "its logon session" if row.shared else "the token itself",
    }
    if isinstance(row.name, Absent):
        return "attribute-row/unproved", facts
    kind = "restricted-claim" if row.kind.startswith("restricted") else row.kind.replace(" ", "-")
    return f"attribute-row/{kind}", facts


def _value(row: Attribute, index: int) -> object:
    """A value as a sentence holds it."""
    if index >= len(row.values):
        return "nothing"
    value = row.values[index]
    return value.hex() if isinstance(value, bytes) else word(value)


def ace_note(token: Token, ace: Ace, name: str, number: int = 1) -> Fact:
    """The note of an entry of a token's default access list, the first of which has the number 1."""
    sid = word(ace.sid)
    facts = _holder(token) | {
        "sid": sid,
        "name": name or sid,
        "rights": ace.rights or "nothing",
        "entry": f"entry {number}",
    }
    kind = "allowed" if ace.type in ALLOWING else "denied" if ace.type in DENYING else "other"
    return f"dacl-row/{kind}", facts


def dacl_note(token: Token) -> Fact:
    """The note of a token's default access list where it has no entries to show."""
    if isinstance(token.dacl, Acl):
        return f"dacl-row/{'unreadable' if token.dacl.problems else 'empty'}", _holder(token)
    kind = "unreadable" if token.dacl.kind in NOT_READ else "no-token" if token.address == 0 else "none"
    return f"dacl-row/{kind}", _holder(token)


HOST, LONGEST_SERVICE, LONGEST_LINE = "svchost.exe", 64, 4096
"""The program that hosts services, and characters of a service's name and of a command line that are looked at."""
_HOSTED = re.compile(r"\s-(?P<what>[ks])\s+\"?(?P<name>[^\s\"]+)", re.IGNORECASE)


def _hosted(row: Creation) -> str:
    """Which services a host of services was started for, by its command line; empty where that does not tell."""
    line, name = row.peb.command_line, row.process.name
    if not isinstance(line, str) or not isinstance(name, str) or name.lower() != HOST:
        return ""
    told = {found["what"].lower(): found["name"] for found in _HOSTED.finditer(line[:LONGEST_LINE])}
    names = [f"the {kind} {told[key]}" for key, kind in (("k", "group"), ("s", "service")) if key in told]
    if not names or any(len(each) > LONGEST_SERVICE or not each.isprintable() for each in names):
        return ""
    return f" Its command line names {listing(names)}."


def creation_note(row: Creation) -> Told:
    """The note of how a process was made."""
    parent, creator = row.parent, row.creator
    made_by = creator.name if isinstance(creator.name, str) else f"process {creator.pid}"
    facts = who(row.process) | {
        "parent": parent.name if isinstance(parent.name, str) else Words("a process without a known name"),
        "creator": made_by if isinstance(creator.pid, int) else Words("nobody on record"),
        "creator_pid": word(creator.pid),
        "user": account_of(row.token.user_name, row.token.user),
        "parent_user": _account(row.parent_token),
        "integrity": word(row.token.integrity),
        "changes": listing(row.changes) or "nothing" if isinstance(row.changes, tuple) else "unknown",
        "compared": _compared(row.changes),
        "confidence": row.confidence,
    }
    kind = _creation_kind(row)
    return Told(f"creation-row/{kind}", facts, sober=_hosted(row) if kind == "service" else "")


def _compared(changes: tuple[str, ...] | Absent) -> str:
    """How a process's token compares with its parent's, as a part of a sentence."""
    if isinstance(changes, Absent):
        return "how its token differs from the parent's is not known"
    if not changes:
        return "its token is identical to the parent's"
    only = "only " if len(changes) == 1 else ""
    return f"its token differs from the parent's {only}in {listing(changes)}"


def _creation_kind(row: Creation) -> str:
    if row.method == "orphan" and isinstance(row.process.name, str) and row.process.name.lower() in SESSION_STARTED:
        return "session-start"
    pids = row.creator.pid, row.parent.pid
    if row.method in OTHERS and isinstance(pids[0], int) and isinstance(pids[1], int) and pids[0] != pids[1]:
        return "other-creator"
    return row.method
