"""Where the page tables of a Windows kernel begin, found in physical memory alone.

For images in which nobody says where they are.  Three things lead there: the block that starts further processors,
in the lowest megabyte; top tables with an entry for themselves, which every Windows has, wherever they lie; and the
process System, whose name, number and page-table root stand at known places of its _EPROCESS.  What is found is only a
candidate: the identified kernel proves it.

Source: Windows Internals, memory management (the self-map, at 0xC0300000 and 0xC0600000 on x86 and at a chosen entry
on x64); Alex Ionescu, "Getting Physical With USB Type-C" (2017), for PROCESSOR_START_BLOCK; Intel's manual, volume 3,
chapter 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, islice, takewhile
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from process_anatomy.errors import ImageError
from process_anatomy.kernel.identify import SYSTEM_PID, Kernel, identify
from process_anatomy.memory import paging
from process_anatomy.memory.paging import LA57, PAE, X64, X86, Mode
from process_anatomy.memory.physical import PAGE, PhysicalMemory
from process_anatomy.memory.space import Addresses, Octets, among
from process_anatomy.memory.sweep import sweep
from structs import builds
from structs.eprocess import EPROCESS
from structs.layout import Build
from structs.shared_data import KUSER_SHARED_DATA_ADDRESS

LOW_MEMORY = range(0x1000, 0x10_0000, PAGE)
STUB_JUMP = np.uint64(0x0000_0001_0006_00E9), np.uint64(0xFFFF_FFFF_FFFF_00FF)
"""First eight octets of PROCESSOR_START_BLOCK: a jump over its head, and flags; with the bits that never differ."""
STUB_TARGET, STUB_ROOT = 0x70, 0xA0
"""Where that block keeps the kernel's entry point for long mode, and CR3."""
X86_SELF, PAE_SELF = 0x300, 3
"""Index of the self-map: in the page directory, and in the last of the four of PAE."""
WORD = b"System"
NAME = WORD.ljust(15, b"\0")
"""ImageFileName of System, as long as it is compared."""
PROCESS_CONTEXT = 0x1F
"""Bits of a DirectoryTableBase that are no address (the number of a process context)."""
MAJOR_VERSION = 0x26C
"""NtMajorVersion in _KUSER_SHARED_DATA, the same in every Windows."""
MAJOR_VERSIONS = (5, 6, 10)
CANDIDATE_LIMIT = 1 << 12
"""Candidates that are kept of each kind; hostile memory can be full of them."""
TRIED = 24
"""Candidates that a kernel is looked for behind."""


class Root(NamedTuple):
    """A candidate.

    Attributes:
        address: physical, of the top table.
        mode: format of the tables.
        found_by: what led there.
        of_system: the tables are System's, as the kernel needs them; else those of any process.
    """

    address: int
    mode: Mode
    found_by: str
    of_system: bool = False


@dataclass(frozen=True, slots=True)
class SystemPlaces:
    """Where builds of one kind keep what is looked for in System's _EPROCESS, from its ImageFileName on.

    Attributes:
        pointer_size: 4 or 8 bytes.
        number: UniqueProcessId.
        root: DirectoryTableBase.
    """

    pointer_size: int
    number: int
    root: int


@cache
def system_places() -> tuple[SystemPlaces, ...]:
    """Each place that any layout has, once."""
    fields = "ImageFileName", "UniqueProcessId", "DirectoryTableBase"
    found = {
        SystemPlaces(pointer_size, number - here, root - here): None
        for pointer_size, (here, number, root) in builds.offsets(EPROCESS.name, fields)
    }
    return tuple(found)


def find_kernel(memory: PhysicalMemory, isf: Build | None = None, said: int | None = None) -> Kernel | None:
    """The kernel behind the first candidate that proves to have one; ``None`` where none does.

    Args:
        memory: physical memory.
        isf: a layout from the user's own symbol table.
        said: where somebody who reads no tables of five levels took page tables to be; tried first as the top of such.
    """
    wide = [] if said is None else [Root(said, LA57, "what Volatility found")]
    return first_kernel(memory, chain((one for one in wide if shows_windows(memory, one)), roots(memory)), isf)


