"""What came, went and changed between two captures of one machine.

A process is the same where address, time of creation and id agree; what belongs to it is compared by keys of the same
kind (:data:`COMPARED`), where it is in both images and did not end in between.  What could not be read in one of the
images is unknown: it neither came nor went, and a fact that is absent in one image has not changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from process_anatomy.errors import Error, RequestError
from process_anatomy.fleet.moments import MODULES, PRIVILEGES, PROCESSES, VADS, Moment, Seen, apart
from process_anatomy.views import view
from process_anatomy.views.records import Record

CAME, WENT, CHANGED, UNKNOWN = "came", "went", "changed", "unknown"
NEVER = ("PID", "Process", "Problems", "Explanation")
"""Columns that are compared in no view: what is told of problems and in words follows from the others."""
BESIDE = "it is not on the list of active processes any more, but in the table of process ids; --pid compares it"
WAS_BESIDE = "it was in the table of process ids before, but not on the list of active processes; --pid compares it"
SHARED = "{} is the id of several processes; what belongs to them is not compared"
NO_KEY = "{} of a row could not be read in the other image, which may be this one"
OTHERS = "the images are not two captures of one boot of one machine: {}"


class Compared(NamedTuple):
    """How rows of a view are compared.

    Attributes:
        key: columns that make a row the same row; the first is known wherever there is a row.
        apart: columns that are not compared: they follow from others, from memory of the process that comes and goes
            with paging, or hold what the kernel moves about.
        again: columns of whose values is said, where a row came or went, that another row has them in the other image.
        rests: columns that are not known where another one could not be read, or problems of the rows are not the
            same, and that other one.
        strict: facts are compared only where the tables of both processes could be read whole, for they say less than
            there is, without a gap, where one could not.
    """

    key: tuple[str, ...]
    apart: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    rests: Mapping[str, str] = {}
    strict: bool = False


COMPARED = {
    PROCESSES: Compared(("Offset(V)", "CreateTime", "PID"), ("Layout",), ("PID", "Offset(V)")),
    MODULES: Compared(("Base",), ("Bits", "State", "Header"), strict=True),
    VADS: Compared(
        ("Offset", "Start VPN"), ("Parent", "Depth", "Balance", "Pages", "Region", "Compressed"), ("Start VPN",)
    ),
    PRIVILEGES: Compared(("Value", "TID"), ("Token", "Description")),
    "handles": Compared(
        ("HandleValue", "Offset"), ("Entry", "Header", "Target", "Rights"), ("HandleValue",), {"Name": "Type"}
    ),
    "threads": Compared(
        ("Offset", "TID", "CreateTime"),
        (
            *(f"{start}{what}" for start in ("Start", "Win32Start") for what in ("Path", "In", "Protection")),
            "Alarm",
            "KernelStack",
        ),
        ("TID",),
    ),
}
"""The views that are compared, in the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Change:
    """A row that is not the same in both images.

    Attributes:
        view: the view that it is of.
        kind: :data:`CAME`, :data:`WENT`, :data:`CHANGED` or :data:`UNKNOWN`.
        before: the row in the earlier image, ``None`` where there is none.
        after: the row in the later one.
        columns: those that changed.
        reason: why it is not known, or what else is to be said.
    """

    view: str
    kind: str
    before: Record | None
    after: Record | None
    columns: tuple[str, ...] = ()
    reason: str = ""

    @property
    def row(self) -> Record:
        """The row, as the later image has it where it does."""
        found = self.before if self.after is None else self.after
        assert found is not None
        return found


@dataclass(slots=True)
class Changes:
    """What is not the same in one view.

    Attributes:
        view: its name.
        rows: what came, went, changed or is not known.
        same: rows that were compared.
        unread: facts that were not compared, since one image or the other does not have them.
    """

    view: str
    rows: list[Change] = field(default_factory=list)
    same: int = 0
    unread: int = 0

    def count(self, kind: str) -> int:
        """How many rows came, went, changed or are not known."""
        return sum(row.kind == kind for row in self.rows)


class Pairs(NamedTuple):
    """Rows of both images that belong together, and those that are left."""

    both: list[tuple[Seen, Seen]]
    before: list[Seen]
    after: list[Seen]


