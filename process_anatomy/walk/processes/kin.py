"""Kin: which process an id meant when a child was made; ids are used again, so the order of creation decides.

Three witnesses tell which of two processes is older.  SequenceNumber counts the processes that were made, and alone
decides where it is credible.  The active list has each process behind those that were there before it.  Times come
from a clock that can be set back, and are believed against nobody: where they contradict the list, the relative stays
what its id says, in doubt.
Source: Russinovich, Solomon and Ionescu, "Windows Internals", part 1, chapter 3 (flow of CreateProcess, stage 3D: the
new process is inserted at the end of the list of active processes).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.kernel.identify import SYSTEM_PID
from process_anatomy.kernel.lists import DIRECTIONS
from process_anatomy.walk.processes.listed import Process

IN_ORDER = 0.9
"""Part of neighbours on the list whose sequence numbers must rise with it, for the numbers to be believed."""
COMPARED = 4
"""Neighbours that must be compared for that."""
NEWER, OLDER = "newer", "older"


@dataclass(frozen=True, slots=True)
class Relative:
    """The parent or the creator of a process.

    Attributes:
        pid: its id.
        process: the process, ``None`` where it cannot be found or cannot be the one.
        state: ``alive``, ``ended``, ``newer`` (a later process has that id), ``not found``, ``none`` or ``unknown``
            (the id is, or who has it: the list of processes is not whole; with a process: the time of its end is none).
        doubt: why it may be another process all the same, or may not be another, in words; empty where nothing
            speaks for that.
    """

    pid: int | Absent
    process: Process | None
    state: str
    doubt: str = ""

    @property
    def name(self) -> str | Absent:
        """Its name, not applicable where it is not known."""
        return self.process.name if self.process else NOT_APPLICABLE


class Kin:
    """Every process of an image by its id.

    Args:
        processes: all of them, ended ones too, those of the active list in its order.
        cut: there may be more, which the list did not reach.
    """

    def __init__(self, processes: Iterable[Process], cut: bool = False) -> None:
        everyone = tuple(processes)
        self.cut = cut
        self._by_pid: dict[int, list[Process]] = {}
        for process in everyone:
            if isinstance(process.pid, int):
                self._by_pid.setdefault(process.pid, []).append(process)
        both = [process for process in everyone if set(process.seen_by) == set(DIRECTIONS)]
        self._places = {process.address: place for place, process in enumerate(both)}
        self._sequences = _credible(everyone, both)

    def relative(self, pid: int | Absent, child: Process) -> Relative:
        """The process that an id named when a child of it was made.

        System keeps its id as long as Windows runs; some of its children say that they are older.
        """
        if isinstance(pid, Absent):
            return Relative(pid, None, "none" if pid == NOT_APPLICABLE else "unknown")
        if pid == 0:
            return Relative(pid, None, "none")
        candidates = [p for p in self._by_pid.get(pid, ()) if p.address != child.address]
        if pid == SYSTEM_PID:
            judged = [(p, OLDER, "") for p in candidates]
        else:
            judged = [(p, *self._against(p, child)) for p in candidates]
        before = [(p, doubt) for p, age, doubt in judged if age != NEWER]
        if not before:
            if judged:
                return Relative(pid, None, "newer", next((doubt for _, _, doubt in judged if doubt), ""))
            return Relative(pid, None, "unknown" if self.cut else "not found")
        found, doubt = max(before, key=lambda each: self._age(each[0]))
        if found.exit_time == NOT_APPLICABLE:
            return Relative(pid, found, "alive", doubt)
        return Relative(pid, found, "ended" if isinstance(found.exit_time, int) else "unknown", doubt)

    def _age(self, process: Process) -> tuple[int, int, int]:
        """What is higher the later a process was made."""
        made = process.create_time
        return (
            self._sequences.get(process.address, 0),
            self._places.get(process.address, -1),
            made if isinstance(made, int) else 0,
        )

    def _against(self, process: Process, child: Process) -> tuple[str, str]:
        """Whether a process is older or newer than its child, empty where nothing tells; and what is doubtful in that.

        Nothing that is absent decides anything.
        """
        numbers = [self._sequences.get(each.address) for each in (process, child)]
        if None not in numbers:
            return _compared(numbers), ""
        listed = _compared([self._places.get(each.address) for each in (process, child)])
        clock = _compared([each.create_time for each in (process, child)])
        if clock == NEWER and listed == OLDER:
            return OLDER, "by the times it is newer than its child, but the list of processes has it before it"
        if clock == NEWER:
            return NEWER, "" if listed else "only the times tell"
        if listed == NEWER:
            return clock, "the list of processes has it behind its child, but the times do not say that it is newer"
        return clock or listed, ""


def _compared(values: Sequence[object]) -> str:
    """Which the first of two values makes a process, against the second; empty where they do not tell."""
    first, second = values
    if not isinstance(first, int) or not isinstance(second, int) or first == second:
        return ""
    return NEWER if first > second else OLDER


def _credible(everyone: Sequence[Process], listed: Sequence[Process]) -> dict[int, int]:
    """Sequence numbers by address of the process; none where they do not count processes.

    They are believed where no two are the same and they rise with the list, in whose order processes are made.
    """
    known = {p.address: p.sequence for p in everyone if isinstance(p.sequence, int) and p.sequence > 0}
    if len(set(known.values())) != len(known):
        return {}
    row = [known[p.address] for p in listed if p.address in known]
    rising = sum(first < second for first, second in pairwise(row))
    if len(row) <= COMPARED or rising < IN_ORDER * (len(row) - 1):
        return {}
    return known
