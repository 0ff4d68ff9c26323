"""The table of client ids: the processes and threads in it, and which of them the active list does not hold.

This is the cheapest of the views, which every table of processes asks; the others are in
:mod:`process_anatomy.walk.crossview.sightings`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from process_anatomy.absent import Absent
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.objects import object_headers
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.space import Addresses, Octets, among
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.handles.tables import CidTable, cid_table
from process_anatomy.walk.processes.listed import Process, ProcessTable, read_processes
from process_anatomy.walk.processes.objects_in_memory import LOCK_MASK, PROCESS, THREAD, proved
from structs.eprocess import EPROCESS

CID = "CID"
"""The column of this view."""


@dataclass(frozen=True, slots=True)
class Ids:
    """The processes and threads in the table of client ids.

    Attributes:
        processes: address of a process to the ids that the table has for it.
        threads: addresses of threads.
        absent: why there is no table, else ``None``.
        broken: parts of the table could not be read.
        problems: what is odd or could not be read, one line each.
        lost: addresses of processes whose ids belong to a page of the table that has nothing of what it should hold.
    """

    processes: dict[int, tuple[int, ...]]
    threads: frozenset[int]
    absent: Absent | None
    broken: bool
    problems: tuple[str, ...]
    lost: frozenset[int] = frozenset()


def beside_the_list(kernel: Kernel, listed: ProcessTable) -> tuple[Process, ...]:
    """Processes that run and that the table of client ids holds, but the active list does not.

    Who took itself out of the table too is found by all views together only.
    """
    if not isinstance(kernel.space, AddressSpace):
        return ()
    table = cid_table(kernel, listed.rows)
    known = [row.address for row in listed.rows]
    others = ~among(table.entries.object, addresses_of(known))
    if not (others & (_kinds(kernel, table.entries.object) != THREAD.number)).any():
        return ()  # all but threads are on the list; what type the headers tell need not be asked
    rows = read_unlisted(kernel, processes_at(kernel, known, {CID: client_ids(kernel, table).processes.keys()}, {}))
    return tuple(row for row in rows if row.lives)


def client_ids(kernel: Kernel, table: CidTable) -> Ids:
    """The table of client ids, its entries told apart by what they lead to."""
    if isinstance(table.address, Absent):
        return Ids({}, frozenset(), table.address, True, table.problems)
    bodies = table.entries.object
    headers = object_headers(kernel, bodies)
    kinds = _kinds(kernel, bodies)
    untold = headers.index < 0
    process = headers.are("Process") | (untold & (kinds == PROCESS.number))
    thread = headers.are("Thread") | (untold & (kinds == THREAD.number))
    ids: dict[int, list[int]] = {}
    for value, address in zip(table.entries.value[process].tolist(), bodies[process].tolist(), strict=True):
        ids.setdefault(address, []).append(value)
    problems, broken = list(table.problems), bool(table.problems)
    rest = int(np.count_nonzero(~process & ~thread))
    if rest:
        problems.append(f"the table of ids has {rest} entries that lead to no process and no thread")
    return Ids(
        {at: tuple(v) for at, v in ids.items()}, frozenset(bodies[thread].tolist()), None, broken, tuple(problems)
    )


def _kinds(kernel: Kernel, bodies: Addresses) -> Octets:
    """What the dispatcher header of each object says that it is; 0 where it cannot be read."""
    place = kernel.build[EPROCESS].place("HeaderType")
    data, there = kernel.space.read_many(bodies + np.uint64(place.offset), 1)
    return np.where(there, data[:, 0] & LOCK_MASK, 0).astype(np.uint8)


def processes_at(
    kernel: Kernel, known: Sequence[int], found: Mapping[str, Iterable[int]], unproved: dict[int, str]
) -> list[int]:
    """Addresses of processes that are not known yet, in order; what is none is noted with the view that named it."""
    views: dict[int, str] = {}
    for view, addresses in found.items():
        for address in sorted(addresses):
            views.setdefault(address, view)
    new = sorted(views.keys() - set(known))
    good = proved(kernel, addresses_of(new)).tolist() if new else []
    unproved.update({at: views[at] for at, fine in zip(new, good, strict=True) if not fine})
    return [at for at, fine in zip(new, good, strict=True) if fine]


def read_unlisted(kernel: Kernel, addresses: Sequence[int]) -> list[Process]:
    """Processes that the active list does not reach."""
    return read_processes(kernel, list(addresses), [()] * len(addresses), [[] for _ in addresses])
