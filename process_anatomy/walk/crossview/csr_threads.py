"""CSR_THREADs: what csrss.exe keeps of the threads of each process that it knows."""

from __future__ import annotations

from dataclasses import dataclass

from process_anatomy.absent import Absent
from process_anatomy.filetime import written
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.lists import follow_heads
from process_anatomy.memory.space import Addresses
from process_anatomy.memory.view import Records, addresses_of
from structs.csr import CSR_PROCESS, CSR_THREAD

THREAD_LIMIT = 1 << 10
"""CSR_THREADs of one process that are followed at the most."""


@dataclass(frozen=True, slots=True)
class CsrThread:
    """One CSR_THREAD.  Every fact may be :class:`~process_anatomy.absent.Absent`.

    Attributes:
        address: in csrss.exe's own memory.
        pid: client id, first half.
        tid: client id, second half.
        node: address of the CSR_PROCESS that it says it belongs to.
        handle: of the thread, in csrss.exe's handle table.
        flags: what csrss.exe knows of it.
        create_time: FILETIME.
    """

    address: int
    pid: int | Absent
    tid: int | Absent
    node: int | Absent
    handle: int | Absent
    flags: int | Absent
    create_time: int | Absent


CsrThreads = tuple[tuple[CsrThread, ...], tuple[str, ...]]
"""The threads of one CSR_PROCESS, and what was wrong with their list."""


def csr_threads(kernel: Kernel, records: Records, tables: Addresses) -> list[CsrThreads]:
    """The CSR_THREADs of each node, with what was wrong with their lists.

    Args:
        kernel: the kernel.
        records: CSR_PROCESSes.
        tables: page-table root that each is read through.
    """
    inside = kernel.build[CSR_THREAD].offset("Link")
    heads = records.addresses + addresses_of([kernel.build[CSR_PROCESS].offset("ThreadList")])
    rings = follow_heads(kernel.space, heads, THREAD_LIMIT, tables)
    links = [
        (row, link) for row, ring in enumerate(rings) for link in ring.links if inside <= link < kernel.system_start
    ]
    owners = [row for row, _ in links]
    threads = kernel.view.records(
        CSR_THREAD, addresses_of([link - inside for _, link in links]), tables[owners] if links else tables[:0]
    )
    fields = ("UniqueProcess", "UniqueThread", "Process", "ThreadHandle", "Flags", "CreateTime")
    columns = [threads.values(field) for field in fields]
    columns[-1] = [written(value) for value in columns[-1]]
    found: list[list[CsrThread]] = [[] for _ in rings]
    for (row, link), *facts in zip(links, *columns, strict=True):
        found[row].append(CsrThread(link - inside, *facts))
    return [
        (tuple(own), tuple(f"its threads: {problem}" for problem in ring.problems))
        for own, ring in zip(found, rings, strict=True)
    ]