def kernel_at(memory: PhysicalMemory, root: int, isf: Build | None = None) -> Kernel | None:
    """The kernel behind a root that somebody says, whatever the format of its tables; ``None`` where none is found."""
    told = [Root(root, mode, "what was said") for mode in (X64, PAE, X86, LA57)]
    return first_kernel(memory, sorted(told, key=lambda one: not shows_windows(memory, one)), isf)


def first_kernel(memory: PhysicalMemory, candidates: Iterable[Root], isf: Build | None) -> Kernel | None:
    """The kernel behind the first of these roots that has one.

    One that was identified by another process than System comes last, for its tables may be an old set that still
    maps most of the kernel.
    """
    second_best: Kernel | None = None
    for candidate in islice(candidates, TRIED):
        try:
            kernel = identify(memory, candidate.address, isf, candidate.mode)
        except ImageError:
            continue
        line = f"page tables at {candidate.address:#x} ({candidate.mode.name}) by {candidate.found_by}"
        kernel = replace(kernel, evidence=(line, *kernel.evidence))
        if kernel.view.parse(EPROCESS, kernel.system)["UniqueProcessId"] == SYSTEM_PID:
            return kernel
        second_best = second_best or kernel
    return second_best


def roots(memory: PhysicalMemory) -> Iterator[Root]:
    """Candidates, likeliest first, each as soon as nothing better can follow.

    Those whose tables map the page that Windows shares with everybody come before those that do not; System's own
    before those of any process.
    """
    others: dict[tuple[int, Mode], Root] = {}
    doubtful: dict[tuple[int, Mode], Root] = {}
    given: set[tuple[int, Mode]] = set()
    for candidate in chain(_by_stub(memory), _by_sweep(memory)):
        where = (candidate.address, candidate.mode)
        if where in given or where in doubtful or (where in others and not candidate.of_system):
            continue
        if not shows_windows(memory, candidate):
            doubtful[where] = candidate
        elif candidate.of_system:
            given.add(where)
            yield candidate
        else:
            others[where] = candidate
    yield from (candidate for where, candidate in others.items() if where not in given)
    yield from doubtful.values()


def system_root(memory: PhysicalMemory, end: int) -> Root | None:
    """System's own page tables, where they map the page that Windows shares with everybody; ``None`` where not found.

    Args:
        memory: physical memory.
        end: physical address at which the search for System ends.
    """
    within = (contents for pages, contents in takewhile(lambda step: int(step[0][0]) < end, sweep(memory)))
    systems = islice(chain.from_iterable(_systems(memory, contents) for contents in within), CANDIDATE_LIMIT)
    return next((root for root in chain(_by_stub(memory), systems) if shows_windows(memory, root)), None)


def shows_windows(memory: PhysicalMemory, candidate: Root) -> bool:
    """Whether the tables map the shared page where Windows has it, with a version of Windows in it."""
    at = KUSER_SHARED_DATA_ADDRESS[candidate.mode.pointer_size] + MAJOR_VERSION
    physical, state = paging.translate_one(memory, at, candidate.address, candidate.mode)
    data = memory.read(physical, 4) if state <= paging.READABLE else None
    return data is not None and int.from_bytes(data, "little") in MAJOR_VERSIONS


