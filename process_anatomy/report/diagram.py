"""The note's diagram of each process, with its facts: what the views say of it, a few lines for each component."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any
from xml.etree import ElementTree  # nosec B405  # it reads our own text alone

from process_anatomy.notes.library import Library
from process_anatomy.report.gathered import Gathered
from process_anatomy.report.skeleton import LINES, SKELETON
from process_anatomy.views.records import Record
from process_anatomy.views.shown import safe_text, shown_text

SVG = "http://www.w3.org/2000/svg"
PAGE = 4096
UNITS = ("bytes", "KB", "MB", "GB", "TB")
LENGTHS = {"name": 22, "command": 30, "state": 34, "address": 38, "program": 38, "handles": 28, "token": 42}
"""Characters that a line of a part has room for; others have :data:`LENGTH`."""
LENGTH = 40
CUT = "…"
Facts = dict[str, Any]


class Parts:
    """What is drawn of every process, collected from views as they pass by."""

    def __init__(self) -> None:
        self._rows: list[Record] = []
        self._by: dict[str, dict[object, list[str]]] = defaultdict(dict)
        self._of: dict[str, Callable[[list[Record]], Iterable[str]]] = {
            "vads": _address_space, "images": _program, "handles": _handles, "tokens": _token, "creation": _made,
            "threads": _threads, "findings": _findings, "peb": _command,
        }  # fmt: skip
        self._views: dict[str, Gathered] = {}

    def take(self, found: Gathered) -> None:
        """Keep what is drawn of a view's rows."""
        name = found.view.name
        if name == "processes":
            self._rows = found.rows
            columns = {column.name: column for column in found.view.columns}
            for row in found.rows:
                time = shown_text(row["CreateTime"], columns["CreateTime"])
                self._by["created"][row["PID"]] = [f"created {time} UTC" if time else "creation time not known"]
        elif name in self._of:
            groups: dict[object, list[Record]] = {}
            for row in found.rows:
                groups.setdefault(row["PID"], []).append(row)
            self._by[name] = {pid: list(self._of[name](rows)) for pid, rows in groups.items()}
            if not found.rows and found.problems:
                self._by[name] = defaultdict(lambda: [f"not known: {found.problems[-1]}"])

    def facts(self) -> list[Facts]:
        """The facts of each process's drawing, in the order of the view of processes."""
        return [self._process(row) for row in self._rows]

    def _process(self, row: Record) -> Facts:
        pid = row["PID"]
        hidden = isinstance(row["SeenBy"], list) and not row["SeenBy"]
        name = _cell(row, "ImageFileName", "name not known")
        told: dict[str, Any] = {
            "pid": pid,
            "name": name,
            "title": f"{name} ({'no id' if pid is None else pid}): the six components of a process",
            "state": "ended" if row["ExitTime"] is not None else f"PID {_cell(row, 'PID', 'not known')}",
            "command": next(iter(self._lines("peb", pid)), ""),
            "findings": next(iter(self._lines("findings", pid)), ""),
            "hidden": "not on the list of active processes" if hidden else "",
            "note": "Numbers and names are those of the image; what could not be read says so.",
        }
        identity = [
            f"PID {_cell(row, 'PID', 'not known')}",
            *self._lines("creation", pid),
            *self._lines("created", pid),
        ]
        parts = {
            "address": self._lines("vads", pid) or ["no VADs were read"],
            "program": self._lines("images", pid) or ["no program was read"],
            "handles": self._lines("handles", pid) or ["no handles were read"],
            "token": self._lines("tokens", pid) or ["no token was read"],
            "id": identity,
            "threads": self._lines("threads", pid) or ["no threads were read"],
        }
        for part, lines in parts.items():
            told |= {f"{part}{number}": line for number, line in enumerate(lines[: LINES[part]])}
        told |= {f"thread{number}": "yes" for number in range(min(4, _first_number(parts["threads"])))}
        return {key: _fitting(key, value) for key, value in told.items()}

    def _lines(self, name: str, pid: object) -> list[str]:
        found = self._by[name]
        return found[pid] if isinstance(found, defaultdict) else found.get(pid, [])


def _fitting(key: str, value: Any) -> Any:
    """A fact as short as its place, in which nothing acts."""
    if not isinstance(value, str):
        return value
    text, limit = safe_text(value), LENGTHS.get(key.rstrip("0123456789"), LENGTH)
    return text if len(text) <= limit or key in ("title", "note", "hidden") else f"{text[: limit - 1]}{CUT}"


def _first_number(lines: list[str]) -> int:
    word = lines[0].partition(" ")[0] if lines else ""
    return int(word) if word.isdecimal() else 0


def _cell(row: Record, name: str, otherwise: str) -> str:
    value = row[name]
    return otherwise if value is None or value == "" else str(value)


