"""Which Windows is this?  Found without symbols, from what every Windows kernel must have.

The kernel's image is looked for in the page tables that map the kernel image range; its exports lead to
the System process; its PDB or its build number chooses the layout; and the layout is believed only when
System looks like System through it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from process_anatomy.absent import Absent
from process_anatomy.errors import Error, ImageError, NotWindows, NotYet
from process_anatomy.kernel.candidates import IMAGE_RANGE, kernel_images
from process_anatomy.kernel.choice import Servicing, best, certain, likely, others
from process_anatomy.kernel.compression import attach
from process_anatomy.kernel.debugger_block import DebuggerBlock, block_without_image, debugger_block
from process_anatomy.kernel.handle_entries import packed
from process_anatomy.kernel.image import SIZE_LIMIT, KernelImage, Pdb
from process_anatomy.kernel.kernel import Crash, Kernel
from process_anatomy.kernel.lists import pointers_of
from process_anatomy.kernel.mending import mended
from process_anatomy.kernel.version import build_lab, flavour
from process_anatomy.memory import paging
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.physical import PhysicalMemory
from process_anatomy.memory.space import Space
from process_anatomy.memory.view import View
from structs import builds
from structs.eprocess import EPROCESS
from structs.layout import Build
from structs.machines import BY_POINTER_SIZE
from structs.peb import LDR_DATA_TABLE_ENTRY
from structs.shared_data import KUSER_SHARED_DATA_ADDRESS

__all__ = ["SYSTEM_PID", "Crash", "Kernel", "identify"]

SEARCHED_PAGES = 1 << 16
"""Pages of all images together that are searched for a debugger block."""
RING_LIMIT = 1 << 12
"""Links of the active list that are followed to see whether it passes an image."""
BUILD_NUMBER_OFFSET = 0x260
"""NtBuildNumber in _KUSER_SHARED_DATA, from Windows 10 on; needed before any layout is chosen."""
SYSTEM_RANGE_STARTS = range(0x8000_0000, 0xC000_0001)
SYSTEM_RANGE_UNIT = 0x40_0000
SANE_BUILDS = range(2195, 100_000)
SYSTEM_PID = 4
NAME_WITHIN = 0x1000
"""Bytes of an _EPROCESS within which each build keeps its name."""
LADDERS = 4
"""Images behind one root whose process is tried with layouts of all builds; of more, only with those that facts name.

