"""What a term is in the image at hand: the cells of one process that show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from process_anatomy.command.parts import PARTS, Rows, facts, told
from process_anatomy.errors import Error
from process_anatomy.views import view
from process_anatomy.views.records import Record, lost
from process_anatomy.views.shown import shown_text

if TYPE_CHECKING:
    from process_anatomy.views.image import Image

NONE_SUCH = "none"
"""What is said where the process has no row of the sort."""


def _any(_: Record) -> bool:
    return True


class Where(NamedTuple):
    """Where a term shows.

    Attributes:
        view: the view.
        columns: those of its cells that show the term.
        rows: which rows do; all, of which the first is told, where it is left out.
    """

    view: str
    columns: tuple[str, ...]
    rows: Callable[[Record], bool] = _any


def _primary(row: Record) -> bool:
    return row["TID"] is None


def _acting(row: Record) -> bool:
    return row["TID"] is not None


def _token(*columns: str) -> Where:
    return Where("tokens", columns, _primary)


TERMS: Mapping[str, Where] = {
    "process": Where("processes", ("ImageFileName", "PID", "CreateTime", "Threads", "Handles")),
    "access-token": _token("Offset", "TokenId", "UserName"),
    "privilege": _token("Privileges"),
    "sid": _token("User", "UserName"),
    "integrity-level": _token("Integrity"),
    "elevation": _token("Elevation"),
    "logon-session": _token("AuthenticationId", "LogonReferences"),
    "linked-logon": _token("AuthenticationId", "LinkedLogonSession"),
    "impersonation": Where("tokens", ("TID", "UserName", "ImpersonationLevel"), _acting),
    "restricted-token": _token("RestrictedSids"),
    "appcontainer": _token("PackageName", "LowboxNumber"),
    "capability": _token("Capabilities"),
    "claim": _token("Claims"),
    "security-attribute": _token("SecurityAttributes"),
    "default-dacl": _token("DefaultDacl"),
    "uac-virtualization": _token("Virtualization"),
    "vad": Where("vads", ("Start VPN", "End VPN", "Protection", "Region", "File")),
    "vad-tree": Where("vads", ("Offset", "Start VPN", "Balance"), lambda row: row["Depth"] == 0),
    "vad-node": Where("vads", ("Offset", "Tag", "VadType", "Parent", "Depth")),
    "eprocess": Where("processes", ("Offset(V)", "DTB", "VadRoot", "Token", "PEB")),
    "ethread": Where("threads", ("Offset", "TID", "State", "TEB")),
    "peb": Where("peb", ("PEB", "ImageBaseAddress", "BeingDebugged", "Ldr")),
    "client-id": Where("tebs", ("ClientId",)),
    "csr-process": Where("csrss", ("Offset", "ClientPID", "SequenceNumber")),
    "working-set": Where("workingset", ("WorkingSetSize", "PeakWorkingSetSize", "Resident")),
    "create-process": Where("creation", ("Method", "Confidence", "Creator", "CreatorPID")),
    "create-process-as-user": Where("creation", ("Method", "User", "ParentUser")),
    "creator-and-parent": Where("creation", ("Parent", "PPID", "Creator", "CreatorPID")),
    "system-address-space": Where("processes", ("Offset(V)",)),
    "process-address-space": Where("processes", ("PEB", "DTB")),
    "estimated-layout": Where("processes", ("Layout",)),
}
"""Term to where it shows."""
COUNTED: Mapping[str, tuple[str, str]] = {
    "protection": ("vads", "Protection"),
    "vad-type": ("vads", "VadType"),
    "thread-state": ("threads", "State"),
    "wait-reason": ("threads", "WaitReason"),
    "privilege": ("privileges", "Privilege"),
}
"""Family to the view and the column whose cells name its members: rows are counted."""


def live(rows: Rows, key: str) -> Iterator[str]:
    """What a term is in the process at hand, a line for each fact; no line where it shows in no view.

    Args:
        rows: of the process.
        key: id of the note of the term.
    """
    family, _, name = key.partition("/")
    try:
        if family == "component":
            for fact in facts(rows, PARTS[name][1]):
                yield fact.text + "; ".join(fact.items)
        elif family == "term" and name in TERMS:
            yield _cells(rows, TERMS[name])
        elif family in COUNTED:
            yield from _count(rows, *COUNTED[family], name)
    except Error as error:
        yield f"not known: {error}"


def _cells(rows: Rows, where: Where) -> str:
    """The cells of the first row that shows a term, each with the name of its column."""
    found = [row for row in rows(where.view) if where.rows(row)]
    if not found:
        return f"{NONE_SUCH} in windows.anatomy.{where.view}"
    columns = {column.name: column for column in view(where.view).columns}
    row = found[0]
    shown = (
        f"{name} {told(row, name) if lost(row, name) else shown_text(row[name], columns[name]) or NONE_SUCH}"
        for name in where.columns
    )
    behind = f" (the first of {len(found)})" if len(found) > 1 else ""
    return f"{', '.join(shown)}{behind}"


def _count(rows: Rows, name: str, column: str, member: str) -> Iterator[str]:
    """How many rows of a view have a member of a family, and of a privilege how the token holds it."""
    found = [row for row in rows(name) if member in str(row[column] or "").split("|")]
    if name == "privileges":
        for row in found:
            who = "primary token" if row["TID"] is None else f"thread {row['TID']}"
            yield f"{who}: {told(row, 'Attributes') if row['Attributes'] != '' else 'not held'}"
        return
    unknown = sum(lost(row, column) for row in rows(name))
    yield f"{len(found)} of {len(rows(name))} {name}" + (f", {unknown} not known" if unknown else "")


def telling(image: Image) -> int | None:
    """The process that shows most, where none is named: of a user, with the most threads; ``None`` where none can."""
    known = [row for row in image.view("processes", explain="off") if isinstance(row["PID"], int)]
    ids = [row["PID"] for row in known]
    alone = [row for row in known if ids.count(row["PID"]) == 1]
    best = max(
        alone, key=lambda row: (bool(row["PEB"]), _number(row, "SessionId"), _number(row, "Threads")), default=None
    )
    return None if best is None else _number(best, "PID")


def _number(row: Record, name: str) -> int:
    value = row[name]
    return value if isinstance(value, int) else 0
