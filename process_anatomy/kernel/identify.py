"""Which Windows is this?  Found without symbols, from what every Windows kernel must have.

The kernel's image is looked for in the page tables that map the kernel image range; its exports lead to
the System process; its PDB or its build number chooses the layout; and the layout is believed only when
System looks like System through it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np

from process_anatomy.absent import Absent
from process_anatomy.errors import Error, ImageError, NotWindows, NotYet
from process_anatomy.kernel.candidates import IMAGE_RANGE, kernel_images
from process_anatomy.kernel.image import KernelImage, Pdb
from process_anatomy.memory import paging
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.physical import PhysicalMemory
from process_anatomy.memory.remains import Remains
from process_anatomy.memory.space import Addresses, Mask, Octets, Space
from process_anatomy.memory.view import View
from structs import builds
from structs.debugger import KDBG_TAG, KDDEBUGGER_DATA64
from structs.eprocess import EPROCESS
from structs.layout import Build
from structs.shared_data import KUSER_SHARED_DATA_ADDRESS

Found = TypeVar("Found")
SEARCHED_PAGES = 1 << 16
"""Pages of all images together that are searched for a debugger block."""
RING_LIMIT = 1 << 12
"""Links of the active list that are followed to see whether it passes an image."""
BUILD_NUMBER_OFFSET = 0x260
"""NtBuildNumber in _KUSER_SHARED_DATA, from Windows 10 on; needed before any layout is chosen."""
MACHINES = {4: "x86", 8: "x64"}
"""Processor that a kernel is for, by the size of a pointer in its page tables' address space."""
SYSTEM_RANGE_STARTS = range(0x8000_0000, 0xC000_0001)
SYSTEM_RANGE_UNIT = 0x40_0000
SANE_BUILDS = range(2195, 100_000)
SYSTEM_PID = 4


@dataclass(frozen=True, slots=True)
class Crash:
    """What a crash dump says of the moment that it was written.

    Attributes:
        process: address of the _EPROCESS that was current.
        thread: address of the _ETHREAD that was current.
        time: FILETIME.
        bugcheck: bug check code.
        build: build number of the kernel.
    """

    process: int
    thread: int
    time: int
    bugcheck: int
    build: int


@dataclass(frozen=True)
class Kernel:
    """An identified Windows kernel.

    Attributes:
        view: its address space and the layout that applies.
        number: the build number that the memory states, for instance 19045; the layout's own may differ
            (19041) where builds share a kernel.
        base: address of the kernel image.
        size: bytes of address space the image takes.
        pdb: the kernel's PDB, if it could be read.
        system: address of the _EPROCESS that the active list is followed from: System's; the last one's where
            System cannot be read; in a small dump, that of the process that crashed.
        evidence: how it was found and what was checked, one line each.
        crash: the moment of the crash, for a small dump.
    """

    view: View
    number: int
    base: int
    size: int
    pdb: Pdb | None
    system: int
    evidence: tuple[str, ...] = ()
    crash: Crash | None = None
    _found: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, name: str, find: Callable[[Kernel], Found]) -> Found:
        """What a search of this kernel gave, made the first time that somebody asks for it by this name."""
        if name not in self._found:
            self._found[name] = find(self)
        found: Found = self._found[name]
        return found

    @property
    def build(self) -> Build:
        """The layout that applies."""
        return self.view.build

    @property
    def space(self) -> Space:
        """The kernel's address space."""
        return self.view.space

    def read_in_process(self, addresses: Addresses, size: int, roots: Addresses) -> tuple[Octets, Mask]:
        """Read ``size`` bytes at each address, each through its own process's tables, else through System's."""
        if not isinstance(self.space, AddressSpace):
            return self.space.read_many(addresses, size)
        data, there = self.space.read_many(addresses, size, roots)
        if not there.all():
            rest = np.flatnonzero(~there)
            data[rest], there[rest] = self.space.read_many(addresses[rest], size)
        return data, there

    @property
    def system_start(self) -> int:
        """The lowest address of system space; below it lies what is a process's own."""
        return self.view.space.system_start

    def root_in(self, dtb: int) -> int:
        """The page-table root in a DirectoryTableBase, without the bits that are no part of the address."""
        return self.space.root_in(dtb) if isinstance(self.space, AddressSpace | Remains) else dtb & ~0xFFF

    def inside(self, address: int) -> bool:
        """Whether an address lies in the kernel's image (a list head does, a process does not)."""
        return self.base <= address < self.base + self.size


