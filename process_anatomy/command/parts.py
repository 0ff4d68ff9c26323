"""What an overview tells of each component of a process: counts, and what stands out, from the rows of views."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from process_anatomy.absent import without_place
from process_anatomy.errors import Error, RequestError
from process_anatomy.views.records import Record, lost

if TYPE_CHECKING:
    from process_anatomy.views.image import Image

NONE = "none"
"""What is said where a process has no such thing."""
UNITS = ("MB", "GB", "TB")
"""What kilobytes grow to, each 1,024 of the one before."""
SHARES = (
    ("Resident", "in memory"),
    ("Compressed", "compressed"),
    ("Pagefile", "in a page file"),
    ("DemandZero", "zeros not yet touched"),
    ("Untouched", "never touched"),
    ("Unknown", "not known, for want of page tables"),
)
"""Columns of the view of pages that say where pages are, and the words for each."""
CERTAIN = ("whole", "none")
"""What the view of completeness says of a component of which nothing is missing."""
WAITING = "Waiting"
FEW = 1
"""Groups that only deny and are named."""
OTHERS = ("Process", "Thread")
"""Types of objects that belong to a process."""


class Fact(NamedTuple):
    """A line of an overview.

    Attributes:
        text: what it begins with.
        items: what is listed behind that, as many as there is room for.
    """

    text: str
    items: tuple[str, ...] = ()


class Rows:
    """Rows of views of one process, each view asked once.

    Attributes:
        pid: of the process.
        problems: what was wrong with lists and trees as a whole, by view.
    """

    def __init__(self, image: Image, pid: int) -> None:
        self.pid = pid
        self.problems: dict[str, tuple[str, ...]] = {}
        self._image = image
        self._rows: dict[str, list[Record]] = {}

    def __call__(self, name: str, explain: str = "off") -> list[Record]:
        """The rows of a view.

        Raises:
            RequestError: there is no such process.
            Error: they cannot be produced; one line says why.
        """
        if name not in self._rows:
            answer = self._image.view(name, pid=self.pid, explain=explain)
            self._rows[name] = list(answer)
            self.problems[name] = answer.problems
        return self._rows[name]


def told(row: Record, name: str) -> str:
    """A cell as a word of a line: the fact, that there is none, or why it is not known; the view also says where."""
    if lost(row, name):
        return f"not known ({without_place(row.absent[name]).partition(': ')[0]})"
    value = row[name]
    if value is None or value in ("", []):
        return NONE
    return ", ".join(value) if isinstance(value, list) else str(value)


def words(row: Record, name: str) -> str:
    """A text of a row, empty where there is none."""
    value = row[name]
    return value if isinstance(value, str) else ""


def texts(row: Record, name: str) -> tuple[str, ...]:
    """A list of a row, empty where there is none."""
    value = row[name]
    return tuple(value) if isinstance(value, list) else ()


def amount(row: Record, name: str) -> int:
    """A number of a row, zero where there is none."""
    value = row[name]
    return value if isinstance(value, int) else 0


def hexadecimal(row: Record, name: str) -> str:
    """A number of a row that is read by its bits."""
    value = row[name]
    return f"{value:#x}" if isinstance(value, int) else told(row, name)


def account(row: Record) -> str:
    """The name of the user of a token's row, the SID where it has no name."""
    name = told(row, "UserName")
    return told(row, "User") if name == NONE else name


def moment_of(row: Record, name: str) -> str:
    """A time of a row, in UTC to the second."""
    value = row[name]
    return told(row, name) if value is None else f"{value:%Y-%m-%d %H:%M:%S} UTC"


def counted(texts: Iterable[str]) -> tuple[str, ...]:
    """How many there are of each text, the most first."""
    return tuple(f"{number} {text}" for text, number in Counter(texts).most_common())


