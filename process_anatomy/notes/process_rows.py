"""Which note belongs to a row, and the facts that fill it in.

Pure functions from the records of a walk to a note's id and its placeholders; the words are in the notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from process_anatomy.absent import Absent, Kind
from process_anatomy.filetime import moment_text
from process_anatomy.kernel.identify import SYSTEM_PID, Crash
from process_anatomy.notes.library import Words
from process_anatomy.walk.processes.kin import Kin
from process_anatomy.walk.processes.listed import NOT_READ, Process
from process_anatomy.walk.security.tokens import Token

UNKNOWN_PARENT = "a process that was not found"
PARENTS = {"newer": "a process that ended, whose id was used again", "none": "no process"}
"""By the state of a parent that is not there: what a sentence calls it."""


def who(process: Process) -> dict[str, object]:
    """The process of a row, as notes name it."""
    name = process.name if isinstance(process.name, str) else Words("a process without a readable name")
    name = name or Words("a process without a name")
    return {"process": name, "pid": word(process.pid), "ppid": word(process.ppid)}


def word(value: Any) -> object:
    """A fact as a sentence holds it: unknown where it could not be had, none where there is none, never nothing."""
    if isinstance(value, Absent):
        return Words("unknown" if value.kind in NOT_READ else "none")
    return Words("an empty text") if value == "" else value


def account_of(name: str | Absent, sid: str | Absent, otherwise: str = "unknown") -> str:
    """An account as a sentence holds it: by its name, by its SID where no name is known, else what is said instead."""
    return name if isinstance(name, str) and name else sid if isinstance(sid, str) else Words(otherwise)


def count(value: Any, noun: str) -> str:
    """A number with its noun.  No verb follows it in a sentence, for it would have to agree."""
    plural = f"{noun.removesuffix('y')}ies" if noun.endswith("ry") else f"{noun}s"
    if not isinstance(value, int):
        return Words(f"an unknown number of {plural}")
    return f"{value} {noun if value == 1 else plural}"


def file_words(value: Any) -> str:
    """The path of a file as a sentence holds it: that there is none is another fact than that it cannot be read."""
    if isinstance(value, Absent):
        return Words("a file whose name cannot be read" if value.kind in NOT_READ else "no file")
    return str(value) or Words("no file")


def listing(words: Sequence[str]) -> str:
    """Words as a sentence lists them, empty without any."""
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def process_note(process: Process, kin: Kin, token: Token | None, crash: Crash | None) -> tuple[str, dict[str, object]]:
    """The note of a process row.

    Args:
        process: the row.
        kin: every process of the image.
        token: its primary token, if it was read.
        crash: the moment of the crash, where the image is a small dump.
    """
    relative = kin.relative(process.ppid, process)
    parent = relative.process
    user: str = Words("an unknown user")
    if token is not None:
        user = account_of(token.user_name, token.user, "an unknown user")
    facts = who(process) | {
        "parent": who(parent)["process"] if parent is not None else PARENTS.get(relative.state, UNKNOWN_PARENT),
        "threads": word(process.threads),
        "thread_count": count(process.threads, "thread"),
        "goon_count": count(process.threads, "goon"),
        "session": word(process.session),
        "user": user,
        "protected": process.protection_name if isinstance(process.protection_name, str) else "of an unknown kind",
        "created": moment_text(process.create_time) or "an unknown time",
        "ended": moment_text(process.exit_time) or "an unknown time",
    }
    if crash is not None and crash.process == process.address:
        facts |= {
            "thread": f"{crash.thread:#x}",
            "stopped": moment_text(crash.time) or "an unknown time",
            "bugcheck": f"{crash.bugcheck:#x}",
            "build": crash.build,
        }
        return "process-row/small-dump", facts
    return f"process-row/{_process_kind(process, token)}", facts


def _process_kind(process: Process, token: Token | None) -> str:
    if isinstance(process.pid, Absent) or isinstance(process.name, Absent):
        return "unreadable"
    if process.pid == SYSTEM_PID:
        return "system"
    if isinstance(process.exit_time, int):
        return "exited"
    if process.minimal is True:
        # what could not be read of it may be what makes it a pico process
        unread = isinstance(process.pico, Absent) and process.pico.kind in NOT_READ
        return "pico" if process.pico is True else "unreadable" if unread else "minimal"
    if isinstance(process.protection, tuple) and process.protection[0]:
        return "protected"
    if process.wow64 is True:
        return "wow64"
    if isinstance(process.session, Absent):
        return "unreadable" if process.session.kind in NOT_READ else "no-session"
    if process.session != 0:
        return "user-session"
    # tokens have integrity levels since Windows Vista, which also took users out of session 0
    isolated = token is None or not isinstance(token.integrity, Absent) or token.integrity.kind is not Kind.NOT_IN_BUILD
    return "session-zero" if isolated else "first-session"