def _counted(words: Iterable[str]) -> list[str]:
    counts = Counter(words)
    return [f"{count} {word}" for word, count in sorted(counts.items(), key=lambda each: (-each[1], each[0]))]


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def size_text(size: float) -> str:
    """A size in the largest unit of which there is one."""
    unit = 0
    while size >= 1024 and unit < len(UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.0f} {UNITS[unit]}" if unit == 0 else f"{size:.1f} {UNITS[unit]}"


def _address_space(rows: list[Record]) -> Iterable[str]:
    pages = sum(row["Pages"] for row in rows if isinstance(row["Pages"], int))
    yield f"{_number(len(rows), 'VAD')}, {size_text(pages * PAGE)}"
    kinds = _counted((row["Region"] or ["unknown"])[0] for row in rows)  # type: ignore[index]
    yield from kinds[:3]
    if kinds[3:]:
        yield f"{len(kinds) - 3} more kinds" if kinds[4:] else kinds[3]
    odd = [row for row in rows if row["PrivateMemory"] == 1 and "EXECUTE" in str(row["Protection"])]
    if odd:
        yield f"{_number(len(odd), 'private executable range')}"


def _program(rows: list[Record]) -> Iterable[str]:
    row = rows[0]
    path = _cell(row, "Path", _cell(row, "Name", "path not known"))
    yield path.rpartition("\\")[2] or path
    base = row["Base"]
    yield f"at {base:#x}" if isinstance(base, int) else "base not known"
    yield f"version {_cell(row, 'FileVersion', 'not known')}"
    entry = row["EntryPoint"]
    yield f"entry {entry:#x}" if isinstance(entry, int) else "entry not known"


def _handles(rows: list[Record]) -> Iterable[str]:
    yield _number(len(rows), "handle")
    kinds = _counted(_cell(row, "Type", "type not known") for row in rows)
    yield from kinds[: LINES["handles"] - 2]
    if kinds[LINES["handles"] - 2 :]:
        yield f"{len(kinds) - LINES['handles'] + 2} more types"


def _token(rows: list[Record]) -> Iterable[str]:
    own = next((row for row in rows if row["TID"] is None), None)
    if own is None:
        return
    yield f"user {_cell(own, 'Account', '') or _cell(own, 'UserName', '') or _cell(own, 'User', 'not known')}"
    yield f"integrity {_cell(own, 'Integrity', 'not known')}"
    yield f"elevation {_cell(own, 'Elevation', 'not known')}"
    yield f"{_cell(own, 'Groups', 'unknown')} groups, session {_cell(own, 'SessionId', 'none')}"
    yield f"privileges: {_cell(own, 'Privileges', 'not known')}"
    others = len(rows) - 1
    if others:
        yield f"{_number(others, 'thread')} act{'s' if others == 1 else ''} as another"


def _made(rows: list[Record]) -> Iterable[str]:
    row = rows[0]
    parent = _cell(row, "Parent", "a process that was not found")
    yield f"parent {parent} ({_cell(row, 'PPID', 'id not known')})"


def _threads(rows: list[Record]) -> Iterable[str]:
    yield _number(len(rows), "thread")
    for row in rows[:2]:
        yield f"{_cell(row, 'TID', 'no id')} {_cell(row, 'State', 'state not known')}"
    if len(rows) == 3:
        yield f"{_cell(rows[2], 'TID', 'no id')} {_cell(rows[2], 'State', 'state not known')}"
    elif rows[3:]:
        yield f"{len(rows) - 2} more"


def _findings(rows: list[Record]) -> Iterable[str]:
    weighty = [row for row in rows if row["Severity"] != "info"]
    if weighty:
        yield f"{_number(len(weighty), 'finding')}, the gravest {weighty[0]['Severity']}"


def _command(rows: list[Record]) -> Iterable[str]:
    yield _cell(rows[0], "CommandLine", "")


def drawing(facts: Facts, library: Library) -> str:
    """The drawing of a process as a file of its own.

    Args:
        facts: of the process.
        library: the notes, which say what each part is.
    """
    root = ElementTree.fromstring(SKELETON)  # noqa: S314  # nosec B314  # our own text
    for parent in list(root.iter()):
        for child in list(parent):
            if "data-if" in child.attrib and not facts.get(child.attrib.pop("data-if")):
                parent.remove(child)
    for element in root.iter():
        fact, note = element.attrib.pop("data-fact", None), element.attrib.pop("data-note", None)
        element.attrib.pop("data-part", None)
        if fact is not None:
            element.text = str(facts.get(fact, ""))
        if note is not None:
            element.text = library[note].brief
    ElementTree.register_namespace("", SVG)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