def number(count: int, one: str, many: str = "") -> str:
    """A count and what is counted."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def size(pages: int) -> str:
    """Bytes of pages of 4 KB, as people read them."""
    count: float = pages * 4
    unit = "KB"
    for larger in UNITS:
        if count < 1024:
            break
        count, unit = count / 1024, larger
    return f"{count} {unit}" if unit == "KB" else f"{count:,.1f} {unit}"


def sums(rows: Iterable[Record], name: str) -> tuple[int, int]:
    """The sum of a column, and how many of its cells could not be read."""
    values = [(row[name], lost(row, name)) for row in rows]
    return sum(v for v, _ in values if isinstance(v, int)), sum(gone for _, gone in values)


def nothing(rows: Rows, what: str, column: str) -> str:
    """That a process has none of what a component holds, or only that none of it could be read."""
    states = [row[column] for row in rows("completeness")]
    return f"no {what}" if states and all(state in CERTAIN for state in states) else f"no {what} could be read"


def address_space(rows: Rows) -> Iterator[Fact]:
    """Ranges by use and size, where their pages are, and what may run without a file."""
    vads = rows("vads")
    uses: dict[str, list[Record]] = {}
    for row in vads:
        uses.setdefault(told(row, "Region"), []).append(row)
    most = sorted(uses.items(), key=lambda use: -sums(use[1], "Pages")[0])
    items = tuple(f"{len(ranges)} {use} ({_span(ranges)})" for use, ranges in most)
    said = f"{number(len(vads), 'VAD')}, {_span(vads)}: "
    yield Fact(said if vads else nothing(rows, "VADs", "AddressSpace"), items)
    there = rows("pages")
    shares = [(sums(there, name), words) for name, words in SHARES]
    parts = [_share(*both, words) for both, words in shares if any(both)]
    parts += [f"{told(row, 'CommitCharge')} charged" for row in rows("workingset")]
    yield Fact("pages: " if parts else nothing(rows, "pages", "AddressSpace"), tuple(parts))
    stray = [row for row in there if row["Kind"] == "no-vad"]
    if stray:
        yield Fact("pages that no VAD covers: ", tuple(hexadecimal(row, "Start") for row in stray))
    code = [row for row in vads if row["PrivateMemory"] == 1 and "EXECUTE" in words(row, "Protection")]
    items = (*(f"{hexadecimal(row, 'Start VPN')} {row['Protection']}" for row in code), *_unknown(vads, "Protection"))
    if items:
        yield Fact("private and executable: ", items)


def _unknown(found: list[Record], name: str) -> tuple[str, ...]:
    """Of how many rows a cell could not be read, where there are any."""
    count = sum(lost(row, name) for row in found)
    return (f"{count} not known",) if count else ()


def _span(ranges: list[Record]) -> str:
    """Bytes of ranges, and of how many the ends are not known."""
    known = [row for row in ranges if isinstance(row["Pages"], int)]
    unknown = len(ranges) - len(known)
    if not known:
        return "size not known"
    return size(sums(known, "Pages")[0]) + (f" and {unknown} of unknown size" if unknown else "")


def _share(count: int, unknown: int, words: str) -> str:
    """A count of pages, that of single ranges left out where it is not known."""
    return f"{count:,} {words}" + (f" (not known of {number(unknown, 'range')})" if unknown else "")


def program(rows: Rows) -> Iterator[Fact]:
    """The image file, what its header says, what does not fit, and the modules beside it."""
    from process_anatomy.walk.program.modules import LISTED

    images = rows("images")
    if not images:
        yield Fact(nothing(rows, "program", "Program"))
    for row in images:
        role = "" if row["Role"] == "program" else f"{told(row, 'Role')}: "
        version = f"version {told(row, 'FileVersion')}, company {told(row, 'CompanyName')}"
        yield Fact(f"{role}{told(row, 'Path')}, {version}, {told(row, 'Machine')}")
        section = f" in {told(row, 'EntrySection')}" if isinstance(row["EntryPoint"], int) else ""
        entry = f"{hexadecimal(row, 'EntryPoint')}{section}"
        yield Fact(f"check sum in the header {hexadecimal(row, 'Checksum')}, entry point {entry}")
        if texts(row, "Problems"):
            yield Fact("does not fit, or was not read: ", texts(row, "Problems"))
    modules = rows("modules")
    listed = sum(row["State"] == LISTED for row in modules)
    items = [f"{listed} {LISTED}"] if listed else []
    items += [f"{told(row, 'Name')} {told(row, 'State')}" for row in modules if row["State"] != LISTED]
    yield Fact(f"{number(len(modules), 'module')}: " if modules else nothing(rows, "modules", "Program"), tuple(items))


def handles(rows: Rows) -> Iterator[Fact]:
    """Handles by type, those that lead into other processes, and the first name of each other type."""
    found = rows("handles")
    yield Fact(
        f"{number(len(found), 'handle')}: " if found else nothing(rows, "handles", "Handles"),
        counted(told(row, "Type") for row in found),
    )
    own = {row["Offset(V)"] for row in rows("processes")}
    away = [
        row
        for row in found
        if (row["Type"] == "Process" and row["Offset"] not in own)
        or (row["Type"] == "Thread" and " Pid " in words(row, "Name") and not _of(row, rows.pid))
    ]
    if away:
        yield Fact("into other processes: ", tuple(f"{told(row, 'Target')} {told(row, 'Rights')}" for row in away))
    named: dict[str, str] = {}
    for row in found:
        if row["Type"] not in OTHERS and row["Target"] is not None:
            named.setdefault(told(row, "Type"), told(row, "Target"))
    if named:
        yield Fact("among them: ", tuple(f"{kind} {name}" for kind, name in named.items()))


def _of(row: Record, pid: int) -> bool:
    """Whether the name of a thread's handle, as the stock plugin has it, says that the thread is of a process."""
    return words(row, "Name").endswith(f" Pid {pid}")


