"""Where each csrss.exe keeps the head of its ring of CSR_PROCESSes, found without symbols.

csrsrv.dll's variable CsrRootProcess points to csrss.exe's own CSR_PROCESS.  Each number in the library's writable data
that may be an address of the heap is followed; what it leads to is believed only where it is csrss.exe's own entry, or
where it belongs to a ring whose ids are those of processes.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np

from process_anatomy.absent import Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.image import PeImage
from process_anatomy.kernel.lists import follow_heads
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Addresses, among
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.address_space.vads import Vad, VadTable, vads
from process_anatomy.walk.processes.listed import Process
from process_anatomy.walk.program.loader import LoaderTable, loader_entries
from structs.csr import CSR_PROCESS

PROGRAM, LIBRARY = "csrss.exe", "csrsrv.dll"
SERVER_LIMIT = 64
"""Processes named csrss.exe that are looked into; there is one for each session."""
PAGE_LIMIT = 1 << 10
"""Pages of the library that are searched; it has some five of data, and twenty in all."""
SECTION_LIMIT = 32
LOWEST_HEAP = 0x10000
HEAP_UNIT = 8
"""Addresses of a 32-bit heap's blocks are multiples of it, those of a 64-bit one of twice as many."""
WRITABLE = 0x80000000
RING_LIMIT = 1 << 12
CANDIDATE_LIMIT = 64
"""Pointers that look like a CSR_PROCESS, of which the rings are followed."""


def own_handle(kernel: Kernel) -> int:
    """The handle by which every process means itself: all bits set, as many as a pointer has."""
    return (1 << 8 * kernel.build.pointer_size) - 1


@dataclass(frozen=True, slots=True)
class CsrRoot:
    """A process named csrss.exe, and where its ring begins.

    Attributes:
        process: the process.
        library: address of csrsrv.dll in it, or why it is not there.
        variable: address of CsrRootProcess, or why it was not found.
        node: the CSR_PROCESS that it points to, absent with it.
        proof: what made it believed, in words; empty where nothing was found.
        problems: what is odd or could not be read, one line each.
    """

    process: Process
    library: int | Absent
    variable: int | Absent
    node: int | Absent
    proof: str
    problems: tuple[str, ...]


def csr_roots(kernel: Kernel, everyone: Sequence[Process]) -> tuple[CsrRoot, ...]:
    """Every process named csrss.exe that runs, with where its ring begins."""
    named = [p for p in everyone if isinstance(p.name, str) and p.name.lower() == PROGRAM]
    servers = [p for p in named if isinstance(p.exit_time, Absent)][:SERVER_LIMIT]
    known = frozenset(p.pid for p in everyone if isinstance(p.pid, int))
    trees = vads(kernel, servers)
    ranges = {process.address: _mapped(process, trees) for process in servers}
    rest = [process for process in servers if ranges[process.address] is None]
    listed = loader_entries(kernel, rest) if rest else None
    return tuple(
        _root(
            kernel,
            process,
            ranges[process.address] or (_loaded(process, listed, trees) if listed is not None else None),
            trees.broken,
            known,
        )
        for process in servers
    )


def _mapped(process: Process, trees: VadTable) -> tuple[int, int] | None:
    """First and last address of the library by the VADs, which name the file that is mapped."""
    vad = next((row for row in trees.rows if row.process is process and _is_library(row)), None)
    if vad is None or not isinstance(vad.start, int) or not isinstance(vad.end, int):
        return None
    return vad.start, vad.end


def _loaded(process: Process, listed: LoaderTable, trees: VadTable) -> tuple[int, int] | None:
    """First and last address of the library by the loader's list, where no VAD names it.

    The list is the process's own memory, so what it says must lie in one range of the process, if its VADs are known.
    """
    for entry in listed.entries:
        if entry.process is not process or not isinstance(entry.name, str) or entry.name.lower() != LIBRARY:
            continue
        if not isinstance(entry.base, int) or not isinstance(entry.size, int) or entry.base % PAGE or not entry.size:
            continue
        last = entry.base + min(entry.size, PAGE_LIMIT * PAGE) - 1
        own = [row for row in trees.rows if row.process is process]
        ranges = [(row.start, row.end) for row in own if isinstance(row.start, int) and isinstance(row.end, int)]
        if process.address in trees.broken or any(start <= entry.base and last <= end for start, end in ranges):
            return entry.base, last
    return None