def identify(memory: PhysicalMemory, root: int, isf: Build | None = None, mode: paging.Mode = paging.X64) -> Kernel:
    """Identify the Windows kernel behind a page-table root.

    Memory can hold more than one image that is the kernel by its name: decoys, old copies, and the kernel itself
    mapped a second time.  The one that counts leads to System and holds the head of the active list; where that
    cannot be read of any, the first that leads to System.

    Args:
        memory: physical memory.
        root: physical address of the kernel's top page table.
        isf: a layout from the user's own symbol table, which then comes before the shipped ones.
        mode: format of the page tables.

    Raises:
        NotWindows: no kernel was found; the message says what was tried.
        NotYet: a Windows of an architecture that is not supported.
    """
    space = AddressSpace(memory, root, mode)
    failures: list[Error] = []
    second_best: Kernel | None = None
    images: list[KernelImage] = []
    rings: dict[int, list[int]] = {}
    for image in kernel_images(space):
        try:
            kernel = _identified(space, image, isf, exported_lead(space, image))
        except ImageError as error:
            failures.append(error)
            images.append(image)
            continue
        if holds_list_head(kernel, rings):
            return kernel
        second_best = second_best or kernel
    if second_best is not None:
        return second_best
    budget = SEARCHED_PAGES
    for place, image in enumerate(images):  # the slow way, only where no image has the quick one
        if image.machine != MACHINES[mode.pointer_size] or budget <= 0:
            continue
        budget -= image.size // 0x1000
        try:
            return _identified(space, image, isf, debugger_leads(space, image))
        except ImageError as error:
            failures[place] = error
    if failures:
        raise failures[-1]
    raise NotWindows(
        f"no Windows kernel found: no kernel image among the pages that the page tables at {root:#x} map from"
        f" {IMAGE_RANGE[mode.pointer_size][0]:#x} on{recognised(memory, root)}"
    )


def holds_list_head(kernel: Kernel, rings: dict[int, list[int]]) -> bool:
    """Whether the active list passes the kernel's image, where its head is.

    Args:
        kernel: as an image would have it.
        rings: links of lists that were followed before, by where they start.
    """
    start = kernel.system + kernel.build[EPROCESS].offset("ActiveProcessLinks")
    before = kernel.view.pointer(start + kernel.space.pointer_size)
    if before is not None and kernel.inside(before):  # System is the first, so that the head is one step back
        return True
    if start not in rings:
        rings[start] = []
        link = kernel.view.pointer(start)
        while link is not None and link != start and len(rings[start]) < RING_LIMIT:
            rings[start].append(link)
            link = kernel.view.pointer(link)
    return any(map(kernel.inside, rings[start]))


def _identified(space: AddressSpace, image: KernelImage, isf: Build | None, found: Iterable[Lead]) -> Kernel:
    """The kernel that an image belongs to, by leads to its processes.

    Raises:
        NotWindows: no process was found through it.
        NotYet: it is of an architecture that is not supported yet.
    """
    arch = MACHINES[space.pointer_size]
    if image.machine != arch:
        raise NotYet(f"the kernel image at {image.base:#x} is for {image.machine}, not {arch} as its page tables are")
    space = AddressSpace(space.memory, space.root, space.mode, system_range_start(space, image))
    number = build_number(space, image)
    evidence = [f"kernel image at {image.base:#x}" + (f", PDB {image.pdb.guid}-{image.pdb.age}" if image.pdb else "")]
    doubts: list[str] = []
    for lead in found:
        for layout in candidate_builds(image, number, isf):
            build = builds.with_entries(layout, space.mode.entry_size)
            if build.pointer_size != space.pointer_size:
                doubts.append(f"through layout {build.name}: its pointers have {build.pointer_size} bytes")
                continue
            view = View(space.of_build(build), build)
            process = lead.address - build[EPROCESS].offset("ActiveProcessLinks") if lead.is_link else lead.address
            doubt = proof(view, process, space, lead.is_system)
            if not doubt:
                who = "System" if lead.is_system else "last process"
                evidence += [f"{who} at {process:#x} by {lead.found_by}", f"layout {build.name}: {build.origin}"]
                return Kernel(view, number or build.number, image.base, image.size, image.pdb, process, tuple(evidence))
            doubts.append(f"through {lead.found_by} and layout {build.name}: {doubt}")
    stated = f"a Windows kernel (build {number or 'unknown'}) is at {image.base:#x}, but "
    if not doubts:
        raise NotWindows(stated + "neither PsInitialSystemProcess nor a debugger block leads to a process")
    raise NotWindows(stated + f"what should be its System process fits no layout ({len(doubts)} tried; {doubts[0]})")


def recognised(memory: PhysicalMemory, root: int) -> str:
    """What else is known of an image whose kernel was not found, for the error's end."""
    if memory.lost:
        return f"; the file is truncated: {memory.lost} bytes that its header promises are not in it"
    if memory.end <= root:
        return f"; the image ends at {memory.end:#x}, before its own page tables, so it is truncated"
    return ""


def build_number(space: Space, image: KernelImage) -> int | None:
    """The build number that the memory states, or ``None``: the kernel's variable, else the shared page."""
    exported = image.export("NtBuildNumber")
    for address in (exported, KUSER_SHARED_DATA_ADDRESS[space.pointer_size] + BUILD_NUMBER_OFFSET):
        data = None if address is None else space.read(address, 4)
        if data is not None:
            number = int.from_bytes(data, "little") & 0xFFFF
            if number in SANE_BUILDS:
                return number
    return None


