"""Modules: what the loader's lists say, joined with the images that are mapped, and where the two disagree.

One row for each module base of a process.  The loader's lists are user memory and easily changed; the VAD of a mapped
image and the file behind it are the kernel's.  The header in memory is a third witness: it names size, entry point and
time stamp once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.view import addresses_of, unreadable
from process_anatomy.walk.address_space.extensions import extension, of_other_size
from process_anatomy.walk.address_space.sections import NO_SECTION, Section, sections
from process_anatomy.walk.address_space.vad_nodes import IMAGE_MAP
from process_anatomy.walk.address_space.vads import Vad, VadTable, vads
from process_anatomy.walk.processes.listed import NOT_READ, Process
from process_anatomy.walk.program.loader import LoaderEntry, LoaderTable, loader_entries

NEW_HEADER = 0x3C
"""Place of e_lfanew, the address of the PE header, in the DOS header."""
HEADER_SIZE = 0x5C
"""Bytes of the PE header up to the check sum: the same places in PE32 and PE32+."""
MANAGED = 0x400000
"""CorImage in the entry's Flags: the loader gives .NET images another entry point than their header does."""
LISTED, NOT_LISTED, NO_IMAGE, NO_LOADER, UNREADABLE = "listed", "not-listed", "no-image", "no-loader", "unreadable"
AGREES, DIFFERS = "agrees", "differs"


class Header(NamedTuple):
    """What the PE header in memory says of the image."""

    timestamp: int
    entry: int
    size: int
    checksum: int


class Module(NamedTuple):
    """One module of a process.  Facts of the loader are not applicable where no list holds it.

    Attributes:
        process: the process.
        entry: the loader's entry, the native one where both loaders have one.
        entry32: the 32-bit loader's entry, if there is one.
        vad: the VAD of the mapped image, ``None`` where no image is mapped at the base.
        base: first address of the module.
        header: what the header in memory says, absent where it is not in memory or is none.
        state: ``listed``, ``not-listed`` (mapped, but in no list), ``no-image`` (in a list, but no image there),
            ``no-loader`` (mapped, in a process without a loader of its own), ``unreadable``.
        compared: ``agrees`` or ``differs``, of header and entry; absent where there are not both.
        problems: what is odd or could not be read, one line each.
        disputed: whether lists, mapped file and header say different things; what could not be read is no dispute.
        section: the section behind a mapped image whose view is longer than the image.
    """

    process: Process
    entry: LoaderEntry | None
    entry32: LoaderEntry | None
    vad: Vad | None
    base: int | Absent
    header: Header | Absent
    state: str
    compared: str | Absent
    problems: tuple[str, ...]
    disputed: bool = False
    section: Section = NO_SECTION

    @property
    def extension(self) -> int | Absent:
        """Pages behind the image's end that Windows mapped with it."""
        return NOT_APPLICABLE if self.vad is None else extension(self.vad, self.section)

    def told(self, name: str) -> Any:
        """A fact of the loader's entry, by the name of its attribute."""
        return getattr(self.entry, name) if self.entry is not None else NOT_APPLICABLE

    def held(self, order: str) -> bool:
        """Whether one of the lists of that order holds it."""
        return any(order in entry.orders for entry in (self.entry, self.entry32) if entry is not None)

    @property
    def bits(self) -> str:
        """The loaders that list it by their pointers: ``64``, ``32``, ``64,32`` or nothing."""
        return ",".join(str(entry.bits) for entry in (self.entry, self.entry32) if entry is not None)

    @property
    def mapped_path(self) -> str | Absent:
        """The file of the mapped image, not applicable where no image is mapped."""
        return self.vad.file if self.vad is not None else NOT_APPLICABLE

    @property
    def size(self) -> int | Absent:
        """Bytes as the loader says; those of the mapping where no list holds it."""
        if self.entry is not None:
            return self.entry.size
        if self.vad is None:
            return NOT_APPLICABLE
        return self.vad.pages if isinstance(self.vad.pages, Absent) else self.vad.pages * PAGE

    @property
    def name(self) -> str | Absent:
        """The loader's file name; that of the mapped file where no list holds it."""
        if self.entry is not None:
            return self.entry.name
        path = self.mapped_path
        return path if isinstance(path, Absent) else path.rsplit("\\", 1)[-1]


@dataclass(frozen=True, slots=True)
class ModuleTable:
    """The modules of some processes.

    Attributes:
        rows: in the order of the processes, each in load order; then what no list holds.
        problems: what no row can say, one line each.
        cut: addresses of the processes whose loader's lists could not be followed to their end.
    """

    rows: tuple[Module, ...]
    problems: tuple[str, ...]
    cut: frozenset[int] = frozenset()


