"""Rules over security contexts: tokens that are not what Windows hands out."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.findings.rules import Clue, Severity, rule
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.processes.listed import Process
from process_anatomy.walk.security.privileges import PRIVILEGES, STRONG, WEAK
from process_anatomy.walk.security.sids import INTEGRITY_LEVELS
from process_anatomy.walk.security.token_facts import IMPERSONATION_LEVELS, LOWBOX, RESTRICTED, WRITE_RESTRICTED
from process_anatomy.walk.security.tokens import Token

SYSTEM_USER = "S-1-5-18"
PEOPLE = ("S-1-5-21-", "S-1-12-1-", "S-1-11-")
"""How the SIDs of accounts of people begin: local or domain, Entra, Microsoft account."""
IMPERSONATE = 1 << 29
ACTS = ("Impersonation", "Delegation")
"""Levels with which a thread may act for a client, not just look at who it is."""
LEVELS = tuple(INTEGRITY_LEVELS.values())


def _token(token: Token) -> str:
    where = f"token {token.address:#x}" if isinstance(token.address, int) else "its token"
    return where if token.thread is None else f"{where} of thread {token.thread.tid}, {token.thread.address:#x}"


def above(level: str | Absent, other: str | Absent) -> bool:
    """Whether an integrity level is known to be higher than another."""
    if not isinstance(level, str) or not isinstance(other, str) or level not in LEVELS or other not in LEVELS:
        return False
    return LEVELS.index(level) > LEVELS.index(other)


def is_person(user: str | Absent) -> bool:
    """Whether a SID is that of a person's account."""
    return isinstance(user, str) and user.startswith(PEOPLE)


@rule("shared-token", Severity.CRITICAL, rests=("tokens",))
def shared_token(tables: Tables) -> Iterator[Clue]:
    """One token object, which is there, that several processes have as their primary token."""
    holders: dict[int, list[Process]] = {}
    for process in tables.everyone.rows:
        if isinstance(process.token, int) and isinstance(tables.primary[process.address].token_type, str):
            holders.setdefault(process.token, []).append(process)
    for process in tables.processes:
        if not isinstance(process.token, int):
            continue
        if others := [p for p in holders.get(process.token, ()) if p is not process]:
            token = tables.primary[process.address]
            lines = [f"token {process.token:#x} is in _EPROCESS {process.address:#x}"]
            lines += [f"and in _EPROCESS {p.address:#x} of {p.name} ({p.pid})" for p in others]
            yield process, f"{process.token:#x}", (*lines, f"it is a token of {token.user}")


@rule("system-token", Severity.HIGH, rests=("tokens",))
def system_token(tables: Tables) -> Iterator[Clue]:
    """A process that acts as the system, although its parent is a person's."""
    for process in tables.processes:
        token, parent = tables.primary[process.address], tables.kin.relative(process.ppid, process)
        over = tables.primary.get(parent.process.address) if parent.process else None
        if over is None or token.user != SYSTEM_USER or not is_person(over.user):
            continue
        if isinstance(process.create_time, int) and isinstance(over.process.create_time, int):
            line = f"its parent {over.process.name} ({over.process.pid}) acts as {over.user}, {_token(over)}"
            lines = (
                f"it acts as {SYSTEM_USER}, {_token(token)}",
                line,
                f"source {token.source}, session {token.session}",
            )
            yield process, f"{over.process.name} ({over.process.pid})", lines


@rule("raised-integrity", Severity.HIGH, rests=("tokens",))
def raised_integrity(tables: Tables) -> Iterator[Clue]:
    """A process of higher integrity than its parent, although nobody took part who may give that."""
    for row in tables.creations:
        parent, over, token = row.parent.process, row.parent_token, row.token
        # a split logon's other half is what a consent prompt hands out
        if parent is None or over is None or row.method == "elevation" or not above(token.integrity, over.integrity):
            continue
        if not (isinstance(row.process.create_time, int) and isinstance(parent.create_time, int)):
            continue
        # who asked for it decides: where that is not kept, or cannot be found, a service may have handed the token in
        asker = tables.primary.get(row.creator.process.address) if row.creator.process else None
        if asker is None or not isinstance(asker.present, int) or not is_person(asker.user):
            continue
        if not asker.present & IMPERSONATE and above(token.integrity, asker.integrity):
            who = f"{asker.process.name} ({asker.process.pid})"
            lines = (
                f"integrity {token.integrity}, {_token(token)}",
                f"its parent {parent.name} ({parent.pid}) has {over.integrity}, {_token(over)}",
                f"{who}, who asked for it, has no privilege to hand in another token",
            )
            yield row.process, f"{token.integrity} above {over.integrity}", lines


