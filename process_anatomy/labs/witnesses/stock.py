"""What somebody who runs the stock plugin of a question would answer, from its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from process_anatomy.labs.question import Question

Row = Mapping[str, Any]
Rows = list[dict[str, Any]]
Read = Callable[[Rows, str, Question], Iterable[object]]
"""From a plugin's rows about the process, what tells the question from others of its sort, and the question."""


class Source(Protocol):
    """What runs stock plugins: :class:`process_anatomy.volatility.stock.Stock`."""

    def rows(self, plugin: str, pids: Iterable[int] = ()) -> Rows:
        """The rows of a plugin."""


class Reading(NamedTuple):
    """How stock Volatility shows what is asked.

    Attributes:
        plugin: the plugin.
        read: what follows from its rows.
        everybody: it needs rows about all processes.
    """

    plugin: str
    read: Read
    everybody: bool = False


def _cell(key: str, column: str) -> Read:
    """The cell of the row that has a key."""

    def read(rows: Rows, detail: str, _question: Question) -> Iterable[object]:
        return [row[column] for row in rows if _is(row[key], detail)]

    return read


def _is(value: object, detail: str) -> bool:
    """Whether a cell holds the key of a question: numbers stand there in hexadecimal, or as thread ids in decimal."""
    if isinstance(value, bool) or not isinstance(value, int):
        return str(value) == detail
    return f"{value:x}" == detail


def _count(rows: Rows, _detail: str, _question: Question) -> Iterable[object]:
    return [len(rows)]