def compared(names: Iterable[str]) -> tuple[str, ...]:
    """The names of the views that are compared, all where none is named.

    Raises:
        RequestError: one is not compared.
    """
    wanted = dict.fromkeys(names)
    if strange := [name for name in wanted if name not in COMPARED]:
        raise RequestError(f"{strange[0]!r} is not compared; {', '.join(COMPARED)} are")
    return tuple(name for name in COMPARED if name in wanted) or tuple(COMPARED)


def diff(before: Moment, after: Moment, names: Sequence[str]) -> Iterator[Changes]:
    """What is not the same, view by view.

    Args:
        before: the earlier moment.
        after: the later one.
        names: of views.

    Raises:
        Error: the images are not of one boot of one machine, or rows cannot be produced.
    """
    if why := apart(before.image, after.image):
        raise Error(OTHERS.format(why))
    then, now = before.rows(PROCESSES), after.rows(PROCESSES)
    found = matched(then, now, COMPARED[PROCESSES].key)
    if then and now and not found.both:
        raise Error(OTHERS.format("no process is in both (by address, time of creation and id)"))
    if PROCESSES in names:
        yield _processes(before, after, found)
    alone = _alone(then, before) & _alone(now, after)
    same = {
        pid: (one.record["Offset(V)"], other.record["Offset(V)"])
        for one, other in found.both
        if (pid := one.record["PID"]) in alone and other.record["PID"] == pid and not _ended(one, other)
    }
    for name in names:
        if name != PROCESSES:
            yield _parts(before, after, name, same)


def _ended(before: Seen, after: Seen) -> bool:
    """Whether a process ended between the two: that its parts went follows from it."""
    return before.record["ExitTime"] is None and after.record["ExitTime"] is not None


def _alone(rows: Iterable[Seen], at: Moment) -> set[Any]:
    """Ids that one process has alone; rows of views name their process by its id."""
    counts: dict[Any, int] = defaultdict(int)
    for row in rows:
        counts[row.record["PID"]] += 1
    shared = [pid for pid, count in counts.items() if count > 1 and pid is not None]
    at.problems.update(dict.fromkeys(SHARED.format(pid) for pid in shared))
    return {pid for pid, count in counts.items() if count == 1 and pid is not None}


def matched(before: Iterable[Seen], after: Iterable[Seen], key: Sequence[str]) -> Pairs:
    """Rows that belong together: those with the same key.

    A part of a key that could not be read is no difference, as long as only one row of the other image can be meant.
    """
    places: dict[tuple[Any, ...], list[Seen]] = defaultdict(list)
    unsure = []
    for row in after:
        if row.lost.isdisjoint(key):
            places[_key(row, key)].append(row)
        else:
            unsure.append(row)
    for rows in places.values():
        rows.reverse()
    both, left = [], []
    for row in before:
        if row.lost.isdisjoint(key) and (found := places.get(_key(row, key))):
            both.append((row, found.pop()))
        else:
            left.append(row)
    rest = [*(row for rows in places.values() for row in reversed(rows)), *unsure]
    near: dict[Any, list[Seen]] = defaultdict(list)
    for row in rest:
        near[row.record[key[0]]].append(row)
    unmatched, taken = [], set()
    for row in left:
        meant = [
            other for other in near.get(row.record[key[0]], ()) if id(other) not in taken and _may(row, other, key)
        ]
        if len(meant) == 1:
            taken.add(id(meant[0]))
            both.append((row, meant[0]))
        else:
            unmatched.append(row)
    return Pairs(both, unmatched, [row for row in rest if id(row) not in taken])


def _key(row: Seen, key: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row.record[name] for name in key)


def _may(one: Seen, other: Seen, key: Sequence[str]) -> bool:
    """Whether what is known of both keys is the same, and something of one of them is not known."""
    lost = (one.lost | other.lost) & set(key)
    return bool(lost) and all(one.record[name] == other.record[name] for name in key if name not in lost)


