"""Kin: which process an id meant when a child was made; ids are used again, so the times decide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.kernel.identify import SYSTEM_PID
from process_anatomy.walk.processes.listed import Process


@dataclass(frozen=True, slots=True)
class Relative:
    """The parent or the creator of a process.

    Attributes:
        pid: its id.
        process: the process, ``None`` where it cannot be found or cannot be the one.
        state: ``alive``, ``ended``, ``newer`` (a later process has that id), ``not found``, ``none`` or ``unknown``
            (with a process: the time of its end is none).
    """

    pid: int | Absent
    process: Process | None
    state: str

    @property
    def name(self) -> str | Absent:
        """Its name, not applicable where it is not known."""
        return self.process.name if self.process else NOT_APPLICABLE


class Kin:
    """Every process of an image by its id.

    Args:
        processes: all of them, ended ones too.
    """

    def __init__(self, processes: Iterable[Process]) -> None:
        self._by_pid: dict[int, list[Process]] = {}
        for process in processes:
            if isinstance(process.pid, int):
                self._by_pid.setdefault(process.pid, []).append(process)

    def relative(self, pid: int | Absent, child: Process) -> Relative:
        """The process that an id named when a child of it was made.

        System keeps its id as long as Windows runs; some of its children say that they are older.
        """
        if isinstance(pid, Absent):
            return Relative(pid, None, "none" if pid == NOT_APPLICABLE else "unknown")
        if pid == 0:
            return Relative(pid, None, "none")
        candidates = [p for p in self._by_pid.get(pid, ()) if p.address != child.address]
        before = candidates if pid == SYSTEM_PID else [p for p in candidates if not _younger(p, child)]
        if not before:
            return Relative(pid, None, "newer" if candidates else "not found")
        found = max(before, key=lambda p: p.create_time if isinstance(p.create_time, int) else 0)
        if found.exit_time == NOT_APPLICABLE:
            return Relative(pid, found, "alive")
        return Relative(pid, found, "ended" if isinstance(found.exit_time, int) else "unknown")


def _younger(process: Process, child: Process) -> bool:
    """Whether both times are known, and a process is younger than what is said to be its child."""
    made, born = process.create_time, child.create_time
    return isinstance(made, int) and isinstance(born, int) and made > born
