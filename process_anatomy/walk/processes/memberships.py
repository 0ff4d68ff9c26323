"""Sessions and jobs: the lists on which the kernel keeps the processes of each, followed from their own heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.lists import follow_heads
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.processes.listed import Process
from structs.eprocess import EPROCESS
from structs.job import EJOB
from structs.layout import Layout
from structs.session import MM_SESSION_SPACE

MEMBERS = 1 << 16
"""Processes of one session or job at the most."""


@dataclass(frozen=True, slots=True)
class Membership:
    """Which processes the lists of one kind of group hold.

    Attributes:
        group: by the address of a process, that of its group, or why it has none.
        members: by the address of a group, those of the processes on its list, or why the list cannot be told.
        broken: groups whose list did not close, with what was wrong.
    """

    group: dict[int, int | Absent]
    members: dict[int, frozenset[int] | Absent]
    broken: dict[int, tuple[str, ...]]

    @property
    def everyone(self) -> frozenset[int]:
        """Addresses of all processes on any list."""
        return frozenset[int]().union(*(m for m in self.members.values() if not isinstance(m, Absent)))

    def holds(self, process: int) -> bool | Absent:
        """Whether its group's list holds a process; not applicable for one without a group."""
        group = self.group.get(process, NOT_APPLICABLE)
        if isinstance(group, Absent):
            return group
        members = self.members[group]
        return members if isinstance(members, Absent) else process in members


def session_lists(kernel: Kernel, processes: Sequence[Process]) -> Membership:
    """The processes that each session lists."""
    return _lists(kernel, processes, "Session", MM_SESSION_SPACE, "ProcessList", "SessionProcessLinks")


def job_lists(kernel: Kernel, processes: Sequence[Process]) -> Membership:
    """The processes that each job lists."""
    return _lists(kernel, processes, "Job", EJOB, "ProcessListHead", "JobLinks")


def _lists(
    kernel: Kernel, processes: Sequence[Process], pointer: str, layout: Layout, head: str, link: str
) -> Membership:
    """Follow the list of each group that a process points at.

    Args:
        kernel: the kernel.
        processes: whose groups are followed.
        pointer: field of a process that names its group.
        layout: the group's declaration.
        head: field of the group with the head of its list.
        link: field of a process with its link in that list.
    """
    structure = kernel.build[EPROCESS]
    records = kernel.view.records(EPROCESS, addresses_of([row.address for row in processes]))
    group: dict[int, int | Absent] = {}
    roots: dict[int, int] = {}
    for row, value in zip(processes, records.values(pointer), strict=True):
        if isinstance(value, Absent) or value == 0:
            group[row.address] = NOT_APPLICABLE if value == 0 else value
        elif value < kernel.system_start or value % kernel.build.pointer_size:
            group[row.address] = Absent(Kind.IMPLAUSIBLE, f"{layout.name} at {value:#x}, which is no kernel address")
        else:
            group[row.address] = value
            if isinstance(row.dtb, int) and row.dtb and isinstance(row.exit_time, Absent):
                roots.setdefault(value, row.dtb)
    groups = sorted({value for value in group.values() if isinstance(value, int)})
    if layout not in kernel.build or head not in kernel.build[layout] or link not in structure:
        gone = Absent(Kind.NOT_IN_BUILD, f"{layout.name}.{head} is not in the layout of build {kernel.build.name}")
        return Membership(group, dict.fromkeys(groups, gone), {})
    inside, back = kernel.build[layout].offset(head), structure.offset(link)
    heads = addresses_of([value + inside for value in groups])
    tables = addresses_of([roots.get(value, _own_root(kernel)) for value in groups])
    rings = follow_heads(kernel.space, heads, MEMBERS, tables)
    members: dict[int, frozenset[int] | Absent] = {}
    broken: dict[int, tuple[str, ...]] = {}
    for value, ring in zip(groups, rings, strict=True):
        found = frozenset(at - back for at in ring.links if at >= kernel.system_start)
        if not found and ring.problems:
            members[value] = Absent(Kind.UNREADABLE, f"the list of {layout.name} at {value:#x}: {ring.problems[0]}")
        else:
            members[value] = found
            if ring.problems:
                broken[value] = tuple(ring.problems)
    return Membership(group, members, broken)


def _own_root(kernel: Kernel) -> int:
    return int(getattr(kernel.space, "root", 0))