def modules(kernel: Kernel, processes: Sequence[Process], trees: VadTable | None = None) -> ModuleTable:
    """Every module of the processes: what their loaders list, and every mapped image.

    Args:
        kernel: whose memory.
        processes: whose modules.
        trees: the VADs of these processes, where they have been walked already.
    """
    loaded = loader_entries(kernel, processes)
    trees = vads(kernel, processes) if trees is None else trees
    rooted = {vad.process.address for vad in trees.rows}
    broken = trees.broken.keys()
    mapped: dict[int, dict[int, Vad]] = {}
    for vad in trees.rows:
        if vad.vad_type == IMAGE_MAP and isinstance(vad.start, int):
            mapped.setdefault(vad.process.address, {}).setdefault(vad.start, vad)
    grouped = _grouped(loaded, processes)
    cases = [case for process, entries in grouped for case in _cases(process, entries, mapped, loaded.bits)]
    headers = _headers(kernel, [(process, base) for process, base, _, _, _ in cases])
    longer = {vad.address: vad for *_, vad in cases if vad is not None and vad.extended == 1}
    behind = dict(zip(longer, sections(kernel, list(longer.values())), strict=True))
    rows = tuple(
        _row(
            *case,
            header,
            loaded,
            case[0].address in rooted,
            case[0].address in broken,
            NO_SECTION if case[4] is None else behind.get(case[4].address, NO_SECTION),
        )
        for case, header in zip(cases, headers, strict=True)
    )
    told = {(row.process.address) for row in rows}
    problems = [*loaded.problems, *trees.problems]
    problems += [
        f"process {process.pid}: its loader's lists cannot be read: {loaded.gone[process.address, loaded.bits]}"
        for process in processes
        if (process.address, loaded.bits) in loaded.gone and process.address not in told
    ]
    cut = frozenset(loaded.cut) | {address for address, _ in loaded.gone}
    return ModuleTable(rows, tuple(problems), cut)


Case = tuple[Process, "int | Absent", "LoaderEntry | None", "LoaderEntry | None", "Vad | None"]


def _grouped(loaded: LoaderTable, processes: Sequence[Process]) -> Iterator[tuple[Process, list[LoaderEntry]]]:
    by_process: dict[int, list[LoaderEntry]] = {}
    for entry in loaded.entries:
        by_process.setdefault(entry.process.address, []).append(entry)
    for process in processes:
        yield process, by_process.get(process.address, [])


def _cases(
    process: Process, entries: Iterable[LoaderEntry], mapped: dict[int, dict[int, Vad]], native: int
) -> Iterator[Case]:
    """Entries and mapped images of one process, joined by base; a second native entry of a base is a row of its own."""
    images = mapped.get(process.address, {})
    joined: list[Any] = []
    first: dict[int, Any] = {}
    for entry in entries:
        known = first.get(entry.base) if isinstance(entry.base, int) else None
        small = entry.bits != native
        if known is not None and small and known[3] is None:
            known[3] = entry
            continue
        vad = images.get(entry.base) if isinstance(entry.base, int) else None
        case = [process, entry.base, None if small else entry, entry if small else None, vad]
        joined.append(case)
        if isinstance(entry.base, int):
            first.setdefault(entry.base, case)
    for case in joined:
        if case[2] is None:
            case[2], case[3] = case[3], None
        yield process, case[1], case[2], case[3], case[4]
    for base in sorted(images.keys() - first.keys()):
        yield process, base, None, None, images[base]


