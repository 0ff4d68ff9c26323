"""Cross-view: which ways to find processes see each process, and what it means where one does not.

Every process that any view sees has a row; none is left out for its name.  A view that does not see a process is
an absence, and each has a reason: one that belongs to the process's kind or age (expected), or none that is known,
which is what hiding looks like.
Sources: Windows Internals, part 1, chapters 2 and 3 (processes, sessions, jobs, the Windows subsystem); the
structures' fields as declared in ``structs``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from process_anatomy.absent import Absent
from process_anatomy.errors import RequestError
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.remains import Remains
from process_anatomy.memory.view import View
from process_anatomy.walk.crossview.client_ids import CID
from process_anatomy.walk.crossview.sightings import (
    BACKWARD,
    FORWARD,
    SCAN,
    VIEWS,
    Sightings,
    physical_places,
    sightings,
)
from process_anatomy.walk.crossview.verdicts import HIDDEN, HIGH, LOW, REMNANT, Absence, Judge, Views
from process_anatomy.walk.processes.listed import Process, ProcessTable, processes, read_processes
from structs.eprocess import EPROCESS


@dataclass(frozen=True, slots=True)
class Crossing:
    """One process and who sees it.

    Attributes:
        process: the process; its address is the one that the object itself tells.
        physical: where its object lies in physical memory.
        in_place: the kernel's page tables lead to it from its address.
        views: by view, whether it sees the process; absent, with the reason, where the view cannot be had.
        absences: for each view that does not see it, why.
        verdict: one of :data:`VERDICTS`.
        confidence: how certain the verdict is.
        problems: what is odd or could not be read, one line each.
    """

    process: Process
    physical: int | Absent
    in_place: bool
    views: Views
    absences: tuple[Absence, ...]
    verdict: str
    confidence: str
    problems: tuple[str, ...]

    @property
    def hidden_from(self) -> tuple[str, ...]:
        """Views that should see it and do not; empty unless the verdict is ``hidden``."""
        if self.verdict != HIDDEN:
            return ()
        return tuple(absence.view for absence in self.absences if not absence.expected)

    @property
    def listed(self) -> bool:
        """Whether the active list holds it, in either direction."""
        return self.views[FORWARD] is True or self.views[BACKWARD] is True


@dataclass(frozen=True, slots=True)
class CrossTable:
    """Every process that any view sees.

    Attributes:
        rows: those of the active list in its order, then the others, then what is left over in memory.
        problems: what was wrong with a view as a whole, one line each.
    """

    rows: tuple[Crossing, ...]
    problems: tuple[str, ...]

    def select(self, pids: frozenset[int]) -> CrossTable:
        """Only the processes with these ids, hidden ones too; all of them where none is named.

        Raises:
            RequestError: no process has one of the ids.
        """
        missing = sorted(pids - {row.process.pid for row in self.rows if isinstance(row.process.pid, int)})
        if missing:
            raise RequestError(f"no view has a process with id {', '.join(map(str, missing))}")
        return CrossTable(tuple(r for r in self.rows if not pids or r.process.pid in pids), self.problems)

    def beside(self, listed: ProcessTable) -> ProcessTable:
        """The processes of the active list, then the hidden ones of which enough is known to walk what they have.

        One that nothing but its own contents speaks for is not among them: it has a row of its own, and no others.
        """
        found = (row.process for row in self.rows if row.verdict == HIDDEN and not row.listed and row.confidence != LOW)
        more = tuple(p for p in found if isinstance(p.pid, int) and isinstance(p.name, str) and isinstance(p.dtb, int))
        return replace(listed, rows=listed.rows + more)


def crossview(kernel: Kernel, listed: ProcessTable | None = None) -> CrossTable:
    """Compare all views of all processes.

    Args:
        kernel: the kernel.
        listed: the active list, if it was walked already.
    """
    seen = sightings(kernel, processes(kernel) if listed is None else listed)
    others = read_processes(kernel, list(seen.others), [()] * len(seen.others), [[] for _ in seen.others])
    rows = [*seen.listed.rows, *others]
    judge = Judge(kernel, seen, rows)
    places = physical_places(kernel, [row.address for row in rows])
    found = [Crossing(row, place, True, *judge.of(row)) for row, place in zip(rows, places, strict=True)]
    problems = list(seen.scan.problems) + list(seen.ids.problems) + list(seen.subsystems.problems)
    problems += [line for lines in (*seen.sessions.broken.values(), *seen.jobs.broken.values()) for line in lines]
    problems += [f"{view} leads to {at:#x}, where no process is" for at, view in list(seen.unproved.items())[:8]]
    if len(seen.unproved) > 8:
        problems.append(f"{len(seen.unproved) - 8} more addresses are taken for processes, where none is")
    return CrossTable(tuple(found + _left_over(kernel, seen, rows)), tuple(problems))


def _left_over(kernel: Kernel, seen: Sightings, rows: Sequence[Process]) -> list[Crossing]:
    """Process objects that are not where they say they are: copies, remains, and those of other systems."""
    gone = [found for found in seen.scan.processes if not found.in_place]
    if not gone or not isinstance(kernel.space, AddressSpace):
        return []
    places = [found.physical for found in gone]
    remains = Remains(kernel.space, places, kernel.build[EPROCESS].sizeof)
    flat = replace(kernel, view=View(remains, kernel.build))
    read = read_processes(flat, [remains.origin + place for place in places], [()] * len(places), [[] for _ in places])
    known = {row.address: row for row in rows}
    found = []
    for sighting, row in zip(gone, read, strict=True):
        views: dict[str, bool | Absent] = dict.fromkeys(VIEWS, False)
        views[SCAN] = True
        if seen.ids.absent is not None:
            views[CID] = seen.ids.absent
        absences = tuple(Absence(view, "left-over", HIGH) for view in VIEWS if views[view] is False)
        same = known.get(sighting.address)
        if not sighting.address:
            where = "nothing tells at which address it was"
        elif same is not None and same.pid == row.pid and same.create_time == row.create_time:
            where = f"a copy of the process at {sighting.address:#x}"
        else:
            where = f"it says that it lies at {sighting.address:#x}, where the kernel has something else"
        problems = (where, *row.problems)
        process = replace(row, address=sighting.address)
        found.append(Crossing(process, sighting.physical, False, views, absences, REMNANT, HIGH, problems))
    return found
