"""What it means that some views see a process and others do not: reasons for each absence, and a verdict.

A reason belongs to the process's kind or age (expected), or none is known, which is what hiding looks like.  A view
that cannot be had was not looked at: that a process is not seen there is held against nobody.
Sources: Windows Internals, part 1, chapters 2 and 3 (processes, sessions, jobs, the Windows subsystem); the
structures' fields as declared in ``structs``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import SYSTEM_PID, Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.crossview.client_ids import CID
from process_anatomy.walk.crossview.sightings import (
    BACKWARD,
    CSR,
    CSRSS_HANDLES,
    FORWARD,
    HANDLES,
    JOB,
    SCAN,
    SESSION,
    THREADS,
    VIEWS,
    WIN32,
    Sightings,
)
from process_anatomy.walk.processes.listed import NOT_READ, Process
from process_anatomy.walk.processes.scan import beyond_search
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD

HIGH, MEDIUM, LOW = "high", "medium", "low"
CONSISTENT, HIDDEN, ENDED, REMNANT, SMEARED = "consistent", "hidden", "ended", "remnant", "smeared"
VERDICTS = (CONSISTENT, HIDDEN, ENDED, REMNANT, SMEARED)
UNEXPLAINED = "unexplained"
REASONS = (
    "idle", "system", "minimal", "no-session", "csrss", "ended", "ending", "starting", "no-threads", "no-windows",
    "not-listed", "unreadable", "incomplete", "broken-list", "left-over", UNEXPLAINED,
)  # fmt: skip
"""Why a view may not see a process."""
NO_CSRSS = Absent(Kind.UNREADABLE, "no csrss.exe of its session is known")
NOT_IN_DUMP = Absent(Kind.NOT_IN_DUMP, "a small dump holds pieces of memory, so an absence from them says nothing")
LISTS = {FORWARD: "forward", BACKWARD: "backward"}
SUBSYSTEM = frozenset({CSRSS_HANDLES, HANDLES, CSR})
"""Views that depend on what the Windows subsystem (csrss.exe) was told of a process."""
WITNESSES = (FORWARD, BACKWARD, THREADS, CID, CSRSS_HANDLES, HANDLES, CSR, SESSION, JOB)
"""Views that know of a process by something else than its own object."""
CSRSS, SMSS = "csrss.exe", "smss.exe"

Views = Mapping[str, bool | Absent]
"""By view, whether it sees a process; absent, with the reason, where the view cannot be had."""


@dataclass(frozen=True, slots=True)
class Absence:
    """A view that does not see a process.

    Attributes:
        view: which one.
        reason: one of :data:`REASONS`.
        confidence: how certain that reason is: ``high``, ``medium`` or ``low``.
    """

    view: str
    reason: str
    confidence: str

    @property
    def expected(self) -> bool:
        """Whether such a process is not to be seen there anyway."""
        return self.reason != UNEXPLAINED


class Judge:
    """Says what each view sees of a process and what that means."""

    def __init__(self, kernel: Kernel, seen: Sightings, rows: Sequence[Process]) -> None:
        self.kernel, self.seen = kernel, seen
        self.rows = {row.address: row for row in rows}
        self.in_place = {found.address: found for found in seen.scan.processes if found.in_place}
        windows = kernel.view.records(EPROCESS, addresses_of([row.address for row in rows])).values("Win32Process")
        self.windows = {row.address: value for row, value in zip(rows, windows, strict=True)}
        self.ending = self._ending(rows)
        self.csrss = _subsystems(rows)
        self.forgotten = self._forgotten()

    def of(self, row: Process) -> tuple[Views, tuple[Absence, ...], str, str, tuple[str, ...]]:
        """Of a process whose object is in place: its views, why some do not see it, verdict, confidence, problems."""
        views: Views = {view: self._sees(view, row) for view in VIEWS}
        if not isinstance(self.kernel.space, AddressSpace):  # fragments: what is not seen may only not be in the dump
            views = {view: NOT_IN_DUMP if _may_be_beside(view, seen) else seen for view, seen in views.items()}
        absences = tuple(Absence(view, *self._reason(view, row, views)) for view in VIEWS if views[view] is False)
        problems = (*row.problems, *self._contradictions(row, views))
        verdict, confidence = self._verdict(row, views, absences)
        return views, absences, verdict, confidence, problems

    def _sees(self, view: str, row: Process) -> bool | Absent:
        """Whether a view sees a process."""
        seen, at = self.seen, row.address
        if view in LISTS:
            return LISTS[view] in row.seen_by
        if view == SCAN:
            if not isinstance(self.kernel.space, AddressSpace):
                return Absent(Kind.NOT_IN_DUMP, "a small dump holds no physical memory to look through")
            if at not in self.in_place and beyond_search(self.kernel, at):
                return Absent(Kind.NOT_APPLICABLE, "its object lies across two pages, where no search can tell it")
            return at in self.in_place
        if view == THREADS:
            return at in seen.owners or self._by_ids(False)
        if view == CID:
            return self._by_ids(at in seen.ids.processes)
        if view == HANDLES:
            return at in seen.holders.of or self._csrss_holds(row)
        if view == CSRSS_HANDLES:
            return self._csrss_holds(row)
        if view == SESSION:
            return seen.sessions.holds(at)
        if view == JOB:
            return seen.jobs.holds(at)
        if view == WIN32:
            value = self.windows[at]
            return value if isinstance(value, Absent) else value != 0
        return self._csrss_knows(row)

    def _by_ids(self, seen: bool) -> bool | Absent:
        """What the table of ids shows, or why there is no table; it is one of the two ways to find threads."""
        gone = self.seen.ids.absent
        return seen if gone is None else gone

    def _csrss_knows(self, row: Process) -> bool | Absent:
        """Whether the csrss.exe of its session keeps a record of a process."""
        subsystems = self.seen.subsystems
        if row.address in subsystems.known:
            return True
        if self._stands_outside(row):
            return False
        if row.pid not in self.seen.ids.processes.get(row.address, (row.pid,)):
            return Absent(Kind.IMPLAUSIBLE, "csrss.exe knows processes by their ids, and this one's was changed")
        return self._not_asked(row, subsystems.rings) if subsystems.absent is None else subsystems.absent

    def _csrss_holds(self, row: Process) -> bool | Absent:
        """Whether a csrss.exe has a handle to a process."""
        if self.seen.holders.of.get(row.address, frozenset()) & self.csrss.keys():
            return True
        return False if self._stands_outside(row) else self._not_asked(row, self.seen.holders.absent)

    def _not_asked(self, row: Process, told: Mapping[int, bool | Absent]) -> bool | Absent:
        """Why the csrss.exe of a process's session cannot be asked, from what is told of each; else ``False``."""
        own = self._own(row)
        if not own:
            return NO_CSRSS
        return next((why for address in own if isinstance(why := told.get(address), Absent)), False)

    def _own(self, row: Process) -> list[int]:
        """Addresses of the csrss.exe of a process's session."""
        return [address for address, session in self.csrss.items() if session == row.session]

    def _reason(self, view: str, row: Process, views: Views) -> tuple[str, str]:
        """Why a view does not see a process, and how certain that is."""
        ended = isinstance(row.exit_time, int)
        if self.kernel.inside(row.address):
            return "idle", HIGH
        if view == WIN32:
            return "no-windows", HIGH
        if view in LISTS:
            if LISTS[view] in self.seen.listed.broken:
                return "broken-list", MEDIUM
            if ended and views[FORWARD] is False and views[BACKWARD] is False:
                return "not-listed", MEDIUM
            return (UNEXPLAINED, HIGH) if ended or row.lives else ("unreadable", MEDIUM)
        if view == SCAN:
            return ("unreadable", HIGH) if self.kernel.space.read(row.address, 0x28) is None else (UNEXPLAINED, HIGH)
        if ended:
            return "ended", HIGH
        if row.address in self.ending and view in (*SUBSYSTEM, THREADS, SESSION, JOB):
            return "ending", MEDIUM
        if not row.lives:
            return "unreadable", MEDIUM
        if view == THREADS:
            if self._is_starting(row):
                return "starting", MEDIUM
            if row.threads == 0:
                return "no-threads", MEDIUM
            whole = self._has_thread(row) and not self.seen.ids.broken
            return (UNEXPLAINED, HIGH) if whole else ("unreadable", MEDIUM)
        if view == CID and (self.seen.ids.broken or row.address in self.seen.ids.lost):
            return "unreadable", LOW
        if view in (SESSION, JOB):
            groups = self.seen.sessions if view == SESSION else self.seen.jobs
            if groups.group.get(row.address) in groups.broken:
                return "broken-list", MEDIUM
        if view in SUBSYSTEM:
            return self._subsystem_reason(view, row, views)
        return UNEXPLAINED, HIGH

    def _stands_outside(self, row: Process) -> str:
        """Why no csrss.exe is ever told of such a process; empty where one is."""
        if row.pid == SYSTEM_PID and (row.address == self.kernel.system or row.peb == NOT_APPLICABLE):
            return "system"
        if row.minimal is True or (row.peb == NOT_APPLICABLE and row.ppid == SYSTEM_PID):
            return "minimal"
        return "no-session" if row.session == NOT_APPLICABLE else ""

    def _subsystem_reason(self, view: str, row: Process, views: Views) -> tuple[str, str]:
        """Why csrss.exe may know nothing of a process that lives."""
        outside = self._stands_outside(row)
        if outside:
            return outside, HIGH
        if row.address in self.csrss and view != CSR:
            return "csrss", HIGH
        if self._is_starting(row):
            return "starting", MEDIUM
        own = self._own(row)
        broken = {a for a in own if self.seen.subsystems.rings.get(a) is not True}
        if broken if view == CSR else self.seen.holders.broken & set(own):
            return "unreadable", MEDIUM
        if isinstance(views[CSR], Absent) and self.forgotten - {row.address}:
            return "incomplete", LOW
        return UNEXPLAINED, MEDIUM

    def _forgotten(self) -> set[int]:
        """Programs on the active list that no csrss.exe holds: then its handles alone are no witness."""
        return {
            row.address
            for row in self.rows.values()
            if self._is_listed(row) and row.lives and row.address not in self.csrss
            if not self._stands_outside(row) and not self._is_starting(row)
            if not self.seen.holders.of.get(row.address, frozenset()) & self.csrss.keys()
        }

    def _is_listed(self, row: Process) -> bool:
        """Whether the active list holds a process, each way that the list could be followed to its end."""
        return bool(row.seen_by) and set(row.seen_by) >= set(LISTS.values()) - set(self.seen.listed.broken)

    def _has_thread(self, row: Process) -> bool:
        """Whether the first thread on a process's own list is in memory."""
        view = self.kernel.view
        first = view.pointer(row.address + view.build[EPROCESS].offset("ThreadListHead"))
        return first is not None and view.pointer(first) is not None

    def _is_starting(self, row: Process) -> bool:
        """Whether a process has no thread yet: it is younger than all that have, or nearly so."""
        return row.threads == 0 and row.lives and row.address not in self.seen.owners

    def _ending(self, rows: Sequence[Process]) -> frozenset[int]:
        """Processes on the list that are ending: so they say, or all of their threads have ended.

        Between the end of the last thread and the time of the process's own end csrss.exe forgets it and its session
        gives it up; the list and the table of ids hold it until its object goes.
        """
        running = [row for row in rows if row.lives and self._is_listed(row)]
        said = self.kernel.view.records(EPROCESS, addresses_of([row.address for row in running]))
        threads = [(row.address, thread) for row in running for thread in self.seen.owners.get(row.address, ())]
        records = self.kernel.view.records(ETHREAD, addresses_of([thread for _, thread in threads]))
        alive, over = set[int](), set[int]()
        for (process, _), terminated in zip(threads, records.values("Terminated"), strict=True):
            (over if terminated == 1 else alive).add(process)
        exiting = {row.address for row, told in zip(running, said.values("ProcessExiting"), strict=True) if told == 1}
        return frozenset(exiting | (over - alive))

    def _contradictions(self, row: Process, views: Views) -> list[str]:
        """What two views say otherwise of one process."""
        found = []
        ids = self.seen.ids.processes.get(row.address, ())
        if ids and isinstance(row.pid, int) and row.pid not in ids:
            found.append(f"the table of ids has it as {', '.join(map(str, ids))}, it says {row.pid}")
        elif len(ids) > 1:
            found.append(f"the table of ids has it {len(ids)} times: {', '.join(map(str, ids))}")
        threads = len(self.seen.owners.get(row.address, ()))
        if isinstance(row.exit_time, int) and isinstance(row.threads, int) and row.threads and threads:
            found.append(f"it says that it has ended, but has {row.threads} threads that have not")
        place = self.in_place.get(row.address)
        if place is not None and place.doubts:
            found.append(f"of what is true of every process, this does not fit: {', '.join(place.doubts)}")
        if views[SCAN] is True and place is not None and "header" not in place.by:
            found.append("the beginning of its object was overwritten: its pool tag led to it")
        return found

    def _verdict(self, row: Process, views: Views, absences: Sequence[Absence]) -> tuple[str, str]:
        """What it all means, and how certain that is."""
        ended = isinstance(row.exit_time, int)
        witnesses = sum(views[view] is True for view in WITNESSES)
        missed = [absence for absence in absences if not absence.expected]
        if self.kernel.inside(row.address):
            return CONSISTENT, HIGH
        if ended and views[FORWARD] is False and views[BACKWARD] is False and views[CID] is False:
            return REMNANT, HIGH if views[THREADS] is False else MEDIUM
        if missed:
            main = [a for a in missed if a.view in (FORWARD, BACKWARD, SCAN, CID, THREADS)]
            if not main:
                return HIDDEN, LOW
            if not witnesses:  # nothing but its own contents speaks for it
                return HIDDEN, LOW
            one_way = {a.view for a in main} in ({FORWARD}, {BACKWARD})
            return HIDDEN, MEDIUM if one_way or witnesses < 2 else HIGH
        if ended:
            return ENDED, HIGH
        if any(absence.reason in ("broken-list", "unreadable") for absence in absences):
            return SMEARED, MEDIUM
        lost = [
            fact for fact in (row.pid, row.name, row.create_time) if isinstance(fact, Absent) and fact.kind in NOT_READ
        ]
        if any(fact is not row.create_time or fact.kind is not Kind.IMPLAUSIBLE for fact in lost):
            return SMEARED, LOW  # a time that is none was read well: it is told as a problem, and tears nothing
        if not isinstance(self.kernel.space, AddressSpace):
            return CONSISTENT, LOW
        return CONSISTENT, MEDIUM if any(absence.reason == "incomplete" for absence in absences) else HIGH


def _may_be_beside(view: str, seen: bool | Absent) -> bool:
    """Whether what a view lacks may be in memory that a small dump does not hold."""
    return seen is False or (view in WITNESSES and isinstance(seen, Absent) and seen.kind is not Kind.NOT_APPLICABLE)


def _subsystems(rows: Sequence[Process]) -> dict[int, int]:
    """The csrss.exe of each session, with the session.

    The name alone proves nothing, so it must be the first process there but for the smss.exe that makes the session,
    in the order of the active list: in that order they are made, whatever their times say, and what no list holds
    comes after all that it holds.
    """
    first: dict[int, Process] = {}
    for row in rows:
        if isinstance(row.session, int) and row.lives and row.name != SMSS:
            first.setdefault(row.session, row)
    return {row.address: session for session, row in first.items() if row.name == CSRSS}
