"""Whether page files that somebody gave belong to this memory.

A page file has no signature of its own.  But some of what it holds is known beforehand: the block of a process tells
where its program is mapped, as the kernel does, and the block of a thread tells its own address.  Where such a block
lies in a page file by its page-table entry, the file must have it there; one of another machine, or of another time,
does not.  The kernel's own list of page files tells the number of pages besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from process_anatomy.kernel.kernel import Kernel
from process_anatomy.kernel.lists import follow, follow_heads
from process_anatomy.kernel.paging_files import paging_files
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.page_files import PageFiles
from process_anatomy.memory.paging import PageState
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Addresses, Mask
from process_anatomy.memory.view import addresses_of
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.layout import Build
from structs.peb import PEB
from structs.teb import TEB

FIELDS = (
    (EPROCESS, {"ActiveProcessLinks", "DirectoryTableBase", "Peb", "SectionBaseAddress", "ThreadListHead"}),
    (ETHREAD, {"Teb", "ThreadListEntry"}),
    (PEB, {"ImageBaseAddress"}),
    (TEB, {"Self"}),
)
"""What is looked at of each structure."""
THREADS = 64
"""Threads of a process at the most whose blocks are looked at."""
TRIED = 256
"""Blocks of one page file at the most that are read."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be said of the page files that were given.

    Attributes:
        evidence: what speaks for them, one line each.
        doubts: what whoever reads the rows has to know of them, one line each.
    """

    evidence: tuple[str, ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """Words of processes' own memory whose values are known beforehand.

    Attributes:
        addresses: of each.
        values: what must be there.
        roots: page-table root of each process.
    """

    addresses: Addresses
    values: Addresses
    roots: Addresses

    def only(self, chosen: Mask) -> Known:
        """Some of them."""
        return Known(self.addresses[chosen], self.values[chosen], self.roots[chosen])


def check_page_files(kernel: Kernel, names: Mapping[int, str]) -> Told:
    """Look at the page files that a kernel's memory was given; those that do not belong to it are refused.

    Args:
        kernel: the kernel.
        names: number of each page file to what it is called when it is spoken of.
    """
    space = kernel.space
    if not isinstance(space, AddressSpace) or not isinstance(space.memory, PageFiles):
        return Told((), ())
    files = space.memory
    evidence: list[str] = []
    doubts: list[str] = []
    told = _counts(kernel, files, names)
    for number in sorted(names.keys() & files.files.keys()):
        name = f"page file {number} ({names[number]})"
        own = paging_files(kernel).get(number)
        if own is not None and own.store:
            files.refuse(number, "that number stands for the compression store")
            doubts.append(f"{name} is not read: by the kernel's list that number stands for the compression store")
            continue
        if own is not None:
            evidence.append(f"{name} is {own.name} by the kernel's list of page files")
        tried, right = told[number]
        if tried and not right:
            why = f"it is of another machine or time: of {tried} blocks of processes and threads in it none is right"
            files.refuse(number, why)
            doubts.append(f"{name} is not read: {why}")
            continue
        if tried:
            evidence.append(f"{name} has {right} of {tried} blocks of processes and threads that must be in it")
        else:
            doubts.append(f"{name}: nothing in it tells whether it belongs to this image")
        pages = files.files[number].end // PAGE
        if own is not None and pages != own.pages:
            doubts.append(f"{name} has {pages} pages, where the kernel had {own.pages} in it")
    space.forget()
    return Told(tuple(evidence), tuple(doubts))


def _counts(kernel: Kernel, files: PageFiles, names: Mapping[int, str]) -> dict[int, tuple[int, int]]:
    """Number of a page file to how many known words that lie in it could be read, and how many are right."""
    known, number = _in_files(kernel)
    found: dict[int, tuple[int, int]] = {}
    for file in names:
        some = known.only(number == file)
        some = some.only(np.arange(len(some.addresses)) < TRIED)
        width = kernel.space.pointer_size
        octets, there = kernel.space.read_many(some.addresses, width, some.roots)
        right = there & (octets.reshape(-1).view(f"<u{width}").astype(np.uint64) == some.values)
        found[file] = int(there.sum()), int(right.sum())
    return found


def _in_files(kernel: Kernel) -> tuple[Known, Addresses]:
    """The known words whose pages are in page files, and the number of each one's page file."""
    space, known = kernel.space, _known(kernel)
    assert isinstance(space, AddressSpace)
    software = space.software
    if software is None:
        return known.only(np.zeros(len(known.addresses), dtype=np.bool_)), addresses_of([])
    software.learn(known.roots)
    told = space.translate(known.addresses, known.roots)
    plain, certain = software.plain(told.entry)
    chosen = (told.state == PageState.PAGEFILE) & certain & (software.format.page.of(plain) != 0)
    chosen &= ~software.keys(plain)[1]
    return known.only(chosen), software.format.file.of(plain)[chosen]


def _known(kernel: Kernel) -> Known:
    """Where each process's block has the place of its program, and each thread's block its own address."""
    build, view = kernel.build, kernel.view
    if not _placed(build):
        nothing = addresses_of([])
        return Known(nothing, nothing, nothing)
    link = build[EPROCESS].offset("ActiveProcessLinks")
    ring = follow(
        kernel.space, kernel.system + link, lambda at: "" if at % kernel.space.pointer_size == 0 else "is none"
    )
    processes = addresses_of([at - link for at in ring.links if not kernel.inside(at)])
    records = view.records(EPROCESS, processes)
    roots = addresses_of([kernel.root_in(int(dtb)) for dtb in records.array("DirectoryTableBase")])
    heads = processes + np.uint64(build[EPROCESS].offset("ThreadListHead"))
    threads = [ring.links[:THREADS] for ring in follow_heads(kernel.space, heads, THREADS)]
    owner = np.repeat(np.arange(len(processes)), [len(some) for some in threads])
    entry = build[ETHREAD].offset("ThreadListEntry")
    blocks = view.records(ETHREAD, addresses_of([at - entry for some in threads for at in some])).array("Teb")
    blocks = blocks.astype(np.uint64)
    programs = records.array("SectionBaseAddress").astype(np.uint64)
    known = Known(
        np.concatenate([
            records.array("Peb").astype(np.uint64) + np.uint64(build[PEB].offset("ImageBaseAddress")),
            blocks + np.uint64(build[TEB].offset("Self")),
        ]),
        np.concatenate([programs, blocks]),
        np.concatenate([roots, roots[owner]]),
    )  # fmt: skip
    there = (known.addresses > PAGE) & (known.addresses < kernel.system_start)
    return known.only(there & (known.values != 0) & (known.roots != 0))


def _placed(build: Build) -> bool:
    """Whether the layout has all that is looked at."""
    return all(layout in build and names <= build[layout].places.keys() for layout, names in FIELDS)