def _pages(rows: Rows, detail: str, _question: Question) -> Iterable[object]:
    return [(row["End VPN"] - row["Start VPN"]) // 4096 + 1 for row in rows if _is(row["Start VPN"], detail)]


def _root(rows: Rows) -> Row | None:
    below = {row[side] for row in rows for side in ("Left", "Right")}
    roots = [row for row in rows if row["Offset"] not in below]
    return roots[0] if len(roots) == 1 else None


def _root_start(rows: Rows, _detail: str, _question: Question) -> Iterable[object]:
    root = _root(rows)
    return [] if root is None else [root["Start"]]


def _levels(rows: Rows, _detail: str, _question: Question) -> Iterable[object]:
    known = {row["Offset"]: row for row in rows}
    root = _root(rows)
    level = [root] if root is not None else []
    count = 0
    while level and count <= len(rows):
        count += 1
        level = [known[row[side]] for row in level for side in ("Left", "Right") if row[side] in known]
    return [count]


def _private_executable(rows: Rows, _detail: str, _question: Question) -> Iterable[object]:
    return [r["Start VPN"] for r in rows if r["PrivateMemory"] == 1 and "EXECUTE" in str(r["Protection"])]


def _first(column: str) -> Read:
    def read(rows: Rows, _detail: str, _question: Question) -> Iterable[object]:
        return [row[column] for row in rows[:1]]

    return read


def _unlisted(rows: Rows, _detail: str, _question: Question) -> Iterable[object]:
    loose = [row for row in rows if not any((row["InLoad"], row["InInit"], row["InMem"]))]
    return sorted({str(row["MappedPath"]).rpartition("\\")[2] for row in loose})


def _target(rows: Rows, detail: str, _question: Question) -> Iterable[object]:
    """``winlogon.exe Pid 672`` as we write it."""
    names = (str(row["Name"]) for row in rows if _is(row["HandleValue"], detail))
    return [f"{name.rpartition(' Pid ')[0]} ({name.rpartition(' Pid ')[2]})" for name in names]


def _right(rows: Rows, detail: str, _question: Question) -> Iterable[object]:
    value, _, name = detail.partition("/")
    return [bool(row["GrantedAccess"] & VM_RIGHTS[name]) for row in rows if _is(row["HandleValue"], value)]


VM_RIGHTS = {"PROCESS_VM_READ": 0x10, "PROCESS_VM_WRITE": 0x20}
"""Rights to a process as winnt.h has them."""


def _of_type(rows: Rows, detail: str, _question: Question) -> Iterable[object]:
    return [sum(row["Type"] == detail for row in rows)]


def _enabled(rows: Rows, _detail: str, _question: Question) -> Iterable[object]:
    return [sum("Enabled" in _states(row) for row in rows)]


def _privilege(rows: Rows, detail: str, _question: Question) -> Iterable[object]:
    return ["Enabled" in _states(row) for row in rows if row["Privilege"] == detail]


def _enabled_since(rows: Rows, _detail: str, _question: Question) -> Iterable[object]:
    return [r["Privilege"] for r in rows if "Enabled" in _states(r) and "Default" not in _states(r)]


def _states(row: Row) -> set[str]:
    return set(str(row["Attributes"] or "").split(","))


def _own(column: str) -> Read:
    """The cell of the process's own row, of rows about all."""

    def read(rows: Rows, _detail: str, question: Question) -> Iterable[object]:
        return [row[column] for row in rows if row["PID"] == question.pid]

    return read


def _session(rows: Rows, _detail: str, question: Question) -> Iterable[object]:
    return [row["Session ID"] for row in rows if row["Process ID"] == question.pid]


def _named(rows: Rows, detail: str, _question: Question) -> Iterable[object]:
    return [row["PID"] for row in rows if row["ImageFileName"] == detail]


def _children(rows: Rows, _detail: str, question: Question) -> Iterable[object]:
    return [row["PID"] for row in rows if row["PPID"] == question.pid]


def _parent(rows: Rows, _detail: str, question: Question) -> Iterable[object]:
    parents = {row["PPID"] for row in rows if row["PID"] == question.pid}
    return [row["ImageFileName"] for row in rows if row["PID"] in parents]


def _thread(rows: Rows, detail: str, _question: Question) -> Iterable[object]:
    return [row["Win32StartPath"] for row in rows if str(row["TID"]) == detail]


READINGS: Mapping[str, Reading] = {
    "private-address-space/protection": Reading("windows.vadinfo", _cell("Start VPN", "Protection")),
    "private-address-space/pages": Reading("windows.vadinfo", _pages),
    "private-address-space/file": Reading("windows.vadinfo", _cell("Start VPN", "File")),
    "private-address-space/vads": Reading("windows.vadinfo", _count),
    "private-address-space/root": Reading("windows.vadwalk", _root_start),
    "private-address-space/levels": Reading("windows.vadwalk", _levels),
    "private-address-space/private-executable": Reading("windows.vadinfo", _private_executable),
    "executable-program/base": Reading("windows.dlllist", _first("Base")),
    "executable-program/commandline": Reading("windows.cmdline", _first("Args")),
    "executable-program/variable": Reading("windows.envars", _cell("Variable", "Value")),
    "executable-program/module-base": Reading("windows.dlllist", _cell("Name", "Base")),
    "executable-program/unlisted": Reading("windows.malware.ldrmodules", _unlisted),
    "open-handles/type": Reading("windows.handles", _cell("HandleValue", "Type")),
    "open-handles/name": Reading("windows.handles", _cell("HandleValue", "Name")),
    "open-handles/granted": Reading("windows.handles", _cell("HandleValue", "GrantedAccess")),
    "open-handles/process": Reading("windows.handles", _target),
    "open-handles/right": Reading("windows.handles", _right),
    "open-handles/handles": Reading("windows.handles", _count),
    "open-handles/only": Reading("windows.handles", _cell("Type", "HandleValue")),
    "open-handles/of-type": Reading("windows.handles", _of_type),
    "security-context/sid": Reading("windows.getsids", _first("SID")),
    "security-context/enabled": Reading("windows.privileges", _enabled),
    "security-context/privilege": Reading("windows.privileges", _privilege),
    "security-context/enabled-since": Reading("windows.privileges", _enabled_since),
    "process-id/pid": Reading("windows.pslist", _named, everybody=True),
    "process-id/ppid": Reading("windows.pstree", _own("PPID"), everybody=True),
    "process-id/created": Reading("windows.pslist", _own("CreateTime"), everybody=True),
    "process-id/eprocess": Reading("windows.pslist", _own("Offset(V)"), everybody=True),
    "process-id/session": Reading("windows.sessions", _session, everybody=True),
    "process-id/children": Reading("windows.pstree", _children, everybody=True),
    "process-id/parent": Reading("windows.pstree", _parent, everybody=True),
    "threads/start": Reading("windows.threads", _thread),
    "threads/threads": Reading("windows.threads", _count),
}
"""Sort of question to how stock Volatility shows it; a sort that is not here is confirmed by others alone."""


def sort_of(question: Question) -> tuple[str, str]:
    """The sort of a question, and what tells it from others of the sort about the same process."""
    component, what, *rest = question.id.split("/", 3)
    return f"{component}/{what}", rest[-1] if rest else ""


def command_of(question: Question) -> str | None:
    """The command of stock Volatility that shows what is asked; ``None`` where there is none that we can read."""
    reading = READINGS.get(sort_of(question)[0])
    if reading is None or not question.stock:
        return None
    of = "" if reading.everybody or question.pid is None else f" --pid {question.pid}"
    return f"vol -f IMAGE {reading.plugin}{of}"


class ByStock:
    """Stock Volatility on one image: each plugin is run once, for all processes that are asked about.

    Args:
        source: what runs the plugins.
        asked: all questions that may be put to it.
    """

    def __init__(self, source: Source, asked: Iterable[Question]) -> None:
        self._source = source
        self._pids: dict[str, set[int]] = {}
        self._rows: dict[str, Rows] = {}
        for question in asked:
            reading = READINGS.get(sort_of(question)[0])
            if reading is not None and question.pid is not None and not reading.everybody:
                self._pids.setdefault(reading.plugin, set()).add(question.pid)

    def rows(self, question: Question) -> Rows | None:
        """The rows of the stock plugin that shows what is asked; ``None`` where there is none.

        Raises:
            ImageError: the plugin cannot read the image.
        """
        if command_of(question) is None:
            return None
        reading = READINGS[sort_of(question)[0]]
        plugin = reading.plugin
        if plugin not in self._rows:
            pids = () if reading.everybody else sorted(self._pids.get(plugin, ()))
            self._rows[plugin] = self._source.rows(plugin, pids)
        rows = self._rows[plugin]
        if reading.everybody:
            return rows
        return [row for row in rows if question.pid in (row.get("PID"), row.get("Pid"))]

    def answers(self, question: Question) -> list[object] | None:
        """What somebody would answer; ``None`` where stock Volatility is not asked.

        Raises:
            ImageError: the plugin cannot read the image.
        """
        rows = self.rows(question)
        if rows is None:
            return None
        if not rows:  # it does not see the process: one that is on no list, or none of whose memory is there
            return None
        sort, detail = sort_of(question)
        return list(READINGS[sort].read(rows, detail, question))