def _by_stub(memory: PhysicalMemory) -> Iterator[Root]:
    """CR3 in the block that starts further processors of an x64 system."""
    for page in LOW_MEMORY:
        data = memory.read(page, 0x100)
        if data is None:
            continue
        words = np.frombuffer(data, dtype="<u8")
        if words[0] & STUB_JUMP[1] != STUB_JUMP[0]:
            continue
        target, root = int(words[STUB_TARGET // 8]), int(words[STUB_ROOT // 8])
        if target >> 47 == 0x1FFFF and root and not root & 0xFFF and root < memory.end:
            for mode in (X64, LA57):
                yield Root(root, mode, f"the start block of processors at {page:#x}", True)


def _by_sweep(memory: PhysicalMemory) -> Iterator[Root]:
    """Candidates from one pass over all of memory, and for PAE a second."""
    systems = selves = 0
    directories: dict[tuple[int, ...], int] = {}
    for pages, contents in sweep(memory):
        for candidate in _systems(memory, contents) if systems < CANDIDATE_LIMIT else ():
            systems += 1
            yield candidate
        for candidate in _self_maps(pages, contents) if selves < CANDIDATE_LIMIT else ():
            selves += 1
            yield candidate
        if len(directories) < CANDIDATE_LIMIT:
            directories |= _pae_directories(memory, pages, contents)
    if directories:
        yield from _pae_roots(memory, directories)


def _self_maps(pages: Addresses, contents: Octets) -> Iterator[Root]:
    """Pages that are x64 top tables or x86 page directories by their one entry for themselves."""
    entries = _numbers(contents, "<u8")
    upper = entries[:, 256:]
    own = (upper & (paging.FRAME | paging.VALID | paging.LARGE)) == (pages | paging.VALID)[:, None]
    for row in np.flatnonzero((np.count_nonzero(own, axis=1) == 1) & (pages != 0)).tolist():
        for mode in (X64, LA57):
            yield Root(int(pages[row]), mode, "a table that maps itself")
    entries = _numbers(contents, "<u4")
    place = entries[:, X86_SELF].astype(np.uint64)
    own_directory = (place & np.uint64(X86.root_mask | 0x81)) == (pages | paging.VALID)
    for row in np.flatnonzero(own_directory & (pages != 0)).tolist():
        yield Root(int(pages[row]), X86, "a page directory that maps itself")


def _pae_directories(memory: PhysicalMemory, pages: Addresses, contents: Octets) -> dict[tuple[int, ...], int]:
    """Pages that are the last of four page directories, which maps all four: (the four frames) to its address."""
    first = _numbers(contents, "<u8")[:, : PAE_SELF + 1]
    valid = (first & (paging.VALID | paging.LARGE) == paging.VALID).all(axis=1)
    rows = np.flatnonzero(valid & ((first[:, PAE_SELF] & paging.FRAME) == pages))
    found: dict[tuple[int, ...], int] = {}
    for row in rows.tolist():
        frames = tuple(int(entry) for entry in first[row] & paging.FRAME)
        if len(set(frames)) == PAE_SELF + 1 and max(frames) < memory.end:
            found[frames] = int(pages[row])
    return found


def _pae_roots(memory: PhysicalMemory, directories: dict[tuple[int, ...], int]) -> Iterator[Root]:
    """Where the four entries lie that lead to the four page directories of a process."""
    last = np.array(sorted({frames[-1] for frames in directories}), dtype=np.uint64)
    count = 0
    for pages, contents in sweep(memory):
        entries = _numbers(contents, "<u8").reshape(len(pages), -1, PAE_SELF + 1)
        frames = entries & paging.FRAME
        likely = (entries & paging.VALID != 0).all(axis=2) & among(frames[:, :, PAE_SELF], last)
        for row, place in zip(*(index.tolist() for index in np.nonzero(likely)), strict=True):
            if tuple(frames[row, place].tolist()) in directories and count < CANDIDATE_LIMIT:
                at = int(pages[row]) + 8 * (PAE_SELF + 1) * place
                if at != directories[tuple(frames[row, place].tolist())]:  # that one begins with the same entries
                    count += 1
                    yield Root(at, PAE, "page directories that map themselves")


def _systems(memory: PhysicalMemory, contents: Octets) -> Iterator[Root]:
    """Page-table roots of what may be System, by its name and number at the places that layouts have."""
    octets = contents.tobytes()
    at = octets.find(WORD)
    while at >= 0:
        if octets[at : at + len(NAME)] == NAME:
            for places in system_places():
                yield from _root_of(memory, octets, at, places)
        at = octets.find(WORD, at + 1)


def _root_of(memory: PhysicalMemory, octets: bytes, name: int, places: SystemPlaces) -> Iterator[Root]:
    """The page-table root in a process by its name's place, if it has System's number."""
    size = places.pointer_size
    number, root = name + places.number, name + places.root
    if min(number, root) < 0 or max(number, root) + size > len(octets):
        return
    if int.from_bytes(octets[number : number + size], "little") != SYSTEM_PID:
        return
    value = int.from_bytes(octets[root : root + size], "little")
    for mode in (X64, LA57) if size == 8 else (PAE, X86):
        address = value & mode.root_mask
        if address and address < memory.end and not value & ~mode.root_mask & ~PROCESS_CONTEXT:
            yield Root(address, mode, "System's _EPROCESS", True)


def _numbers(contents: Octets, form: str) -> npt.NDArray[np.uint64]:
    numbers: npt.NDArray[np.uint64] = np.ascontiguousarray(contents).view(form)
    return numbers
