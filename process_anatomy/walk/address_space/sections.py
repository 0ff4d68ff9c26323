"""Sections behind VADs: control area, its flags and counts, its parts, all VADs in a few batches.

Since Windows Vista a node points to the part of the section that is mapped, before to the control area, behind which
the first part lies.

Source: Windows Internals, memory management, section objects; _MMVAD, _SUBSECTION, _CONTROL_AREA and
_MMSECTION_FLAGS of the kernel's symbols; for parts behind a control area, and for the larger control area of sections
that are global within a session (_LARGE_CONTROL_AREA: four pointers more), Windows Internals, 4th edition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.space import Addresses, distinct
from process_anatomy.memory.view import Records, addresses_of
from process_anatomy.walk.address_space.vad_nodes import IMAGE_MAP, SHORT_TAGS, VAD_TYPES
from process_anatomy.walk.address_space.vads import Vad
from structs.machines import ARM, ARM64, ARM64EC, ARM64X, X64, X86
from structs.section import CONTROL_AREA, MMSECTION_FLAGS, SECTION_IMAGE_INFORMATION, SEGMENT, SUBSECTION
from structs.vad import MMVAD

SUBSECTION_LIMIT = 1024
"""Parts of one section that are counted at the most; an image has one for its headers and one for each part."""
MACHINES = {machine.number for machine in (X86, ARM, X64, ARM64, ARM64EC, ARM64X)}
"""IMAGE_FILE_MACHINE_* of every file that Windows maps; the last two are ARM64's x64 flavours."""


class Section(NamedTuple):
    """What stands behind one VAD.  Not applicable for private memory; any fact may be absent for another reason.

    Attributes:
        control_area: address of the _CONTROL_AREA.
        subsections: number of parts, from the one that is mapped on; of the whole section before Windows Vista.
        flags: names of the bits of _MMSECTION_FLAGS that are set, with commas.
        views: views mapped of it, in all processes.
        references: section objects that refer to it.
        file_object: address of the _FILE_OBJECT.
        first_prototype: address of the prototype entry of the first page.
        last_prototype: address of the last prototype entry that follows on without a gap.
        problems: what is odd, one line each.
        pages: pages of the whole section, as its segment says.
    """

    control_area: int | Absent = NOT_APPLICABLE
    subsections: int | Absent = NOT_APPLICABLE
    flags: str | Absent = NOT_APPLICABLE
    views: int | Absent = NOT_APPLICABLE
    references: int | Absent = NOT_APPLICABLE
    file_object: int | Absent = NOT_APPLICABLE
    first_prototype: int | Absent = NOT_APPLICABLE
    last_prototype: int | Absent = NOT_APPLICABLE
    problems: tuple[str, ...] = ()
    pages: int | Absent = NOT_APPLICABLE


NO_SECTION = Section()
PLAIN = VAD_TYPES[0]
"""Kind of a range that maps a section of data, or is private."""


def has_section(vad: Vad) -> bool:
    """Whether a section stands behind a node: its pool tag tells; where that is not known, the private bit."""
    return vad.tag not in SHORT_TAGS if isinstance(vad.tag, str) else vad.private == 0


def _untold(vad: Vad) -> Section | None:
    """What is known of the section behind a node of which neither tag nor private bit can be read; else ``None``."""
    gone = vad.private
    if isinstance(vad.tag, str) or not isinstance(gone, Absent):
        return None
    return Section(gone, gone, gone, gone, gone, gone, gone, gone)


def sections(kernel: Kernel, rows: Sequence[Vad]) -> list[Section]:
    """The section behind each of these VADs, in their order."""
    found = [_untold(row) or NO_SECTION for row in rows]
    mapped = [number for number, row in enumerate(rows) if has_section(row)]
    if not mapped:
        return found
    nodes = kernel.view.records(MMVAD, addresses_of([rows[number].address for number in mapped]))
    direct = "ControlArea" in nodes.structure
    below = "ControlArea" if direct else "Subsection"
    pointers = nodes.values(below)
    parts, part_of = distinct(_in_kernel(kernel, nodes, below))
    entries: list[tuple[Any, Any]] = []
    if direct:
        areas, named = parts.tolist(), parts
        parts = _first_parts(kernel, parts)
    else:
        held = kernel.view.records(SUBSECTION, parts)
        areas, named = held.values("ControlArea"), _in_kernel(kernel, held, "ControlArea")
        entries = list(zip(held.values("SubsectionBase"), held.values("PtesInSubsection"), strict=True))
    counts = _lengths(kernel, parts)
    control, control_of = distinct(named)
    shared = _control_areas(kernel, control)
    firsts, lasts = nodes.values("FirstPrototypePte"), nodes.values("LastContiguousPte")
    for step, number in enumerate(mapped):
        part = int(part_of[step])
        stated, area = pointers[step], areas[part]
        if not _kernel(kernel, stated):
            if stated == 0 and rows[number].private == 1:
                continue  # a node with room for a section (_MMVAD_LONG, of Windows XP's TEBs) that needs none
            gone = _gone(stated, "control area" if direct else "subsection", _needed(rows[number]))
            found[number] = Section(gone, gone, gone, gone, gone, gone, firsts[step], lasts[step])
            continue
        if not _kernel(kernel, area):
            gone = _gone(area, "control area", needed=True)
            found[number] = Section(
                gone, counts[part], gone, gone, gone, gone, firsts[step], lasts[step], (f"its section: {gone}",)
            )
            continue
        flags, views, references, file_object, problems, prototypes, pages = shared[int(control_of[part])]
        problems += tuple(_against(rows[number], flags, file_object))
        if entries and _needed(rows[number]) and _beside(firsts[step], *entries[part]):
            problems += ("its first prototype entry is none of the part of the section that it maps",)
        # an image is mapped from its first part on, and the prototype entries of all parts begin with that one's
        if entries and rows[number].vad_type == IMAGE_MAP and _differ(prototypes, entries[part][0]):
            problems += ("the part of the section that it maps is not of the section that this part names",)
        found[number] = Section(
            area, counts[part], flags, views, references, file_object, firsts[step], lasts[step], problems, pages
        )
    return found