Each takes hundreds of layouts and part of a second, and hostile memory can hold hundreds of images that lead nowhere.
"""


class FitsNoLayout(NotWindows):
    """A process was looked for through layouts, and none of them fits."""


class OtherRoot(NotWindows):
    """System was found, but its own page tables are not those that were said.

    Attributes:
        root: where System says that they are; they map System where it was found.
    """

    def __init__(self, message: str, root: int) -> None:
        super().__init__(message)
        self.root = root


def identify(memory: PhysicalMemory, root: int, isf: Build | None = None, mode: paging.Mode = paging.X64) -> Kernel:
    """Identify the Windows kernel behind a page-table root, System's or another process's.

    Args:
        memory: physical memory.
        root: physical address of a top page table that maps the kernel.
        isf: a layout from the user's own symbol table, which then comes before the shipped ones.
        mode: format of the page tables.

    Raises:
        NotWindows: no kernel was found; the message says what was tried.
        NotYet: a Windows of an architecture that is not supported.
    """
    try:
        return attach(_behind(memory, root, isf, mode))
    except OtherRoot as other:
        kernel = _behind(memory, other.root, isf, mode)
        line = f"page tables at {other.root:#x}, which are System's, not at {root:#x}"
        return attach(replace(kernel, evidence=(line, *kernel.evidence)))


def _behind(memory: PhysicalMemory, root: int, isf: Build | None, mode: paging.Mode) -> Kernel:
    """The Windows kernel behind System's page-table root.

    Memory can hold more than one image that is the kernel by its name: decoys, old copies, and the kernel itself
    mapped a second time.  The one that counts leads to System and holds the head of the active list; where that
    cannot be read of any, the first that leads to System.

    Raises:
        NotWindows: no kernel was found; the message says what was tried.
        OtherRoot: the first of them that leads to System needs other page tables.
        NotYet: a Windows of an architecture that is not supported.
    """
    space = AddressSpace(memory, root, mode)
    failures: list[Error] = []
    elsewhere: OtherRoot | None = None
    second_best: Kernel | None = None
    images: list[KernelImage] = []
    rings: dict[int, list[int]] = {}
    ladders = LADDERS
    for image in kernel_images(space):
        try:
            kernel = _identified(space, image, isf, exported_lead(space, image), ladders > 0)
        except OtherRoot as error:
            elsewhere = elsewhere or error
            continue
        except ImageError as error:
            ladders -= isinstance(error, FitsNoLayout)
            failures.append(error)
            images.append(image)
            continue
        if holds_list_head(kernel, rings):
            return kernel
        second_best = second_best or kernel
    if second_best is not None:
        return second_best
    if elsewhere is not None:
        raise elsewhere
    budget, ladders = SEARCHED_PAGES, LADDERS
    for place, image in enumerate(images):  # the slow way, only where no image has the quick one
        if image.machine != BY_POINTER_SIZE[mode.pointer_size].name or budget <= 0:
            continue
        budget -= image.size // 0x1000
        try:
            return _identified(space, image, isf, debugger_leads(space, image), ladders > 0)
        except ImageError as error:
            ladders -= isinstance(error, FitsNoLayout)
            failures[place] = error
    if failures:
        raise failures[-1]
    kernel_without_header = _without_header(space, isf)
    if kernel_without_header is not None:
        return kernel_without_header
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


def _identified(
    space: AddressSpace, image: KernelImage, isf: Build | None, found: Iterable[Lead], patient: bool
) -> Kernel:
    """The kernel that an image belongs to, by leads to its processes, with layouts of all builds where one is patient.

    Raises:
        NotWindows: no process was found through it.
        NotYet: it is of an architecture that is not supported yet.
    """
    arch = BY_POINTER_SIZE[space.pointer_size].name
    if image.machine != arch:
        raise NotYet(f"the kernel image at {image.base:#x} is for {image.machine}, not {arch} as its page tables are")
    space = AddressSpace(space.memory, space.root, space.mode, system_range_start(space, image))
    number = build_number(space, image)
    made_for = flavour(image)
    evidence = [
        f"kernel image at {image.base:#x}"
        + (f", PDB {image.pdb.guid}-{image.pdb.age}" if image.pdb else "")
        + (f", {made_for}" if made_for else "")
    ]
    servicing = Servicing(space, image, number, image.pdb)
    evidence += servicing.evidence()
    return _chosen(space, servicing, isf, found, (image.base, image.size, image.pdb), evidence, patient)


def _chosen(
    space: AddressSpace,
    servicing: Servicing,
    isf: Build | None,
    found: Iterable[Lead],
    where: tuple[int, int, Pdb | None],
    evidence: list[str],
    patient: bool = True,
) -> Kernel:
    """The kernel through the layout that fits it.

    Raises:
        FitsNoLayout: layouts were tried, and none fits.
        NotWindows: no process was found through it.
    """
    base, size, pdb = where
    number = servicing.number
    doubts: list[str] = []
    nowhere: list[str] = []
    for lead in found:
        if doubt := not_system(space, lead):
            nowhere.append(f"{doubt}, where {lead.found_by} leads")
            continue
        named = certain(servicing, isf)
        for choices in (named, likely(servicing), others(servicing)) if patient else (named,):
            fitting: list[Kernel] = []
            sure = False
            for layout in choices:
                build = builds.with_entries(layout, space.mode.entry_size)
                if build.estimated and layout is not isf:
                    build = mended(builds.of_file(build, servicing.file), servicing.code, number)
                doubt = unfit(space, build, lead)
                if doubt:
                    doubts.append(f"through {lead.found_by} and layout {build.name}: {doubt}")
                    continue
                process = lead.process(build)
                who = "System" if lead.is_system else "last process"
                told = (*evidence, f"{who} at {process:#x} by {lead.found_by}", f"layout {build.name}: {build.origin}")
                view = View(space.of_build(build, paged_pool_start(space, servicing)), build)
                fitting.append(
                    Kernel(view, number or build.number, base, size, pdb, process, told, file=servicing.file)
                )
                sure = not build.estimated or layout is isf
                if sure:
                    break
            if fitting:
                kernel = fitting[-1] if sure else best(fitting, servicing)
                if "code" in vars(servicing):
                    kernel = replace(kernel, code=servicing.code)
                return packed(kernel) if servicing.five_levels else kernel
    stated = f"a Windows kernel (build {number or 'unknown'}) is at {base:#x}, but "
    if doubts:
        misfit = f"what should be its System process fits no layout ({len(doubts)} tried; {doubts[0]})"
        raise FitsNoLayout(stated + misfit + recognised(space.memory, space.root))
    lost = "neither PsInitialSystemProcess nor a debugger block leads to a process"
    raise NotWindows(stated + (nowhere or [lost])[0] + recognised(space.memory, space.root))


def not_system(space: AddressSpace, lead: Lead) -> str:
    """Why no layout at all can find the process that a lead says; empty where one may.

    Whatever the layout, System's name stands within a page of its _EPROCESS: where it does not, none is tried.
    """
    if not lead.is_system:
        gone = space.why(lead.address, space.pointer_size)
        return f"the last process at {lead.address:#x} cannot be read ({gone})" if gone else ""
    first = max(0, lead.address - (NAME_WITHIN if lead.is_link else 0))
    last = lead.address + NAME_WITHIN
    octets, gone = b"", ""
    for page in range(first - first % 0x1000, last, 0x1000):
        start, size = max(first, page), min(last, page + 0x1000) - max(first, page)
        part = space.read(start, size)
        gone = gone or ("" if part is not None else space.why(start, size))
        octets += part or bytes(size)
    if b"System\0" in octets:
        return ""
    at = f"what should be its System process at {lead.address:#x}"
    return f"{at} cannot be read ({gone})" if gone else f"{at} has not System's name"


def paged_pool_start(space: AddressSpace, servicing: Servicing) -> int | None:
    """Where paged pool starts, from which page-table entries without PAE count; ``None`` where nobody says it."""
    block = servicing.block if space.mode.entry_size == 4 else None
    variable = 0 if block is None else block.pointer("MmPagedPoolStart", space)
    data = space.read(variable, 4) if variable else None
    start = 0 if data is None else int.from_bytes(data, "little")
    return start if start >= space.system_start and not start % 0x1000 else None


def unfit(space: AddressSpace, build: Build, lead: Lead) -> str:
    """Why a lead leads to no process through a layout; empty where it does."""
    if build.pointer_size != space.pointer_size:
        return f"its pointers have {build.pointer_size} bytes"
    if "ActiveProcessLinks" not in build[EPROCESS]:
        return "it does not say where the list of processes is"
    return proof(View(space, build), lead.process(build), space, lead.is_system)


def _without_header(space: AddressSpace, isf: Build | None) -> Kernel | None:
    """The kernel by its debugger block, where the first page of its image is not there; ``None`` without a block.

    Raises:
        NotWindows: the block leads to no process.
    """
    block = block_without_image(space)
    if block is None:
        return None
    number = build_number(space, None) or int(build_lab(space, None, block).partition(".")[0] or 0) or None
    servicing = Servicing(space, None, number, None, block)
    evidence = [
        f"kernel at {block.base:#x}, whose first page is not there, by its debugger block at {block.address:#x}"
    ]
    kernel = _chosen(space, servicing, isf, block_leads(space, block), (block.base, SIZE_LIMIT, None), evidence)
    return replace(kernel, size=loaded_size(kernel, block))


def loaded_size(kernel: Kernel, block: DebuggerBlock) -> int:
    """Bytes of the kernel's image as the list of loaded modules says, of which it is the first; else up to a limit."""
    entry = kernel.view.pointer(block.pointer("PsLoadedModuleList", kernel.space))
    if entry is not None and LDR_DATA_TABLE_ENTRY in kernel.build:
        found = kernel.view.parse(LDR_DATA_TABLE_ENTRY, entry)
        size = found["SizeOfImage"]
        if found["DllBase"] == kernel.base and isinstance(size, int) and 0 < size <= SIZE_LIMIT:
            return size
    return SIZE_LIMIT