def _processes(before: Moment, after: Moment, found: Pairs) -> Changes:
    """The processes themselves."""
    told = _changed(PROCESSES, found.both, ("SeenBy",) if before.cut or after.cut else ())
    for rows, others, kind, there, beside in (
        (found.before, found.after, WENT, after, BESIDE),
        (found.after, found.before, CAME, before, WAS_BESIDE),
    ):
        again = _again(PROCESSES, others)
        for row in rows:
            address = row.record["Offset(V)"]
            if address in there.beside and not there.cut:
                told.rows.append(replace(_change(PROCESSES, CHANGED, row, kind, beside), columns=("SeenBy",)))
            elif why := there.cut or _lacking(PROCESSES, row, others):
                told.rows.append(_change(PROCESSES, UNKNOWN, row, kind, why))
            else:
                told.rows.append(_change(PROCESSES, kind, row, kind, again(row)))
    return told


def _parts(before: Moment, after: Moment, name: str, same: Mapping[Any, tuple[Any, Any]]) -> Changes:
    """What belongs to the processes that are in both images."""
    rows: dict[Any, tuple[list[Seen], list[Seen]]] = {pid: ([], []) for pid in same}
    for side, moment in enumerate((before, after)):
        for row in moment.rows(name):
            if (pid := row.record["PID"]) in rows:
                rows[pid][side].append(row)
    whole = Changes(name)
    for pid, sides in rows.items():
        found = matched(*sides, COMPARED[name].key)
        asked = COMPARED[name].strict or found.before or found.after  # to know what is missing takes every walk
        gaps = [
            moment.gap(name, address) if asked else ""
            for moment, address in zip((before, after), same[pid], strict=True)
        ]
        if COMPARED[name].strict and any(gaps):
            told = Changes(name, same=len(found.both), unread=len(found.both))
        else:
            told = _changed(name, found.both)
        for left, others, kind, gap in (
            (found.before, found.after, WENT, gaps[1]),
            (found.after, found.before, CAME, gaps[0]),
        ):
            again = _again(name, others)
            for row in left:
                why = gap or _lacking(name, row, others)
                told.rows.append(_change(name, UNKNOWN if why else kind, row, kind, why or again(row)))
        whole.rows += told.rows
        whole.same += told.same
        whole.unread += told.unread
    return whole


def _lacking(name: str, row: Seen, others: Iterable[Seen]) -> str:
    """Why a row may be one of the other image's, or cannot be told from them; empty where it is none of these."""
    key = COMPARED[name].key
    first = key[0]
    for other in others:
        for part in key:
            if part in other.lost and (other.record[first] == row.record[first] or first in other.lost):
                return NO_KEY.format(part)
    return next((f"its {part} could not be read" for part in key if part in row.lost), "")


def _again(name: str, others: Iterable[Seen]) -> Callable[[Seen], str]:
    """Gives what is said of a row whose id, address or number another row has in the other image."""
    rows = list(others)
    taken = {column: {row.record[column] for row in rows} - {None} for column in COMPARED[name].again}

    def said(row: Seen) -> str:
        found = [column for column, values in taken.items() if row.record[column] in values]
        return f"{' and '.join(found)}: another one has the same in the other image" if found else ""

    return said


def _change(name: str, kind: str, row: Seen, side: str, reason: str) -> Change:
    """A row that only one image has: the earlier one where it went, or might have."""
    before, after = (row.record, None) if side == WENT else (None, row.record)
    return Change(name, kind, before, after, reason=reason)


def _changed(name: str, pairs: Iterable[tuple[Seen, Seen]], more: Sequence[str] = ()) -> Changes:
    """Rows that are in both images, and are not the same; more columns that are not compared may be named."""
    left_out, rests = {*NEVER, *COMPARED[name].apart, *more}, COMPARED[name].rests
    columns = [column for column in view(name).names if column not in left_out]
    told = Changes(name)
    for one, other in pairs:
        told.same += 1
        lost = one.lost | other.lost
        lost |= {c for c, on in rests.items() if on in lost or one.record["Problems"] != other.record["Problems"]}
        differ = tuple(c for c in columns if c not in lost and one.record[c] != other.record[c])
        told.unread += sum(column not in left_out for column in one.lost ^ other.lost)
        if differ:
            told.rows.append(Change(name, CHANGED, one.record, other.record, differ))
    return told
