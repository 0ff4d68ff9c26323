"""Pages: what the page tables of each process hold, compared with what its VADs allow.

A VAD keeps the protection that a range was made with; the page tables say what the processor lets through now.  Both
are read, and where the tables give more, or hold pages of no VAD, the rows say so.

Source: Intel's manual, volume 3, chapter 4; Windows Internals, memory management; _MMPTE_HARDWARE.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.space import Addresses
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.address_space.page_comparison import Comparison
from process_anatomy.walk.address_space.page_entries import ENTRY_LIMIT, entries_of, software_of
from process_anatomy.walk.address_space.page_row import PageRow
from process_anatomy.walk.address_space.sections import Section
from process_anatomy.walk.address_space.vads import Vad
from process_anatomy.walk.processes.listed import Process

TOTAL_LIMIT = 1 << 26
"""Entries of all processes together."""
GROUP = 64
"""Processes whose page tables are walked and compared at once."""
GROUP_LIMIT = 1 << 21
"""Entries of such a group at the most; processes with more are taken one by one."""


@dataclass(frozen=True, slots=True)
class PageTable:
    """The pages of some processes.

    Attributes:
        rows: in the order of the processes, each process's ranges by address.
        problems: what has no row to say it, one line each.
        broken: by address, the processes whose page tables cannot be taken for what they were; with the reason as a
            clause.
    """

    rows: tuple[PageRow, ...]
    problems: tuple[str, ...]
    broken: Mapping[int, str] = field(default_factory=dict)


def pages(
    kernel: Kernel,
    processes: Sequence[Process],
    vads: Sequence[Vad],
    names: Sequence[tuple[str, ...]],
    backing: Sequence[Section],
) -> PageTable:
    """The pages of these processes, compared with their VADs.

    Args:
        kernel: the kernel.
        processes: the processes.
        vads: their VADs.
        names: what each VAD is used for.
        backing: the section behind each VAD.
    """
    space = kernel.space
    if not isinstance(space, AddressSpace):
        return PageTable((), ("the processes' own memory is not in a small dump",))
    own: dict[int, list[int]] = {}
    for number, vad in enumerate(vads):
        own.setdefault(vad.process.address, []).append(number)
    problems: list[str] = []
    broken: dict[int, str] = {}
    walked: list[Process] = []
    for process in processes:
        if isinstance(process.exit_time, int) and process.address not in own:
            continue  # its tables went with its last VAD, and their frame may be another's by now
        if isinstance(process.dtb, int):
            walked.append(process)
        else:
            problems.append(f"process {process.pid}: its page tables are not known ({process.dtb})")
            broken[process.address] = f"its page tables are not known ({process.dtb})"
    software_of(space).learn(_roots(walked))
    rows: list[PageRow] = []
    budget = TOTAL_LIMIT
    pending = [walked[first : first + GROUP] for first in range(0, len(walked), GROUP)][::-1]
    while pending:
        group = pending.pop()
        limit = GROUP_LIMIT if len(group) > 1 else max(min(ENTRY_LIMIT, budget), 1)
        entries = entries_of(space, _roots(group), limit)
        if entries.cut and len(group) > 1:
            pending += [[process] for process in reversed(group)]
            continue
        budget -= len(entries.place)
        if entries.cut:
            broken[group[0].address] = "its page tables hold more entries than are read"
        for number in entries.looped:
            broken[group[number].address] = "its page tables loop: one of them was reached twice"
        for process in group:
            if process.address in broken:
                problems.append(f"process {process.pid}: {broken[process.address]}")
            elif space.memory.read(int(process.dtb), 8) is None:  # type: ignore[arg-type]  # walked ones have a root
                broken[process.address] = "its page tables could not be read"
        mine = [number for process in group for number in own.get(process.address, ())]
        compared = Comparison(
            space, group, [vads[n] for n in mine], [names[n] for n in mine], [backing[n] for n in mine], entries
        )
        rows += compared.rows()
        problems += compared.problems
    return PageTable(tuple(rows), tuple(problems), broken)


def _roots(processes: Sequence[Process]) -> Addresses:
    return addresses_of([p.dtb for p in processes if isinstance(p.dtb, int)])
