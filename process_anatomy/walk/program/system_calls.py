"""System calls of ntdll.dll that a process has another code of than all others: what a loader blinds for its program.

Since Windows 11 24H2 the loader asks the kernel about hot patches of the program when a process starts, and gives up
where the program lies in memory that no image was mapped into.  Who puts a program into a process by hand therefore
rewrites, in that process, one of the two functions that ask: the page of ntdll.dll is a private copy then.

What other code does is looked at as far as it can be said without running it: hooks of security products lead into a
library of theirs, at once or by way of a little memory beside ntdll.dll.

Source: hasherezade, "Process Hollowing on Windows 11 24H2" (2025), and the issue of libpeconv that it came from;
MEMORY_INFORMATION_CLASS (MemoryImageExtensionInformation) in the published headers of System Informer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from process_anatomy.absent import Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.image import KernelImage
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Space
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.address_space.page_entries import prototypes
from process_anatomy.walk.address_space.page_row import PageRow
from process_anatomy.walk.address_space.sections import sections
from process_anatomy.walk.address_space.vad_nodes import IMAGE_MAP
from process_anatomy.walk.address_space.vads import Vad, vad_around
from process_anatomy.walk.processes.listed import Process
from structs.vad import MMVAD

FILE = "\\system32\\ntdll.dll"
ASKERS = ("ZwQueryVirtualMemory", "NtManageHotPatch")
"""Functions with which the loader of 24H2 asks about the image of a program; each has a second name, Nt and Zw."""
STUB = 24
"""Bytes of a function that only asks the kernel, on x64."""
ASKS, TESTS, ENTERS = bytes.fromhex("4c8bd1b8"), bytes.fromhex("f604250803fe7f017503"), bytes.fromhex("0f05")
"""What such a function begins with (mov r10, rcx; mov eax, number), the test and the jump that may follow, syscall."""
GIVES, RETURNS = b"\xb8", b"\xc3"
"""mov eax, number, and ret: an answer without the kernel."""
FAR_JUMPS = ((bytes.fromhex("48b8"), bytes.fromhex("ffe0")), (bytes.fromhex("49bb"), bytes.fromhex("41ffe3")))
"""mov register, address and jmp register: before the address, and behind it."""
HOPS = 4
"""Jumps that are followed, one behind the other."""
WITNESSES = 16
"""Processes whose copy of the export directory is asked at the most."""


@dataclass(frozen=True, slots=True)
class ChangedCall:
    """A system call whose code a process has changed for itself.

    Attributes:
        process: the process.
        vad: the node of its ntdll.dll.
        function: the exported name.
        address: of the function.
        code: its first bytes, as the process has them.
        shared: the same of the page that all processes share; absent where that page is not in memory.
        answers: the number that it gives without asking the kernel, ``None`` where it does not begin so.
        target: where it leads to, ``None`` where it does not begin with a jump.
        into: the range that this lies in, ``None`` where there is none or no jump.
    """

    process: Process
    vad: Vad
    function: str
    address: int
    code: bytes
    shared: bytes | Absent
    answers: int | None
    target: int | None
    into: Vad | None

    @property
    def hooked(self) -> bool:
        """Whether it leads into an image that was mapped from a file, as hooks of security products do."""
        return self.into is not None and self.into.vad_type == IMAGE_MAP and isinstance(self.into.file, str)


def changed_calls(kernel: Kernel, rows: Sequence[PageRow], vads: Sequence[Vad]) -> list[ChangedCall]:
    """The functions of :data:`ASKERS` that processes have changed for themselves, in builds that ask so.

    Args:
        kernel: the kernel.
        rows: the pages of the processes.
        vads: their VADs.
    """
    space = kernel.space
    if not isinstance(space, AddressSpace) or "ImageMappingExtended" not in kernel.build[MMVAD]:
        return []
    mapped = [row for row in rows if row.vad is not None and is_ntdll(row.vad)]
    changed = [row for row in mapped if row.own_code]
    if not changed:
        return []
    around: dict[int, list[Vad]] = {row.process.address: [] for row in changed}
    for vad in vads:
        if vad.process.address in around:
            around[vad.process.address].append(vad)
    found: list[ChangedCall] = []
    for row in changed:
        places = _places(space, row, mapped)
        for name, address in places.items():
            if address & -PAGE in row.own_code:
                found += _changed(kernel, space, row, name, address, around[row.process.address])
    return found


def is_ntdll(vad: Vad) -> bool:
    """Whether a node maps the native ntdll.dll."""
    return vad.vad_type == IMAGE_MAP and isinstance(vad.file, str) and vad.file.lower().endswith(FILE)


def _through(space: AddressSpace, process: Process) -> Space | None:
    return space.through(process.dtb) if isinstance(process.dtb, int) else None


def _places(space: AddressSpace, row: PageRow, mapped: Iterable[PageRow]) -> dict[str, int]:
    """Where the functions are: by the export directory of other processes that map the file there, its own last."""
    found: dict[str, int] = {}
    others = [each for each in mapped if each.start == row.start and each is not row and not each.own_header]
    for each in (*others[:WITNESSES], row):
        own = _through(space, each.process)
        if own is None or not isinstance(row.start, int):
            continue
        try:
            image = KernelImage(own, row.start)
        except ValueError:
            continue
        for name in ASKERS:
            if name not in found and (address := image.export(name)) is not None:
                found[name] = address
        if len(found) == len(ASKERS):
            break
    return found


def _changed(
    kernel: Kernel, space: AddressSpace, row: PageRow, name: str, address: int, around: Sequence[Vad]
) -> Iterator[ChangedCall]:
    own, vad = _through(space, row.process), row.vad
    size = min(STUB, PAGE - address % PAGE)
    code = None if own is None else own.read(address, size)
    if own is None or vad is None or code is None:
        return
    shared = _shared(kernel, space, vad, address, size)
    if looks_like_call(code) if isinstance(shared, Absent) else code == shared:
        return
    target = _leads(own, address)
    into = None
    for _ in range(HOPS):
        into = None if target is None else vad_around(around, target)
        onward = _leads(own, target) if target is not None and into is not None else None
        if onward is None or (into is not None and into.vad_type == IMAGE_MAP):
            break
        target = onward
    answers = int.from_bytes(code[1:5], "little") if code[:1] == GIVES and code[5:6] == RETURNS else None
    yield ChangedCall(row.process, vad, name, address, code, shared, answers, target, into)


def looks_like_call(code: bytes) -> bool:
    """Whether code asks the kernel and does nothing else; as much of it as there is."""
    rest = code[8:]
    forms = (TESTS + ENTERS, ENTERS)
    return code[:4] == ASKS[: len(code)] and any(rest[: len(form)] == form[: len(rest)] for form in forms)


def _shared(kernel: Kernel, space: AddressSpace, vad: Vad, address: int, size: int) -> bytes | Absent:
    """The bytes of the page that all processes share, by the section's prototype entry."""
    gone = Absent(Kind.UNREADABLE, "the page that all processes share is not in memory")
    first = sections(kernel, [vad])[0].first_prototype
    if not isinstance(first, int) or not isinstance(vad.start, int) or first < space.system_start:
        return gone
    place = first + (address - vad.start) // PAGE * space.mode.entry_size
    root = vad.process.dtb if isinstance(vad.process.dtb, int) else 0
    frame, there, _ = prototypes(space, addresses_of([place]), addresses_of([root]))
    data = space.memory.read(int(frame[0]) + address % PAGE, size) if there[0] else None
    return gone if data is None else data


def _leads(own: Space, address: int) -> int | None:
    """Where the code at an address jumps to at once; ``None`` where it does not."""
    from process_anatomy.kernel.functions import outside  # the decoder is loaded where it is needed

    head = own.read(address, 16)
    for before, behind in FAR_JUMPS:
        if head is not None and head.startswith(before) and head[10:].startswith(behind):
            return int.from_bytes(head[2:10], "little")
    return outside(own, address, range(0))
