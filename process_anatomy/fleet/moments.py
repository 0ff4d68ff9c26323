"""One image as a moment of a machine: the rows of its views, and of which process which table could be read whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from process_anatomy.absent import Absent
from process_anatomy.errors import Error, RequestError
from process_anatomy.filetime import moment
from process_anatomy.views.image import Image
from process_anatomy.views.records import Record, record
from process_anatomy.walk.across.completeness import ADDRESS_SPACE, HANDLES, NONE, SECURITY, THREADS, WHOLE
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.processes.captured import captured
from process_anatomy.walk.program.modules import NO_LOADER, UNREADABLE

PROCESSES, VADS, MODULES, PRIVILEGES = "processes", "vads", "modules", "privileges"
COMPONENTS = {"handles": HANDLES, "threads": THREADS, PRIVILEGES: SECURITY}
"""Views whose rows are whole where this component of the process is."""
CUT = "the list of processes could not be followed to its end"
LISTS = "the loader's lists could not be read to their ends"


class Seen(NamedTuple):
    """A row of a view.

    Attributes:
        record: what it says.
        lost: columns whose fact may exist and could not be had.
    """

    record: Record
    lost: frozenset[str]


class Moment:
    """An image as a moment of a machine.

    Args:
        image: the image.
        pids: of the processes that are asked about; all where none is named.
    """

    def __init__(self, image: Image, pids: Iterable[int] = ()) -> None:
        self.image = image
        everyone = image.tables()
        there = {row.pid for row in (*everyone.listed.rows, *everyone.left_out)}
        self.asked = frozenset(pids)
        self.pids = self.asked & there
        self.problems: dict[str, None] = {}
        self._lines: set[str] = set()

    @property
    def none(self) -> bool:
        """Whether none of the processes that are asked about is there."""
        return bool(self.asked) and not self.pids

    @cached_property
    def taken(self) -> datetime | None:
        """When the memory was taken, ``None`` where that is not known."""
        return moment(captured(self.image.kernel))

    @cached_property
    def tables(self) -> Tables:
        """The tables of the processes that are asked about."""
        return self.image.tables(self.pids)

    def rows(self, name: str) -> list[Seen]:
        """The rows of a view.

        Raises:
            Error: they cannot be produced.
        """
        if self.none:
            return []
        answer = self.image.view(name, pid=self.pids, explain="off")
        rows = [
            Seen(
                record(answer.view, row),
                frozenset(column for column, value in row[1].items() if isinstance(value, Absent) and value.kind.lost),
            )
            for row in answer.rows()
        ]
        self.problems.update(dict.fromkeys(f"{name}: {line}" for line in answer.problems if line not in self._lines))
        self._lines.update(answer.problems)  # what several views say of the image is told once
        return rows

    @property
    def cut(self) -> str:
        """Why a process that has no row may be there all the same, empty where it is not."""
        listed = self.image.tables().listed
        return CUT if listed.cut or listed.broken or not self.image.tables().whole else ""

    @cached_property
    def beside(self) -> frozenset[int]:
        """Addresses of processes that are not on the list of active processes, but in the table of process ids."""
        return frozenset(row.address for row in self.image.tables().left_out)

    def gap(self, name: str, process: int) -> str:
        """Why a row of a view of a process may be there all the same, though it is not; empty where it is not.

        Args:
            name: of the view.
            process: address of the process.
        """
        return self._gaps(name).get(process, f"the process's own rows of {name} are not known")

    def _gaps(self, name: str) -> dict[int, str]:
        if name not in self._told:
            self._told[name] = dict(self._walked(name))
        return self._told[name]

    @cached_property
    def _told(self) -> dict[str, dict[int, str]]:
        return {}

    def _walked(self, name: str) -> Iterator[tuple[int, str]]:
        try:
            rows = () if self.none else self.tables.completeness.rows
        except Error as error:
            yield from ((process.address, str(error)) for process in self.tables.processes)
            return
        for row in rows:
            address = row.process.address
            if name in COMPONENTS:
                part = row.components[COMPONENTS[name]]
                yield address, "" if part.state in (WHOLE, NONE) else "; ".join(part.obstacles) or part.state
                continue
            tree = row.components[ADDRESS_SPACE]
            lost = tree.expected - tree.found
            why = f"{lost} of {tree.expected} VAD nodes could not be read" if lost > 0 else ""
            root = row.process.vad_root
            if isinstance(root, Absent) and root.kind.lost:
                why = why or f"VAD root: {root}"
            why = why or self.tables.vads.broken.get(address, "")
            yield address, why or (self._unlisted.get(address, "") if name == MODULES else "")

    @cached_property
    def _unlisted(self) -> dict[int, str]:
        """Processes whose modules may be more than those that were found, with the reason."""
        table = self.tables.modules
        found = dict.fromkeys(table.cut, LISTS)
        found |= {row.process.address: LISTS for row in table.rows if row.state in (NO_LOADER, UNREADABLE)}
        return found


def apart(first: Image, second: Image) -> str:
    """Why two images are not of one boot of one machine, empty where nothing says so."""
    kernels = first.kernel, second.kernel
    if kernels[0].number != kernels[1].number:
        return f"builds {kernels[0].number} and {kernels[1].number}"
    pdbs = [kernel.pdb for kernel in kernels]
    if pdbs[0] is not None and pdbs[1] is not None and pdbs[0] != pdbs[1]:
        return "their kernels are different files"
    if kernels[0].base != kernels[1].base:
        return f"their kernels lie at {kernels[0].base:#x} and {kernels[1].base:#x}"
    systems = [next((row for row in i.tables().listed.rows if row.pid == 4), None) for i in (first, second)]
    if systems[0] is None or systems[1] is None:
        return ""
    for name, what in (("address", "lies"), ("create_time", "was made"), ("dtb", "has its page tables")):
        values: list[Any] = [getattr(row, name) for row in systems]
        if all(isinstance(value, int) for value in values) and values[0] != values[1]:
            told = [str(moment(value)) if name == "create_time" else f"{value:#x}" for value in values]
            return f"System {what} at {told[0]} in one and at {told[1]} in the other"
    return ""


def ordered(first: Moment, second: Moment) -> tuple[Moment, Moment, str]:
    """The earlier moment, the later one, and what has to be said of that, empty for nothing.

    Raises:
        RequestError: neither has a process that is asked about.
    """
    if first.none and second.none:
        raise RequestError(f"neither image has a process with id {', '.join(map(str, sorted(first.asked)))}")
    if first.taken is None or second.taken is None:
        return first, second, "which image was taken first is not known; the first that was given is taken for it"
    if second.taken < first.taken:
        return second, first, "the second image was taken first; changes are told from it to the first"
    return first, second, ""


__all__ = ["MODULES", "PRIVILEGES", "PROCESSES", "VADS", "Moment", "Seen", "apart", "ordered"]