def security_context(rows: Rows) -> Iterator[Fact]:
    """The user of the primary token, its groups and privileges, and who threads act as instead."""
    from process_anatomy.walk.security.privileges import STRONG

    tokens = rows("tokens")
    for row in tokens:
        if row["TID"] is not None:
            continue
        package = told(row, "PackageName")
        inside = "" if package == NONE else f", package {package}"
        said = f"user {account(row)}, integrity {told(row, 'Integrity')}, elevation {told(row, 'Elevation')}"
        yield Fact(f"{said}, session {told(row, 'SessionId')}{inside}")
        enabled = [
            each for each in rows("privileges") if each["TID"] is None and "Enabled" in words(each, "Attributes")
        ]
        enabled.sort(key=lambda each: each["Privilege"] not in STRONG)
        names = tuple(told(each, "Privilege") for each in enabled)
        yield Fact(f"privileges: {told(row, 'Privileges')}{': ' if names else ''}", names)
    groups = [row for row in rows("groups") if row["TID"] is None and row["Kind"] == "group"]
    denying = [_group(row) for row in groups if "DenyOnly" in words(row, "Attributes")]
    allowing = [_group(row) for row in groups if "Enabled" in words(row, "Attributes")]
    named = sorted(denying, key=len)[:FEW] + ([f"{len(denying) - FEW} more"] if denying[FEW:] else [])
    deny = f", {len(denying)} only deny ({', '.join(named)})" if denying else ""
    items = (*allowing, *_unknown(groups, "Attributes"))
    said = f"{number(len(groups), 'group')}{deny}{': ' if items else ''}"
    yield Fact(said if groups else nothing(rows, "groups", "SecurityContext"), items)
    others = [row for row in tokens if row["TID"] is not None]
    if others:
        yield Fact("threads that act as another: ", tuple(f"{row['TID']} as {account(row)}" for row in others))


def _group(row: Record) -> str:
    """A group by its name, by its SID where it has none."""
    name = told(row, "Name")
    return told(row, "SID") if name == NONE else name


def process_id(rows: Rows) -> Iterator[Fact]:
    """The number, its parent, how the process was made, on what evidence, and whether it is on the list."""
    made = rows("creation")
    for row in rows("processes"):
        seen = f"seen by the active list {told(row, 'SeenBy')}" if row["SeenBy"] else "not seen by the active list"
        ended = f", ended {moment_of(row, 'ExitTime')}" if told(row, "ExitTime") != NONE else ""
        below = "".join(f", parent {parent(each)}" for each in made)
        yield Fact(f"PID {told(row, 'PID')}{below}{ended}; {seen}")
    for row in made:
        creator = told(row, "Creator")
        by = "" if creator == NONE else f" by {creator} ({told(row, 'CreatorPID')})"
        evidence = texts(row, "Evidence")
        said = f"made{by}: {told(row, 'Method')} ({told(row, 'Confidence')} confidence)"
        yield Fact(f"{said}{': ' if evidence else ''}", evidence)


def parent(row: Record) -> str:
    """The parent of a row of the view of creation, and what became of it."""
    name, state = told(row, "Parent"), told(row, "ParentState")
    if state == NONE:
        return NONE
    return f"{told(row, 'PPID')} ({state})" if name == NONE else f"{name} ({told(row, 'PPID')}, {state})"


def threads(rows: Rows) -> Iterator[Fact]:
    """Threads by state, where they start, and which of those starts are odd."""
    found = rows("threads")
    waits = ", ".join(counted(told(row, "WaitReason") for row in found if row["State"] == WAITING))
    items = [f"{each} ({waits})" if each.endswith(f" {WAITING}") else each for each in counted(map(_state, found))]
    suspended = sum(amount(row, "SuspendCount") > 0 for row in found)
    if suspended:
        items.append(f"{suspended} suspended")
    yield Fact(f"{number(len(found), 'thread')}: " if found else nothing(rows, "threads", "Threads"), tuple(items))
    if found:
        yield Fact("start in: ", counted(_start(row) for row in found))
    odd = [row for row in found if row["Alarm"] is not None]
    starts = (*(f"thread {told(row, 'TID')} {told(row, 'Alarm')}" for row in odd), *_unknown(found, "Alarm"))
    if starts:
        yield Fact("odd starts: ", starts)


def _state(row: Record) -> str:
    """What a thread is doing."""
    return told(row, "State")


def _start(row: Record) -> str:
    """The file that a thread starts in, what it starts in where that is none."""
    path = row["Win32StartPath"]
    return told(row, "Win32StartIn") if path is None else str(path).rpartition("\\")[2]


def facts(rows: Rows, part: Callable[[Rows], Iterator[Fact]]) -> Iterator[Fact]:
    """The lines of a component, up to the first view that cannot be had, which says why.

    Raises:
        RequestError: there is no such process.
    """
    try:
        yield from part(rows)
    except RequestError:
        raise
    except Error as error:
        yield Fact(f"no more could be read: {error}")


PARTS: dict[str, tuple[str, Callable[[Rows], Iterator[Fact]]]] = {
    "private-address-space": ("AddressSpace", address_space),
    "executable-program": ("Program", program),
    "open-handles": ("Handles", handles),
    "security-context": ("SecurityContext", security_context),
    "process-id": ("ProcessId", process_id),
    "threads": ("Threads", threads),
}
"""Each component, in the order of the notes: the column of the view of completeness about it, and its facts."""
