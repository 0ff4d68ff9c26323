"""Which note belongs to a thread or to an entry of the Windows subsystem's list, and the facts that fill it in.

As :mod:`process_anatomy.notes.process_rows`: pure functions; the words are in the notes.
"""

from __future__ import annotations

from process_anatomy.absent import Absent
from process_anatomy.filetime import moment_text
from process_anatomy.notes.block_rows import Fact, place
from process_anatomy.notes.library import Library
from process_anatomy.notes.process_rows import count, who, word
from process_anatomy.walk.across.starts import (
    DRIVER,
    MAPPED,
    NO_DRIVER,
    NONE,
    NOTHING,
    PRIVATE,
    PRIVATE_EXECUTABLE,
    REUSED,
    SHARED,
    UNKNOWN,
    Start,
    Starts,
)
from process_anatomy.walk.crossview.csr_processes import CsrProcess
from process_anatomy.walk.crossview.csr_roots import CsrRoot
from process_anatomy.walk.threads.facts import STATES, TERMINATED, WAIT_REASONS

IMPERSONATION = 2
"""SECURITY_IMPERSONATION_LEVEL from which on a thread acts as its client; below it may only learn who that is."""
LONGEST = 60
"""Characters of a thread's name that a sentence has."""
ODD = {PRIVATE_EXECUTABLE: "private-executable", NOTHING: "nowhere", NO_DRIVER: "no-driver"} | dict.fromkeys(
    (PRIVATE, SHARED, MAPPED), "no-image"
)
"""Kinds of starts that a row tells of before anything else, and the note that does; the most telling first."""


def start_key(kind: str) -> str:
    """The name of a kind of start as its note's id has it."""
    return kind.replace(" ", "-")


def thread_note(row: Starts, library: Library) -> Fact:
    """The note of a thread."""
    told = row.facts
    kinds = {row.win32.kind: row.win32, row.start.kind: row.start}
    odd = next((kinds[kind] for kind in ODD if kind in kinds), row.win32)
    unknown = next((start for start in (row.win32, row.start) if start.kind == UNKNOWN), None)
    facts = who(told.thread.process) | {
        "tid": word(told.thread.tid),
        "named": _called(told.name),
        "doing": _doing(row, library),
        "start": place(row.start.address),
        "start_name": _name(row.start, library),
        "win32_start": place(row.win32.address),
        "win32_name": _name(row.win32, library),
        "token": place(told.thread.client_token),
        "ended": moment_text(told.exit_time) or "an unknown time",
        "status": f"{told.exit_status & 0xFFFFFFFF:#x}" if isinstance(told.exit_status, int) else "unknown",
        "odd": place(odd.address),
        "odd_protection": word(odd.protection),
        "where": library[f"start-kind/{start_key(odd.kind)}"].brief,
        "reason": unknown.reason if unknown else "nothing is missing",
    }
    return f"thread-row/{_thread_kind(row)}", facts


def _called(name: str | Absent) -> str:
    """What the program called a thread, to be read behind its id; empty where it did not."""
    if not isinstance(name, str) or not name:
        return ""
    return f' ("{name}")' if len(name) <= LONGEST else f' ("{name[:LONGEST]}…")'


def _thread_kind(row: Starts) -> str:
    told, kinds = row.facts, {row.start.kind, row.win32.kind}
    if isinstance(told.state, Absent) or isinstance(told.start, Absent):
        return "unreadable"
    if isinstance(row.alarm, str):
        return next(note for kind, note in ODD.items() if kind in kinds)
    if told.ended:
        return "ended" if told.state == TERMINATED else "ending"
    if row.start.kind == REUSED:
        return "reused"
    if row.win32.kind == REUSED:
        return "message-number"
    if isinstance(told.thread.client_token, int):
        level = told.thread.level
        return "identifying" if isinstance(level, int) and level < IMPERSONATION else "impersonating"
    in_user_mode = isinstance(told.teb, int) and told.teb != 0
    if not in_user_mode and row.start.kind == DRIVER and row.win32.kind in (DRIVER, NONE):
        return "kernel"
    if UNKNOWN in kinds:
        return "unknown-start"
    return "wow64" if told.thread.process.wow64 is True else "user"


def _name(start: Start, library: Library) -> str:
    """What a start lies in, as a sentence holds it."""
    if isinstance(start.name, str) and start.name:
        return start.name
    return library[f"start-kind/{start_key(start.kind)}"].brief


def _doing(row: Starts, library: Library) -> str:
    """What the thread does, in a few words that follow its name."""
    state, reason = row.facts.state, row.facts.wait_reason
    if not isinstance(state, str) or state not in STATES:
        return "is in a state that no Windows has"
    if not isinstance(reason, str):
        return library[f"thread-state/{state}"].brief
    why = library[f"wait-reason/{reason}"].brief if reason in WAIT_REASONS else "no Windows has that reason"
    return f"waits ({reason}: {why})"


def csr_note(row: CsrProcess, others: int) -> Fact:
    """The note of a CSR_PROCESS.

    Args:
        row: the entry.
        others: how many others are in its ring.
    """
    client = who(row.process)["process"] if row.process is not None else "a process that is not listed"
    facts = who(row.server) | {
        "node": place(row.address),
        "client": client,
        "client_pid": word(row.pid),
        "eprocess": place(row.process.address) if row.process is not None else "no address",
        "session": word(row.session),
        "threads": count(len(row.threads), "thread"),
        "count": count(others, "other"),
        "reason": "nothing is missing",
    }
    return f"csr-row/{_csr_kind(row)}", facts


def csr_gap_note(root: CsrRoot) -> Fact:
    """The note of a csrss.exe whose ring was not found."""
    facts = who(root.process) | {
        "node": "an unknown address",
        "client": "nobody",
        "client_pid": "unknown",
        "eprocess": "no address",
        "session": word(root.process.session),
        "threads": count(0, "thread"),
        "count": count(0, "other"),
        "reason": "; ".join(root.problems) or "the reason is not known",
    }
    return "csr-row/no-ring", facts


def _csr_kind(row: CsrProcess) -> str:
    if isinstance(row.pid, Absent):
        return "unreadable"
    if row.root:
        return "root"
    if row.process is None or "pid" not in row.tied_by:
        return "no-process"
    if isinstance(row.process.exit_time, int):
        return "ended"
    return "contradicted" if row.problems else "client"