def _headers(kernel: Kernel, wanted: Sequence[tuple[Process, int | Absent]]) -> list[Header | Absent]:
    """The PE header at each base, two reads for all of them: where it is, then what it says."""
    space = kernel.space
    bases = addresses_of([base if isinstance(base, int) and base < kernel.system_start else 0 for _, base in wanted])
    roots = addresses_of([p.dtb if isinstance(p.dtb, int) else 0 for p, _ in wanted])
    start, there = space.read_many(bases, NEW_HEADER + 4, roots)
    at = start[:, NEW_HEADER:].copy().view("<u4").reshape(-1).astype(np.uint64)
    dos = (start[:, 0] == ord("M")) & (start[:, 1] == ord("Z")) & (at <= np.uint64(PAGE - HEADER_SIZE))
    where = np.where(there & dos, bases + at, np.uint64(0))
    data, read = space.read_many(where, HEADER_SIZE, roots)
    magic = data[:, :4].copy().view("<u4").reshape(-1) == 0x4550
    words = data.copy().view("<u4")
    found: list[Header | Absent] = []
    for row, (_, base) in enumerate(wanted):
        if isinstance(base, Absent) or not bases[row]:
            found.append(NOT_APPLICABLE)
        elif not there[row] or (dos[row] and not read[row]):
            found.append(unreadable(space.through(int(roots[row])), int(bases[row]), NEW_HEADER + 4))
        elif not dos[row] or not magic[row]:
            found.append(Absent(Kind.IMPLAUSIBLE, f"{base:#x} holds no PE header"))
        else:
            found.append(Header(*(int(words[row, place // 4]) for place in (0x08, 0x28, 0x50, 0x58))))
    return found


def _row(
    process: Process,
    base: int | Absent,
    entry: LoaderEntry | None,
    entry32: LoaderEntry | None,
    vad: Vad | None,
    header: Header | Absent,
    loaded: LoaderTable,
    rooted: bool,
    broken: bool,
    section: Section,
) -> Module:
    problems: list[str] = []
    disputes: list[str] = []
    compared: str | Absent = NOT_APPLICABLE
    whole = process.address not in loaded.cut and not any((process.address, b) in loaded.gone for b in (64, 32))
    if entry is None:
        state = NOT_LISTED if whole and isinstance(process.peb, int) else NO_LOADER
        if state == NOT_LISTED:
            problems.append("it is mapped, but none of the loader's lists holds it")
        problems += [
            f"the {bits}-bit loader's lists cannot be read: {loaded.gone[process.address, bits]}"
            for bits in (64, 32)
            if (process.address, bits) in loaded.gone
        ]
        if process.address in loaded.cut:
            problems.append("no list holds it as far as the loader's lists could be followed")
    else:
        state = LISTED if vad is not None or not rooted else NO_IMAGE
        if isinstance(entry.base, Absent) or (state == NO_IMAGE and broken):
            state = UNREADABLE
            if isinstance(entry.base, int):
                problems.append("whether an image is mapped at its base is not known: its VADs are not known whole")
        elif state == NO_IMAGE:
            problems.append("a list holds it, but no image is mapped at its base")
        for one in (entry, entry32):
            if one is not None:
                disputes += [*against_lists(one), *against_mapping(one, vad, section)]
                problems += [*one.problems, *disputes]
        if isinstance(header, Header):
            wrong = list(against_header(entry, header))
            compared = DIFFERS if wrong else AGREES
            disputes += wrong
            problems += wrong
        else:
            compared = header
    if isinstance(header, Absent) and header.kind is Kind.IMPLAUSIBLE:
        problems.append(header.reason)
        disputes.append(header.reason)
    if vad is not None and isinstance(vad.file, Absent) and vad.file.kind in NOT_READ:
        problems.append(f"MappedPath: {vad.file}")
    disputed = bool(disputes) or any(one.astray for one in (entry, entry32) if one is not None)
    told = tuple(dict.fromkeys(problems))
    return Module(process, entry, entry32, vad, base, header, state, compared, told, disputed, section)


def against_lists(entry: LoaderEntry) -> Iterator[str]:
    """Lists that do not agree: load and memory order hold the same modules; initialisation order fewer, no others."""
    load, memory, started = (
        order in entry.orders for order in ("InLoadOrder", "InMemoryOrder", "InInitializationOrder")
    )
    if load != memory or (started and not load):
        without = [name for name, held in (("load", load), ("memory", memory)) if not held]
        yield f"the {entry.bits}-bit loader's lists do not agree: it is not in {' and '.join(without)} order"


def against_mapping(entry: LoaderEntry, vad: Vad | None, section: Section = NO_SECTION) -> Iterator[str]:
    """What the loader says otherwise than the VAD of the mapped image."""
    path, name = entry.path, entry.name
    if isinstance(path, str) and isinstance(name, str) and path.rsplit("\\", 1)[-1].lower() != name.lower():
        yield f"its name {name} is not that of its path {path}"
    if vad is None:
        return
    if isinstance(path, str) and isinstance(vad.file, str) and not same_file(path, vad.file, entry.bits):
        yield f"the loader says {path}, but the file that is mapped is {vad.file}"
    if isinstance(entry.size, int) and isinstance(vad.pages, int) and of_other_size(entry.size, vad, section):
        yield f"the loader says {entry.size:#x} bytes, but {vad.pages * PAGE:#x} are mapped"


def same_file(path: str, file: str, bits: int = 64) -> bool:
    """Whether a path with a drive and a name within a device can mean the same file.

    32-bit programs see SysWOW64 under the name System32, and early processes name their files from SystemRoot.
    """
    given, mapped = path.lower(), file.lower()
    if bits == 32:
        given, mapped = (text.replace("\\syswow64\\", "\\system32\\") for text in (given, mapped))
    if given.startswith("\\systemroot\\"):
        return mapped.endswith(given.removeprefix("\\systemroot"))
    return given.removeprefix("\\??\\").endswith(mapped)


def against_header(entry: LoaderEntry, header: Header) -> Iterator[str]:
    """The header in memory against the loader's entry."""
    if isinstance(entry.size, int) and entry.size != header.size:
        yield f"the loader says {entry.size:#x} bytes, the header {header.size:#x}"
    if isinstance(entry.timestamp, int) and entry.timestamp != header.timestamp:
        yield f"the loader says time stamp {entry.timestamp:#x}, the header {header.timestamp:#x}"
    managed = isinstance(entry.flags, int) and entry.flags & MANAGED
    if isinstance(entry.entry_point, int) and isinstance(entry.base, int) and not managed:
        expected = entry.base + header.entry if header.entry else 0
        if entry.entry_point not in (expected, entry.base + header.entry):
            yield f"the loader says entry point {entry.entry_point:#x}, the header {expected:#x}"
