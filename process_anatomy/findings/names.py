"""Rules over names: who a process says it is, against what is known of those who bear that name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.findings.expected import SHORT_NAME, Expected, expectations, expected_of, file_name
from process_anatomy.findings.known import is_known
from process_anatomy.findings.places import WINDOWS, Places
from process_anatomy.findings.rules import Clue, Severity, rule
from process_anatomy.kernel.identify import SYSTEM_PID
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.processes.listed import PROTECTED_SIGNERS, PROTECTED_TYPES, Process

LEAST_LETTERS = 5
"""Letters before the ending from which on one wrong letter is a likeness; shorter names are alike by chance."""
LOOK_ALIKES = str.maketrans(
    {
        "0": "o", "1": "l", "5": "s", "3": "e", "\u0430": "a", "\u0435": "e", "\u043e": "o", "\u0441": "c",
        "\u0440": "p", "\u0455": "s", "\u0445": "x", "\u0456": "i", "\u0443": "y", "\u03bf": "o", "\u0131": "i",
        "\u04bb": "h", "\u0501": "d", "\u051d": "w", "\u03bd": "v", "\u2010": "-",
    }
)  # fmt: skip
"""Letters that look like others (digits, Cyrillic, Greek).

Source: Unicode Technical Standard 39, confusables.
"""
PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("ii", "u"))
CORE_SIGNERS = {number for number, name in PROTECTED_SIGNERS.items() if name in ("WinTcb", "WinSystem")}
"""Signers that only Windows' own core has (_PS_PROTECTED_SIGNER)."""


def _running(tables: Tables) -> Iterator[Process]:
    yield from (p for p in tables.processes if p.exit_time == NOT_APPLICABLE)


def _windows_own(tables: Tables) -> Iterator[tuple[Process, Expected]]:
    """Running processes with the name of one of Windows' own, and what is expected of it in this Windows."""
    for process in _running(tables):
        expected = expected_of(process, tables.number)
        if expected is not None and tables.number >= expected.first:
            yield process, expected


def _at(process: Process) -> str:
    return f"_EPROCESS {process.address:#x}"


@rule("wrong-path", Severity.HIGH)
def wrong_path(tables: Tables) -> Iterator[Clue]:
    """A process with the name of one of Windows' own, whose program lies elsewhere."""
    places = Places(tables)
    for process, expected in _windows_own(tables) if places.known else ():
        path = process.image_path
        if expected.path is None or not isinstance(path, str):
            continue
        if "\\" in path and places.place(path, process) not in expected.path:
            usual = expected.path[0] if expected.path else "no file"
            yield process, path, (f"the kernel audited {path}", f"{expected.name} runs {usual}", _at(process))


@rule("wrong-parent", Severity.HIGH)
def wrong_parent(tables: Tables) -> Iterator[Clue]:
    """A process with the name of one of Windows' own, started by somebody who does not start it."""
    places = Places(tables)
    for process, expected in _windows_own(tables):
        if expected.parents is None or process.pid == SYSTEM_PID:
            continue
        parent = tables.kin.relative(process.ppid, process)
        if parent.process is None or not _dated(process, parent.process):
            continue
        name = file_name(parent.process)
        if isinstance(name, Absent) or name.lower() in expected.parents:
            continue
        if expected.known and is_known(expected.known, parent.process, places, tables.number):
            continue
        usual = " or ".join(expected.parents) or "nobody"
        line = f"its parent is {name} ({parent.pid}), _EPROCESS {parent.process.address:#x}"
        yield process, f"{name} ({parent.pid})", (line, f"{expected.name} is started by {usual}", _at(process))


def _dated(child: Process, parent: Process) -> bool:
    """Whether it is known when both began, so that an id that was used again is not taken for the parent's."""
    return parent.pid == SYSTEM_PID or (isinstance(child.create_time, int) and isinstance(parent.create_time, int))


@rule("wrong-session", Severity.MEDIUM, rests=("sessions",))
def wrong_session(tables: Tables) -> Iterator[Clue]:
    """A process with the name of one of Windows' own, in a session where it does not run."""
    places = Places(tables)
    for process, expected in _windows_own(tables):
        session = process.session
        if places.container(process) is not None:
            continue  # it has one session for everything: its services, and whoever works in it
        if expected.session is None or (isinstance(session, Absent) and session != NOT_APPLICABLE):
            continue
        kind = "none" if isinstance(session, Absent) else "user" if session else "zero"
        if kind != expected.session:
            where = "no session" if isinstance(session, Absent) else f"session {session}"
            usual = {"none": "outside any session", "zero": "in session 0", "user": "in a person's session"}
            line = f"{expected.name} runs {usual[expected.session]}"
            yield process, where, (f"it is in {where}", line, _at(process))


@rule("wrong-user", Severity.HIGH, rests=("tokens",))
def wrong_user(tables: Tables) -> Iterator[Clue]:
    """A process with the name of one of Windows' own that acts as somebody else."""
    for process, expected in _windows_own(tables):
        token = tables.primary[process.address]
        if not isinstance(token.user, str) or not isinstance(token.address, int):
            continue
        if not expected.is_user(token.user):
            line = f"it acts as {token.user}, token {token.address:#x}"
            usual = " or ".join(expected.users or ())
            yield process, token.user, (line, f"{expected.name} acts as {usual}", _at(process))