def recognised(memory: PhysicalMemory, root: int) -> str:
    """What else is known of an image whose kernel was not found, for the error's end."""
    if memory.lost:
        return f"; the file is truncated: {memory.lost} bytes that its header promises are not in it"
    if memory.end <= root:
        return f"; the image ends at {memory.end:#x}, before its own page tables, so it is truncated"
    return ""


def build_number(space: Space, image: KernelImage | None) -> int | None:
    """The build number that the memory states, or ``None``: the kernel's variable, else the shared page."""
    exported = None if image is None else image.export("NtBuildNumber")
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

    def process(self, build: Build) -> int:
        """Address of the _EPROCESS, through a layout."""
        return self.address - build[EPROCESS].offset("ActiveProcessLinks") if self.is_link else self.address


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
    block = debugger_block(space, image)
    if block is not None:
        yield from block_leads(space, block)


def block_leads(space: AddressSpace, block: DebuggerBlock) -> Iterator[Lead]:
    """Leads by a debugger block."""
    links = pointers_of(space, block.pointer("PsActiveProcessHead", space))
    if links is not None:
        yield Lead(links[0], True, True, "PsActiveProcessHead.Flink")
        yield Lead(links[1], True, False, "PsActiveProcessHead.Blink")


def proof(view: View, address: int, space: AddressSpace, is_system: bool = True) -> str:
    """Why the structure at an address is not the expected process through this layout; empty where it is.

    Checked: the process id and the name (System's own, or ones that a process can have), the page-table root,
    and that at least one neighbour on the active list points back.

    Raises:
        OtherRoot: all of this is so but for the root, and the one that it states maps System where it is.
    """
    structure = view.build[EPROCESS]
    found = view.parse(EPROCESS, address)
    stated, pid, table = found["ImageFileName"], found["UniqueProcessId"], found["DirectoryTableBase"]
    name = b"" if isinstance(stated, Absent) else bytes(stated).split(b"\0", 1)[0]
    if isinstance(pid, Absent) or pid % 4 or pid == 0 or (is_system and pid != SYSTEM_PID):
        return f"process id {pid}"
    if not name.isascii() or not name or (is_system and name != b"System"):
        return f"name {name!r}"
    if not is_system and view.build.estimated:
        return "a layout that is only estimated is not believed without System"
    links = found["ActiveProcessLinks"]
    here = address + structure.offset("ActiveProcessLinks")
    if isinstance(links, Absent):
        return str(links)
    if view.pointer(links.Flink + space.pointer_size) != here and view.pointer(links.Blink) != here:
        return "its neighbours on the active list do not point back"
    if is_system and not isinstance(table, Absent) and space.root_in(table) != space.root_in(space.root):
        own, stated = space.root_in(table), f"page-table root {table:#x}"
        through = AddressSpace(space.memory, own, space.mode, space.system_start)
        if any(_lies_at(through, at) != _lies_at(space, at) for at in (address, here)):
            return stated
        raise OtherRoot(f"System at {address:#x} has page tables of its own at {own:#x}", own)
    return ""


def _lies_at(space: AddressSpace, address: int) -> int | None:
    """Physical address of an address, ``None`` where it has none."""
    physical, state = paging.translate_one(space.memory, address, space.root, space.mode)
    return physical if state <= paging.READABLE else None