def system_range_start(space: AddressSpace, image: KernelImage) -> int | None:
    """Where system space begins, as a 32-bit kernel says; ``None`` where it says nothing that can be.

    It is 2 GB, or up to 3 GB where user space was enlarged at start-up.  Source: Windows Internals, memory management
    (MmSystemRangeStart, increaseuserva).
    """
    exported = image.export("MmSystemRangeStart") if space.pointer_size == 4 else None
    data = None if exported is None else space.read(exported, 4)
    start = 0 if data is None else int.from_bytes(data, "little")
    return start if start in SYSTEM_RANGE_STARTS and not start % SYSTEM_RANGE_UNIT else None


class Lead(NamedTuple):
    """Where a process may be that the active list can be followed from.

    Attributes:
        address: of the process, or of its link in the active list.
        is_link: which of the two.
        is_system: it must be the System process; else it is the last process of the list.
        found_by: the variable that led there.
    """

    address: int
    is_link: bool
    is_system: bool
    found_by: str


def exported_lead(space: AddressSpace, image: KernelImage) -> Iterator[Lead]:
    """The System process by the exported variable."""
    variable = image.export("PsInitialSystemProcess")
    data = None if variable is None else space.read(variable, space.pointer_size)
    if data is not None:
        yield Lead(int.from_bytes(data, "little"), False, True, "PsInitialSystemProcess")


def debugger_leads(space: AddressSpace, image: KernelImage) -> Iterator[Lead]:
    """Leads by the debugger block, which is looked for only where the exported variable leads nowhere.

    It gives the head of the list, whose first entry is System, and whose last will do where System cannot be read.
    """
    yield from exported_lead(space, image)
    head = debugger_block(space, image.base, image.size)
    size = space.pointer_size
    links = None if head is None else space.read(head, 2 * size)
    if links is not None:
        yield Lead(int.from_bytes(links[:size], "little"), True, True, "PsActiveProcessHead.Flink")
        yield Lead(int.from_bytes(links[size:], "little"), True, False, "PsActiveProcessHead.Blink")


def debugger_block(space: AddressSpace, base: int, size: int) -> int | None:
    """PsActiveProcessHead by the kernel's debugger block (KDBG), if that is there in clear."""
    for address in range(base, base + size, 0x1000):
        page = space.read(address, 0x1000)
        at = -1 if page is None else page.find(KDBG_TAG)
        while page is not None and at >= 0:
            start = address + at - 0x10
            data = space.read(start, KDDEBUGGER_DATA64.sizeof())
            if data is not None:
                block = KDDEBUGGER_DATA64.parse(data)
                # a 32-bit kernel writes its addresses as 64-bit numbers with their sign
                own, head = (int(v) & space.highest for v in (block.KernBase, block.PsActiveProcessHead))
                if own == base and base <= head < base + size:
                    return head
            at = page.find(KDBG_TAG, at + 1)
    return None


def candidate_builds(image: KernelImage, number: int | None, isf: Build | None) -> Iterator[Build]:
    """Layouts that may apply, best first: the user's own, by PDB, by build number, the nearest builds."""
    if isf is not None:
        yield isf
    if image.pdb is not None:
        known = builds.by_pdb(image.pdb.guid, image.pdb.age)
        if known is not None:
            yield known
    if number is not None:
        stated = builds.by_number(image.machine, number)
        if stated is not None:
            yield stated
        yield from builds.nearest(image.machine, number)


def proof(view: View, address: int, space: AddressSpace, is_system: bool = True) -> str:
    """Why the structure at an address is not the expected process through this layout; empty where it is.

    Checked: the process id and the name (System's own, or ones that a process can have), the page-table root,
    and that at least one neighbour on the active list points back.
    """
    structure = view.build[EPROCESS]
    found = view.parse(EPROCESS, address)
    name = bytes(found["ImageFileName"] or b"").split(b"\0", 1)[0]
    pid, table = found["UniqueProcessId"], found["DirectoryTableBase"]
    if isinstance(pid, Absent) or pid % 4 or pid == 0 or (is_system and pid != SYSTEM_PID):
        return f"process id {pid}"
    if not name.isascii() or not name or (is_system and name != b"System"):
        return f"name {name!r}"
    if not is_system and view.build.estimated:
        return "a layout that is only estimated is not believed without System"
    if is_system and not isinstance(table, Absent) and space.root_in(table) != space.root_in(space.root):
        return f"page-table root {table:#x}"
    links = found["ActiveProcessLinks"]
    here = address + structure.offset("ActiveProcessLinks")
    if isinstance(links, Absent):
        return str(links)
    if view.pointer(links.Flink + space.pointer_size) != here and view.pointer(links.Blink) != here:
        return "its neighbours on the active list do not point back"
    return ""
