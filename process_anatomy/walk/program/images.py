"""Images: programs and libraries as they lie in a process's memory, whole or with pages missing.

The executable program of each process, or any of its modules.  Three places name where the program is: the kernel's
_EPROCESS, the PEB, and the VAD of the mapped file; they must agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.errors import RequestError
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.image import SIZE_LIMIT, PeImage
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Space
from process_anatomy.memory.view import addresses_of, unreadable
from process_anatomy.walk.address_space.extensions import of_other_size
from process_anatomy.walk.address_space.range_bytes import pages_of
from process_anatomy.walk.address_space.sections import NO_SECTION, FileHeader, Section, file_headers, sections
from process_anatomy.walk.address_space.vad_nodes import IMAGE_MAP
from process_anatomy.walk.address_space.vads import Vad, VadTable, vad_around, vads
from process_anatomy.walk.processes.listed import NOT_READ, Process
from process_anatomy.walk.program.modules import ModuleTable, modules
from process_anatomy.walk.program.portable import PeFacts, pe_facts
from structs.eprocess import EPROCESS
from structs.peb import PEB

PROGRAM, MODULE, PEB_PROGRAM = "program", "module", "peb-program"


@dataclass(frozen=True, slots=True)
class Image:
    """One image in the memory of one process.

    Attributes:
        process: the process.
        role: ``program`` (the executable, as the kernel says), ``peb-program`` (what the PEB says instead),
            or ``module``.
        base: its first address.
        name: file name of what is mapped, else as the loader or the kernel names it.
        vad: the node of the VAD tree that its base lies in.
        facts: what the image says of itself, absent where its headers are missing or are none.
        file: what the kernel noted of the file's headers when it mapped it; absent where no file is mapped, or where
            what was found there is of another machine and so no such note.
        size: bytes that were looked at: SizeOfImage, or what is mapped; never more than 64 MB.
        missing: pages of these that are not in memory.
        problems: what is odd or could not be read, one line each.
    """

    process: Process
    role: str
    base: int
    name: str | Absent
    vad: Vad | None
    facts: PeFacts | Absent
    file: FileHeader | Absent
    size: int
    missing: int
    problems: tuple[str, ...]

    @property
    def path(self) -> str | Absent:
        """The mapped file, not applicable without one."""
        return self.vad.file if self.vad is not None else NOT_APPLICABLE

    @property
    def overlay(self) -> int | Absent:
        """Bytes of the file behind its last section, which are never mapped: signatures, installers' data ..."""
        if isinstance(self.facts, Absent):
            return self.facts
        if isinstance(self.file, Absent):
            return self.file
        if isinstance(self.file.size, Absent):
            return self.file.size
        return max(self.file.size - self.facts.file_end, 0)

    @property
    def pages(self) -> int:
        """Pages that were looked at."""
        return -(-self.size // PAGE)


class ImageTable(NamedTuple):
    """Images of some processes, and what no row can say."""

    rows: tuple[Image, ...]
    problems: tuple[str, ...]


class _Wanted(NamedTuple):
    process: Process
    role: str
    base: int
    name: str | Absent
    problems: tuple[str, ...]


def images(
    kernel: Kernel,
    processes: Sequence[Process],
    name: str = "",
    everything: bool = False,
    known: tuple[VadTable, Callable[[], ModuleTable]] | None = None,
) -> ImageTable:
    """The images of the processes: the executable program of each, or modules.

    Args:
        kernel: the kernel.
        processes: whose images.
        name: file name of a module to look at, whatever its case; the program's if left out.
        everything: all modules.
        known: the VAD trees of these processes and what gives their modules, where they are walked already.

    Raises:
        RequestError: no module has that name.
    """
    space = kernel.space
    if name or everything:
        wanted, problems = _modules(known[1]() if known else modules(kernel, processes), name)
    else:
        wanted, problems = _programs(kernel, space, processes)
    walked = known[0] if known else vads(kernel, list({w.process.address: w.process for w in wanted}.values()))
    places: dict[int, list[Vad]] = {}
    for node in walked.rows:
        if isinstance(node.start, int) and isinstance(node.end, int):
            places.setdefault(node.process.address, []).append(node)
    around = [vad_around(places.get(each.process.address, ()), each.base) for each in wanted]
    mapped = [vad for vad in around if vad is not None]
    backing = sections(kernel, mapped)
    behind = iter(zip(file_headers(kernel, backing), backing, strict=True))
    rows = []
    for each, vad in zip(wanted, around, strict=True):
        root = each.process.dtb if isinstance(each.process.dtb, int) else 0
        own = space.through(root)
        told = each.process.address not in walked.broken  # else no range need be missing where none was seen
        header, section = (NOT_APPLICABLE, NO_SECTION) if vad is None else next(behind)
        rows.append(_image(own, each, vad, header, section, told))
    return ImageTable(tuple(rows), tuple(problems))


def _modules(table: ModuleTable, name: str) -> tuple[list[_Wanted], list[str]]:
    found = [
        _Wanted(row.process, MODULE, row.base, row.name, ())
        for row in table.rows
        if isinstance(row.base, int) and (not name or (isinstance(row.name, str) and row.name.lower() == name.lower()))
    ]
    if name and not found:
        raise RequestError(f"no module is named {name} (windows.anatomy.modules lists them)")
    return found, list(table.problems)


def _programs(kernel: Kernel, space: Space, processes: Sequence[Process]) -> tuple[list[_Wanted], list[str]]:
    """The executable of each process: where the kernel says, and where the PEB says if that is elsewhere."""
    bases = kernel.view.records(EPROCESS, addresses_of([p.address for p in processes])).values("SectionBaseAddress")
    place = kernel.build[PEB].place("ImageBaseAddress")
    at = addresses_of([p.peb + place.offset if isinstance(p.peb, int) else 0 for p in processes])
    roots = addresses_of([p.dtb if isinstance(p.dtb, int) else 0 for p in processes])
    data, there = space.read_many(at, place.size, roots)
    told = data.view(f"<u{place.size}").reshape(-1).tolist()
    wanted, problems = [], []
    for process, base, stated, readable in zip(processes, bases, told, there.tolist(), strict=True):
        if isinstance(process.exit_time, int):
            continue  # its address space is gone
        if isinstance(base, Absent):
            problems.append(f"process {process.pid}: where its program is mapped is not known ({base})")
        elif not base and process.runs_program:
            problems.append(f"process {process.pid}: it runs, but the kernel names no place of its program")
        other = stated if readable and isinstance(process.peb, int) else None
        lines: tuple[str, ...] = ()
        if isinstance(base, int) and other is not None and other != base:
            lines = (f"the kernel says that the program is mapped at {base:#x}, the PEB says {other:#x}",)
        if isinstance(base, int) and 0 < base < kernel.system_start:
            wanted.append(_Wanted(process, PROGRAM, base, process.name, lines))
        if other is not None and other != base and 0 < other < kernel.system_start:
            wanted.append(_Wanted(process, PEB_PROGRAM, other, process.name, lines))
    return wanted, problems


def _image(
    own: Space, wanted: _Wanted, vad: Vad | None, file: FileHeader | Absent, section: Section, whole: bool
) -> Image:
    process, role, base, name, told = wanted
    problems = list(told)
    facts: PeFacts | Absent
    mapped = 0
    if vad is not None and isinstance(vad.end, int):
        mapped = min(vad.end + 1 - base, SIZE_LIMIT)
    try:
        image = PeImage(own, base)
        facts = pe_facts(image)
        size = image.size
        problems += facts.problems
        if facts.size > SIZE_LIMIT:
            problems.append(f"its header says {facts.size:#x} bytes; {SIZE_LIMIT:#x} of them were looked at")
    except ValueError as error:
        header = own.read(base, PAGE)
        facts = Absent(Kind.IMPLAUSIBLE, str(error)) if header is not None else unreadable(own, base, PAGE)
        size = mapped
        problems.append(f"its header cannot be used: {facts}")
    if vad is None:
        problems.append("no VAD covers it" if _has_tree(process) and whole else "its VADs are not known")
    elif isinstance(vad.vad_type, Absent):
        problems.append(f"whether an image is mapped there is not known: {vad.vad_type}")
    elif vad.vad_type != IMAGE_MAP:
        problems.append(f"no image is mapped there: its memory is {_memory(vad)}")
    elif isinstance(vad.start, int) and vad.start != base:
        problems.append(f"it does not start where the mapped image does ({vad.start:#x})")
    elif isinstance(facts, PeFacts) and isinstance(vad.pages, int) and of_other_size(facts.size, vad, section):
        problems.append(f"its header says {facts.size:#x} bytes, but {vad.pages * PAGE:#x} are mapped")
    if isinstance(facts, PeFacts) and isinstance(file, FileHeader):
        for what, here, noted in (
            ("check sum", facts.checksum, file.checksum),
            ("DllCharacteristics", facts.characteristics, file.characteristics),
        ):
            if isinstance(noted, int) and here != noted:
                problems.append(
                    f"its header in memory has {what} {here:#x}, its file had {noted:#x} when it was mapped"
                )
    if vad is not None and isinstance(vad.file, str):
        name = vad.file.rsplit("\\", 1)[-1]
        made = process.image_path if role == PROGRAM else NOT_APPLICABLE
        if isinstance(made, str) and made.rpartition("\\")[2].lower() != name.lower():
            problems.append(f"the file that is mapped is {vad.file}, but the process was made from {made}")
    if isinstance(name, Absent) and name.kind in NOT_READ:
        problems.append(f"name: {name}")
    missing = sum(int((~there).sum()) for _, there in _pages(own, base, size))
    return Image(process, role, base, name, vad, facts, file, size, missing, tuple(dict.fromkeys(problems)))


def _has_tree(process: Process) -> bool:
    """Whether it is known to have a tree of VADs."""
    return isinstance(process.vad_root, int) and process.vad_root != 0


def _memory(vad: Vad) -> str:
    """What a range that holds no image is, in words."""
    if isinstance(vad.private, Absent):
        return "of a kind that is not known"
    return "private" if vad.private else "a plain mapping"


def _pages(own: Space, base: int, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The octets of an image and which pages of them there are, some pages at a time."""
    return pages_of(own, base, -(-min(size, SIZE_LIMIT) // PAGE))


def image_bytes(kernel: Kernel, image: Image) -> Iterator[bytes]:
    """The image as it lies in memory, in pieces; missing pages are zeros."""
    if isinstance(image.process.dtb, int):
        own = kernel.space.through(image.process.dtb)
        for octets, _ in _pages(own, image.base, image.size):
            yield octets.tobytes()