@rule("twin", Severity.MEDIUM, rests=("sessions",))
def twin(tables: Tables) -> Iterator[Clue]:
    """More than one process of a kind of which there is one."""
    places = Places(tables)
    groups: dict[tuple[str, int | None, int], list[Process]] = {}
    for process in tables.everyone.rows:
        expected = expected_of(process, tables.number)
        if expected is None or expected.unique is None or process.exit_time != NOT_APPLICABLE:
            continue
        container = places.container(process)
        key = 0 if container is None else container.key
        if expected.unique == "session":
            told = tables.primary[process.address].session
            if isinstance(process.session, int) and not (isinstance(told, int) and told != process.session):
                groups.setdefault((expected.name, process.session, key), []).append(process)
        else:
            groups.setdefault((expected.name, None, key), []).append(process)
    for (name, session, _), members in groups.items():
        if len(members) < 2:
            continue
        where = "the system" if session is None else f"session {session}"
        lines = tuple(f"process {p.pid}, _EPROCESS {p.address:#x}" for p in members)
        for process in members:
            if process in tables.processes:
                yield process, name, (f"{len(members)} of {name} in {where}, where there is one", *lines)


@rule("look-alike", Severity.HIGH)
def look_alike(tables: Tables) -> Iterator[Clue]:
    """A process whose name is almost that of one of Windows' own."""
    for process in _running(tables):
        name = file_name(process)
        if isinstance(name, Absent) or (model := resembled(name)) is None:
            continue
        yield process, model, (f"it is named {name!a}, which is almost {model}", _at(process))


@lru_cache(maxsize=1 << 12)
def resembled(name: str) -> str | None:
    """The name of one of Windows' own processes that a name is almost, but not, the same as."""
    small = name.lower()
    if small in expectations() or not small.endswith(".exe"):
        return None
    stem = small.removesuffix(".exe")
    plain = _plain(stem)
    for letters, like in _models().items():
        if plain == like or (len(letters) >= LEAST_LETTERS and one_step(stem, letters)):
            return f"{letters}.exe"
    return None


@cache
def _models() -> dict[str, str]:
    """The names of Windows' own programs without their endings, each with its letters made plain."""
    names = [name.removesuffix(".exe") for name in expectations() if name.endswith(".exe")]
    return {name: _plain(name) for name in names}


def _plain(stem: str) -> str:
    """A name with letters that look alike made the same."""
    for pair, single in PAIRS:
        stem = stem.replace(pair, single)
    return stem.translate(LOOK_ALIKES).replace("i", "l")


def one_step(left: str, right: str) -> bool:
    """Whether two names differ by one letter: changed, left out, added, or two neighbours that changed places."""
    if left == right or abs(len(left) - len(right)) > 1:
        return False
    if len(left) == len(right):
        wrong = [place for place, (a, b) in enumerate(zip(left, right, strict=True)) if a != b]
        if len(wrong) == 1:
            return True
        if len(wrong) != 2 or wrong[1] != wrong[0] + 1:
            return False
        first, second = wrong
        return (left[first], left[second]) == (right[second], right[first])
    shorter, longer = sorted((left, right), key=len)
    return any(longer[:place] + longer[place + 1 :] == shorter for place in range(len(longer)))


@rule("renamed", Severity.MEDIUM)
def renamed(tables: Tables) -> Iterator[Clue]:
    """A process whose short name in the kernel is not that of the file that was audited when it was made."""
    for process in tables.processes:
        name, path = process.name, process.image_path
        if isinstance(name, Absent) or not isinstance(path, str) or "\\" not in path:
            continue
        file = path.rpartition("\\")[2]
        kept = file.encode("ascii", "replace").decode()
        if file.isascii() and name[:SHORT_NAME].lower() != kept[:SHORT_NAME].lower():
            yield process, name, (f"the kernel's short name is {name}", f"it audited {path}", _at(process))


@rule("weak-protection", Severity.HIGH)
def weak_protection(tables: Tables) -> Iterator[Clue]:
    """One of Windows' own processes that is protected less than this Windows protects it."""
    for process, expected in _windows_own(tables):
        protection = process.protection
        if expected.protection is None or isinstance(protection, Absent):
            continue
        if tables.number >= expected.since and not _as_strong(protection, expected.protection):
            usual = _protection(expected.protection)
            line = f"it is protected as {_protection(protection)}; {expected.name} is {usual}"
            yield process, _protection(protection), (line, f"_EPROCESS {process.address:#x}, Protection")


def _as_strong(held: tuple[int, int], wanted: tuple[int, int]) -> bool:
    return held[0] >= wanted[0] and held[1] >= wanted[1]


def _protection(value: tuple[int, int]) -> str:
    if value[0] == 0:
        return "none"
    return f"{PROTECTED_TYPES.get(value[0], value[0])}-{PROTECTED_SIGNERS.get(value[1], value[1])}"


@rule("foreign-protection", Severity.HIGH)
def foreign_protection(tables: Tables) -> Iterator[Clue]:
    """A program from outside Windows' folder with a protection that only Windows' own core has."""
    places = Places(tables)
    for process in _running(tables) if places.known else ():
        protection, path = process.protection, process.image_path
        if isinstance(protection, Absent) or not isinstance(path, str) or "\\" not in path:
            continue
        kind, signer = protection
        if kind and signer in CORE_SIGNERS and not places.place(path, process).startswith(WINDOWS + "\\"):
            line = f"it is protected as {_protection(protection)}, its program is {path}"
            yield process, _protection(protection), (line, f"_EPROCESS {process.address:#x}, Protection")


@rule("container", Severity.INFO)
def container(tables: Tables) -> Iterator[Clue]:
    """A container that shares this Windows' kernel: its processes are judged by its own Windows."""
    for each in Places(tables).containers:
        members = [process for process in tables.processes if process.address in each.members]
        if not members:
            continue
        where = f"session {each.session}" if each.session is not None else "no session"
        silo = f"server silo {each.key:#x}" if each.key > 0 else "a session with a whole Windows of its own"
        lines = (f"{silo}, {where}, {len(members)} processes", f"its Windows runs from {each.volume or 'no volume'}")
        yield members[0], where, (*lines, _at(members[0]))