def _needed(vad: Vad) -> bool:
    """Whether a node of this kind maps a section, so that the way to it cannot be zero."""
    return vad.vad_type == IMAGE_MAP or (vad.vad_type == PLAIN and vad.private == 0)


def _against(vad: Vad, flags: str | Absent, file_object: int | Absent) -> Iterator[str]:
    """What a control area says otherwise than the node that maps it."""
    if vad.vad_type != IMAGE_MAP or not isinstance(flags, str):
        return
    named = flags.split(",")
    if "Image" not in named:
        yield "an image is mapped, but its section is not flagged as one"
    if file_object == NOT_APPLICABLE and "FilePointerNull" not in named:
        yield "an image is mapped, but its section names no file"


def _differ(one: Any, other: Any) -> bool:
    """Whether two addresses are known, and not the same."""
    return isinstance(one, int) and isinstance(other, int) and bool(one and other) and one != other


def _beside(first: Any, base: Any, count: Any) -> bool:
    """Whether a prototype entry is none of a subsection's; an entry has at most eight bytes."""
    if not (isinstance(first, int) and isinstance(base, int) and isinstance(count, int) and first and base):
        return False
    return not base <= first < base + 8 * count


def _first_parts(kernel: Kernel, areas: Addresses) -> Addresses:
    """The subsection behind each control area, proved by its pointing back; 0 where there is none."""
    small = np.uint64(kernel.build[CONTROL_AREA].sizeof)
    large = small + np.uint64(4 * kernel.build.pointer_size)
    place = kernel.build[SUBSECTION].place("ControlArea")
    found = np.zeros(len(areas), dtype=np.uint64)
    for size in (large, small):
        data, there = kernel.space.read_many(areas + size + np.uint64(place.offset), place.size)
        back = data.view(f"<u{place.size}").reshape(-1).astype(np.uint64)
        found = np.where(there & (back == areas) & (areas != 0), areas + size, found)
    return found


@dataclass(frozen=True, slots=True)
class FileHeader:
    """What the kernel noted of an image file's headers when it mapped it (_SECTION_IMAGE_INFORMATION).

    Attributes:
        characteristics: DllCharacteristics.
        size: bytes of the file; absent in builds that do not note it (Windows Server 2003 without a service pack).
        checksum: of the file; absent in builds that do not note it (before Windows Vista).
    """

    characteristics: int
    size: int | Absent
    checksum: int | Absent


def file_headers(kernel: Kernel, backing: Sequence[Section]) -> list[FileHeader | Absent]:
    """The kernel's note of the file behind each of these sections, in their order; not applicable without one."""
    if SECTION_IMAGE_INFORMATION not in kernel.build:
        return [Absent(Kind.NOT_IN_BUILD, "the layout has no _SECTION_IMAGE_INFORMATION")] * len(backing)
    found: list[Any] = [section.control_area for section in backing]
    steps = (
        (CONTROL_AREA, "Segment", "segment", True),
        (SEGMENT, "ImageInformation", "record of an image file", False),  # data has none
    )
    for layout, field, what, needed in steps:
        rows = [row for row, value in enumerate(found) if _kernel(kernel, value)]
        values = kernel.view.records(layout, addresses_of([found[row] for row in rows])).values(field)
        for row, value in zip(rows, values, strict=True):
            found[row] = value if _kernel(kernel, value) else _gone(value, what, needed)
        if layout is CONTROL_AREA:
            _prove(kernel, found, rows, [backing[row].control_area for row in rows])
    rows = [row for row, value in enumerate(found) if _kernel(kernel, value)]
    records = kernel.view.records(SECTION_IMAGE_INFORMATION, addresses_of([found[row] for row in rows]))
    names = ("Machine", "DllCharacteristics", "ImageFileSize", "CheckSum")
    for row, facts in zip(rows, zip(*(records.values(name) for name in names), strict=True), strict=True):
        lost = (fact for fact in facts if isinstance(fact, Absent) and fact.kind is not Kind.NOT_IN_BUILD)
        absent = next(lost, None)
        if absent is None and facts[0] not in MACHINES:
            absent = Absent(Kind.IMPLAUSIBLE, f"{found[row]:#x} holds no record of an image file")
        found[row] = FileHeader(*facts[1:]) if absent is None else absent
    return [value if isinstance(value, (FileHeader, Absent)) else NOT_APPLICABLE for value in found]