@rule("impossible-privileges", Severity.HIGH, rests=("tokens",))
def impossible_privileges(tables: Tables) -> Iterator[Clue]:
    """Privileges that are enabled although the token does not have them, or that there are not."""
    for token in tables.tokens:
        present, enabled = token.present, token.enabled
        if not isinstance(present, int) or not isinstance(enabled, int):
            continue
        lines = []
        if missing := _named(enabled & ~present):
            lines.append(f"enabled, but not present: {missing}")
        if unknown := (present | enabled) & ~sum(1 << value for value in PRIVILEGES):
            lines.append(f"there are no privileges with these bits: {unknown:#x}")
        if token.integrity in WEAK:
            strong = [PRIVILEGES[v] for v in PRIVILEGES if enabled >> v & 1 and PRIVILEGES[v] in STRONG]
            if strong:
                lines.append(f"enabled at integrity {token.integrity}, where Windows refuses to: {', '.join(strong)}")
        if lines:
            yield token.process, _token(token), (*lines, f"{_token(token)}, Privileges")


def _named(mask: int) -> str:
    return ", ".join(PRIVILEGES.get(value, f"bit {value}") for value in range(64) if mask >> value & 1)


@rule("foreign-impersonation", Severity.HIGH, rests=("threads", "tokens"))
def foreign_impersonation(tables: Tables) -> Iterator[Clue]:
    """A thread that acts for a more powerful client, in a process that has no right to impersonate."""
    for token in tables.tokens:
        own = tables.primary[token.process.address]
        if token.thread is None or token.level not in ACTS or not isinstance(own.present, int):
            continue
        if own.present & IMPERSONATE or token.user == own.user or not isinstance(own.user, str):
            continue
        if isinstance(token.user, str) and (token.user == SYSTEM_USER or above(token.integrity, own.integrity)):
            lines = (
                f"it acts as {token.user}, {_token(token)}",
                f"its process acts as {own.user}, {_token(own)}, without SeImpersonatePrivilege",
            )
            yield token.process, f"thread {token.tid}", lines


@rule("excess-impersonation", Severity.HIGH, rests=("threads",))
def excess_impersonation(tables: Tables) -> Iterator[Clue]:
    """A thread that acts for a client further than the client's token allows."""
    order = list(IMPERSONATION_LEVELS.values())
    for token in tables.tokens:
        if token.thread is None or not isinstance(token.level, str) or not isinstance(token.thread.level, int):
            continue
        taken = IMPERSONATION_LEVELS.get(token.thread.level)
        if taken is not None and token.level in order and order.index(token.level) < order.index(taken):
            line = f"the thread acts at level {taken}, the token allows {token.level}"
            yield token.process, f"thread {token.tid}", (line, _token(token))


@rule("inconsistent-token", Severity.MEDIUM, rests=("tokens",))
def inconsistent_token(tables: Tables) -> Iterator[Clue]:
    """A token whose parts contradict one another."""
    for token in tables.tokens:
        if lines := tuple(_contradictions(token)):
            yield token.process, _token(token), (*lines, _token(token))


def _contradictions(token: Token) -> Iterator[str]:
    wanted = "Primary" if token.thread is None else "Impersonation"
    if isinstance(token.token_type, str) and token.token_type != wanted:
        yield f"it is of type {token.token_type}, not {wanted}"
    logon = token.logon
    stated, led_to = token.authentication_id, NOT_APPLICABLE if isinstance(logon, Absent) else logon.logon_id
    if isinstance(stated, int) and isinstance(led_to, int) and stated != led_to:
        yield f"it names logon session {stated:#x}, but refers to {led_to:#x}"
    if not isinstance(token.flags, int):
        return
    if token.flags & LOWBOX and token.package == NOT_APPLICABLE:
        yield "it is flagged as an AppContainer's, but has no package"
    if not token.flags & LOWBOX and isinstance(token.package, str):
        yield "it has a package, but is not flagged as an AppContainer's"
    if isinstance(token.restricted, tuple):
        if token.restricted and not token.flags & (RESTRICTED | WRITE_RESTRICTED):
            yield "it has restricting SIDs, but is not flagged as restricted"
        if not token.restricted and token.flags & RESTRICTED:
            yield "it is flagged as restricted, but has no restricting SIDs"