def _root(
    kernel: Kernel, process: Process, library: tuple[int, int] | None, broken: Container[int], known: frozenset[int]
) -> CsrRoot:
    if library is None:
        why = "neither its VADs nor its loader's list name it"
        if process.address in broken:
            why = "its VAD tree could not be read whole, and its loader's list does not name it"
        return _gone(process, Absent(Kind.IMPLAUSIBLE, f"{LIBRARY} is not mapped, as far as can be told: {why}"))
    start, end = library
    space = kernel.space
    if isinstance(process.dtb, Absent) or not isinstance(space, AddressSpace):
        return _gone(process, Absent(Kind.UNREADABLE, f"its page tables are not known: {process.dtb}"), start)
    own = space.through(process.dtb)
    pages = _data_pages(own, start, end)
    data, there = own.read_many(pages, PAGE)
    size = kernel.build.pointer_size
    values = data.view(f"<u{size}").reshape(-1).astype(np.uint64)
    places = (pages[:, None] + np.arange(PAGE // size, dtype=np.uint64) * np.uint64(size)).reshape(-1)
    likely = (values >= np.uint64(LOWEST_HEAP)) & (values < np.uint64(kernel.system_start))
    likely &= values % np.uint64(HEAP_UNIT) == 0
    likely &= (values < np.uint64(start)) | (values > np.uint64(end))
    found = _best(kernel, process, values[likely], places[likely], known)
    if found is not None:
        return CsrRoot(process, start, *found, ())
    missing = int((~there).sum())
    reason = f"no pointer in the writable data of {LIBRARY} leads to a CSR_PROCESS"
    if missing:
        why = own.why(int(pages[~there][0]), PAGE)
        reason += f"; {missing} of its {len(pages)} pages cannot be read ({why})"
    elif likely.any():
        reason += "; what it points to may not be in memory"
    return _gone(process, Absent(Kind.UNREADABLE, reason), start)


def _gone(process: Process, reason: Absent, library: int | Absent | None = None) -> CsrRoot:
    return CsrRoot(process, reason if library is None else library, reason, reason, "", (str(reason),))


def _is_library(row: Vad) -> bool:
    return (
        row.vad_type == "VadImageMap" and isinstance(row.file, str) and row.file.lower().rsplit("\\", 1)[-1] == LIBRARY
    )


def _data_pages(own: AddressSpace, start: int, end: int) -> Addresses:
    """The pages of the library that may be written; all of it where its header cannot be read."""
    ranges = list(_writable(own, start)) or [(start, end + 1)]
    pages = chain.from_iterable(range(first, min(last, end + 1), PAGE) for first, last in ranges)
    return addresses_of(list(islice(pages, PAGE_LIMIT)))  # a range may claim all of user space


def _writable(own: AddressSpace, base: int) -> Iterator[tuple[int, int]]:
    """The writable sections that the header tells of."""
    try:
        image = PeImage(own, base)
    except ValueError:
        return
    for section in image.pe.sections[:SECTION_LIMIT]:
        if section.Characteristics & WRITABLE and section.Misc_VirtualSize:
            first = base + section.VirtualAddress // PAGE * PAGE
            yield first, base + section.VirtualAddress + min(section.Misc_VirtualSize, PAGE_LIMIT * PAGE)


def _best(
    kernel: Kernel, process: Process, values: Addresses, places: Addresses, known: frozenset[int]
) -> tuple[int, int, str] | None:
    """The pointer that leads to csrss.exe's own CSR_PROCESS: its place, the node, and what proves it."""
    root = int(process.dtb) if isinstance(process.dtb, int) else 0
    records = kernel.view.records(CSR_PROCESS, values, np.full(len(values), root, dtype=np.uint64))
    pids, links = records.array("UniqueProcess"), records.array("ListLink")
    own = np.array([process.pid if isinstance(process.pid, int) else 0], dtype=np.uint64)
    itself = (pids == own) & (records.array("ProcessHandle") == np.uint64(own_handle(kernel)))
    linked = _pointed_back(kernel, records.structure.offset("ListLink"), values, links, root)
    believed = np.flatnonzero(linked & (itself | among(pids, addresses_of(sorted(known)))))
    best: tuple[tuple[bool, bool, int], tuple[int, int, str]] | None = None
    order = sorted(believed.tolist(), key=lambda row: not itself[row])[:CANDIDATE_LIMIT]
    heads = addresses_of([int(values[row]) + records.structure.offset("ListLink") for row in order])
    rings = follow_heads(kernel.space, heads, RING_LIMIT, np.full(len(heads), root, dtype=np.uint64))
    for row, ring in zip(order, rings, strict=True):
        nodes = addresses_of(
            [link - records.structure.offset("ListLink") for link in ring.links if link < kernel.system_start]
        )
        ids = kernel.view.records(CSR_PROCESS, nodes, np.full(len(nodes), root, dtype=np.uint64)).array("UniqueProcess")
        processes = {int(pid) for pid in ids.tolist() if pid in known}
        if not itself[row] and 2 * len(processes) < len(nodes) + 1:
            continue
        if not itself[row] and len(processes) < 2:
            continue
        proof = "it is csrss.exe's own entry" if itself[row] else "the ring holds ids of processes"
        score = bool(itself[row]), int(pids[row]) == process.pid, len(processes)
        if best is None or score > best[0]:
            best = score, (int(places[row]), int(values[row]), f"{proof}, {len(processes)} others are in its ring")
    return best[1] if best is not None else None


def _pointed_back(
    kernel: Kernel, inside: int, nodes: Addresses, links: np.ndarray[tuple[int], np.dtype[np.void]], root: int
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether a neighbour of each node points back to it; one is enough, for the other may not be in memory."""
    if not len(nodes) or not isinstance(kernel.space, AddressSpace):
        return np.zeros(len(nodes), dtype=np.bool_)
    here = nodes + np.uint64(inside)
    found = np.zeros(len(nodes), dtype=np.bool_)
    roots = np.full(len(nodes), root, dtype=np.uint64)
    size = kernel.build.pointer_size
    for way, back in (("Flink", size), ("Blink", 0)):
        neighbour = links[way].astype(np.uint64)
        user = (neighbour >= np.uint64(LOWEST_HEAP)) & (neighbour < np.uint64(kernel.system_start))
        data, there = kernel.space.read_many(np.where(user, neighbour + np.uint64(back), np.uint64(0)), size, roots)
        found |= user & there & (data.view(f"<u{size}").reshape(-1) == here)
    return found