def _in_kernel(kernel: Kernel, records: Records, field: str) -> Addresses:
    """A pointer of each record that leads into the kernel's half, 0 where it is none or could not be read."""
    pointers = records.array(field).astype(np.uint64)
    found: Addresses = np.where(pointers >= np.uint64(kernel.system_start), pointers, np.uint64(0))
    return found


def _kernel(kernel: Kernel, value: Any) -> int:
    """A pointer into the kernel's half, else 0."""
    return value if isinstance(value, int) and value >= kernel.system_start else 0


def _prove(kernel: Kernel, found: list[Any], rows: Sequence[int], areas: Sequence[Any]) -> None:
    """Keep of segments only those that name the control area that led to them."""
    places = addresses_of([_kernel(kernel, found[row]) for row in rows])
    for row, area, back in zip(rows, areas, kernel.view.records(SEGMENT, places).values("ControlArea"), strict=True):
        if isinstance(found[row], int) and isinstance(back, int) and back != area:
            found[row] = Absent(Kind.IMPLAUSIBLE, f"the segment at {found[row]:#x} is of another control area")


def _gone(value: Any, what: str, needed: bool) -> Absent:
    """Why there is nothing at the end of a pointer, which is zero only where nothing is needed there."""
    if isinstance(value, Absent):
        return value
    if value == 0 and needed:
        return Absent(Kind.IMPLAUSIBLE, f"the address of its {what} is zero, though there must be one")
    return NOT_APPLICABLE if value == 0 else Absent(Kind.IMPLAUSIBLE, f"{value:#x} is no address of a {what}")


_Area = tuple[Any, Any, Any, Any, tuple[str, ...], Any, Any]


def _control_areas(kernel: Kernel, addresses: Addresses) -> list[_Area]:
    """Flags, views, references, file object, problems, prototype entries and pages of control areas."""
    records = kernel.view.records(CONTROL_AREA, addresses)
    segments = kernel.view.records(SEGMENT, _in_kernel(kernel, records, "Segment"))
    rows: list[_Area] = []
    words = records.values("Flags")
    named = {flags: _flag_names(kernel, flags) for flags in set(words)}
    for area, flags, views, references, pointer, prototypes, back, pages in zip(
        addresses.tolist(),
        words,
        records.values("NumberOfMappedViews"),
        records.values("NumberOfSectionReferences"),
        records.values("FilePointer"),
        segments.values("PrototypePte"),
        segments.values("ControlArea"),
        segments.values("TotalNumberOfPtes"),
        strict=True,
    ):
        file_object = pointer if isinstance(pointer, Absent) else pointer & ~kernel.build.fast_ref or NOT_APPLICABLE
        problems: tuple[str, ...] = ()
        if isinstance(views, int) and views == 0:
            problems = ("its section counts no view, though this is one",)
        other = isinstance(back, int) and back != area
        size = Absent(Kind.IMPLAUSIBLE, "its segment is of another control area") if other else pages
        rows.append((named[flags], views, references, file_object, problems, prototypes, size))
    return rows


def _flag_names(kernel: Kernel, flags: Any) -> Any:
    """Names of the bits that are set, as this build has them; a bit without a name by its number."""
    if isinstance(flags, Absent) or MMSECTION_FLAGS not in kernel.build:
        return flags
    structure = kernel.build[MMSECTION_FLAGS]
    bits = {place.bit or 0: name for name, place in structure.places.items()}
    return ",".join(name for bit, name in sorted(bits.items()) if flags >> bit & 1)


def _lengths(kernel: Kernel, addresses: Addresses) -> list[Any]:
    """How many subsections follow each of these, itself counted, all chains one step at a time."""
    place = kernel.build[SUBSECTION].place("NextSubsection")
    counts = np.zeros(len(addresses), dtype=np.int64)
    broken = np.zeros(len(addresses), dtype=np.bool_)
    rows, at = np.flatnonzero(addresses), addresses[np.flatnonzero(addresses)]
    for _ in range(SUBSECTION_LIMIT):
        if not len(rows):
            break
        data, there = kernel.space.read_many(at + np.uint64(place.offset), place.size)
        counts[rows] += there
        following = data.view(f"<u{place.size}").reshape(-1).astype(np.uint64)
        broken[rows] |= ~there | ((following != 0) & (following < np.uint64(kernel.system_start)))
        going = there & (following >= np.uint64(kernel.system_start))
        rows, at = rows[going], following[going]
    broken[rows] = True  # longer than any section: its chain loops
    doubt = Absent(Kind.IMPLAUSIBLE, "the chain of subsections does not end")
    none = Absent(Kind.IMPLAUSIBLE, "no subsection lies where one should")
    return [
        doubt if bad else count if start else none
        for bad, count, start in zip(broken.tolist(), counts.tolist(), addresses.tolist(), strict=True)
    ]
