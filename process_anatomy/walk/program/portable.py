"""What a PE image in memory says of itself, each fact with the pages that it rests on.

The structures are pefile's.  They are read one by one from the process's own pages, never from a copy in which
missing pages look like zeros: a fact that rests on a missing page is absent, and says which.  Every table is bounded,
for the numbers in it are whatever the image holds.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Any

import pefile

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.image import CODE_VIEW_TYPE, PEFILE_TROUBLE, Pdb, PeImage
from process_anatomy.kernel.resources import version_data
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.view import unreadable

SECTION_LIMIT = 96
"""Sections of an image at the most; Windows loads none with more."""
LIBRARY_LIMIT, IMPORT_LIMIT = 512, 1 << 14
"""Imported libraries, and functions imported from all of them, at the most."""
NAME_LIMIT = 512
DEBUG_LIMIT = 16
VERSION_LIMIT = 1 << 14
"""Bytes of a version resource at the most."""
RESOURCE_LIMIT = 1 << 10
"""Entries of a table of resources at the most."""
EXECUTABLE, READABLE, WRITABLE = 0x20000000, 0x40000000, 0x80000000
MITIGATIONS = {
    0x20: "HIGH_ENTROPY_VA",
    0x40: "DYNAMIC_BASE",
    0x80: "FORCE_INTEGRITY",
    0x100: "NX_COMPAT",
    0x200: "NO_ISOLATION",
    0x400: "NO_SEH",
    0x800: "NO_BIND",
    0x1000: "APPCONTAINER",
    0x2000: "WDM_DRIVER",
    0x4000: "GUARD_CF",
    0x8000: "TERMINAL_SERVER_AWARE",
}
"""IMAGE_DLLCHARACTERISTICS_* by bit, without the prefix (winnt.h)."""


@dataclass(frozen=True, slots=True)
class PeSection:
    """One section of an image.

    Attributes:
        name: up to eight characters.
        rva: where it starts, from the base.
        size: bytes in memory.
        characteristics: IMAGE_SCN_* bits.
    """

    name: str
    rva: int
    size: int
    characteristics: int

    @property
    def rights(self) -> str:
        """What its pages may be used for, as ``r-x``."""
        bits = ((READABLE, "r"), (WRITABLE, "w"), (EXECUTABLE, "x"))
        return "".join(letter if self.characteristics & bit else "-" for bit, letter in bits)

    def __str__(self) -> str:
        return f"{self.name} {self.rva:#x}+{self.size:#x} {self.rights}"


@dataclass(frozen=True, slots=True)
class PeFacts:
    """What an image says of itself.  Facts outside its headers may be :class:`~process_anatomy.absent.Absent`.

    Attributes:
        timestamp: TimeDateStamp; a hash in reproducible builds.
        machine: processor that it is for.
        bits: 32 or 64.
        subsystem: IMAGE_SUBSYSTEM_* without its prefix.
        size: SizeOfImage.
        checksum: of the file.
        characteristics: DllCharacteristics; :attr:`mitigations` names its bits.
        file_end: where the file ends by its header: behind the last octet of a section, from its start.
        entry: entry point from the base, 0 without one.
        entry_section: name of the section that holds it, not applicable without one or outside all.
        sections: in the order of the headers.
        imphash: hash of its imports, in their order.
        imports: functions that it imports.
        exports: entries of its export table.
        pdb: the PDB that the linker named.
        version: CompanyName, FileVersion and so on.
        rich: MD5 of the Rich header, which tells the compilers; not applicable without one.
        problems: what is odd, one line each.
    """

    timestamp: int
    machine: str
    bits: int
    subsystem: str
    size: int
    checksum: int
    characteristics: int
    file_end: int
    entry: int
    entry_section: str | Absent
    sections: tuple[PeSection, ...]
    imphash: str | Absent
    imports: int | Absent
    exports: int | Absent
    pdb: Pdb | Absent
    version: dict[str, str] | Absent
    rich: str | Absent
    problems: tuple[str, ...]

    @property
    def mitigations(self) -> tuple[str, ...]:
        """DllCharacteristics by name."""
        return tuple(name for bit, name in MITIGATIONS.items() if self.characteristics & bit)


class _MissingError(Exception):
    """A structure rests on bytes that cannot be had; carries the absence."""

    def __init__(self, absent: Absent) -> None:
        super().__init__(absent)
        self.absent = absent


def pe_facts(image: PeImage) -> PeFacts:
    """Everything that an image says of itself."""
    optional, file = image.pe.OPTIONAL_HEADER, image.pe.FILE_HEADER
    problems: list[str] = []
    sections = tuple(
        PeSection(
            bytes(s.Name).split(b"\0", 1)[0].decode("ascii", "replace"), s.VirtualAddress, s.Misc_VirtualSize,
            s.Characteristics,
        )
        for s in image.pe.sections[:SECTION_LIMIT]
    )  # fmt: skip
    if len(sections) < file.NumberOfSections:
        problems.append(f"the header counts {file.NumberOfSections} sections, {len(sections)} can be read")
    entry = optional.AddressOfEntryPoint
    holder = next((s for s in sections if s.rva <= entry < s.rva + s.size), None)
    if entry and sections and holder is None:
        problems.append(f"its entry point {entry:#x} lies in none of its sections")
    if holder is not None and entry and not holder.characteristics & EXECUTABLE:
        problems.append(f"its entry point {entry:#x} lies in {holder.name}, which is not executable")
    ends = [s.PointerToRawData + s.SizeOfRawData for s in image.pe.sections[:SECTION_LIMIT] if s.SizeOfRawData]
    end = max([optional.SizeOfHeaders, *ends])
    imphash, imports = _imports(image)
    pdb, version, exports = _pdb(image), _version(image), _exports(image)
    for what, fact in (("imports", imphash), ("exports", exports), ("debug", pdb), ("version", version)):
        if isinstance(fact, Absent) and fact.kind is Kind.IMPLAUSIBLE:
            problems.append(f"{what}: {fact}")
    return PeFacts(
        file.TimeDateStamp, image.machine, 64 if optional.Magic == 0x20B else 32, _subsystem(optional.Subsystem),
        optional.SizeOfImage, optional.CheckSum, optional.DllCharacteristics, end, entry,
        holder.name if holder and entry else NOT_APPLICABLE,
        sections, imphash, imports, exports, pdb, version, _rich(image),
        tuple(problems),
    )  # fmt: skip


def _subsystem(value: int) -> str:
    return str(pefile.SUBSYSTEM_TYPE.get(value, value)).removeprefix("IMAGE_SUBSYSTEM_")


def _rich(image: PeImage) -> str | Absent:
    try:
        found = image.pe.parse_rich_header()  # pefile's own hash of it wants a whole file
    except PEFILE_TROUBLE:
        found = None
    return hashlib.md5(found["clear_data"], usedforsecurity=False).hexdigest() if found else NOT_APPLICABLE


def _bytes(image: PeImage, rva: int, size: int) -> bytes:
    data = image.space.read(image.base + rva, size)
    if data is None:
        raise _MissingError(unreadable(image.space, image.base + rva, size))
    return data


def _structure(image: PeImage, form: Any, rva: int) -> Any:
    found = image.structure(form, rva)
    if found is None:
        raise _MissingError(unreadable(image.space, image.base + rva, pefile.Structure(form).sizeof()))
    return found


def _name(image: PeImage, rva: int) -> bytes:
    """A zero-ended name, read page by page up to its end."""
    name = b""
    while len(name) < NAME_LIMIT:
        here = rva + len(name)
        name += _bytes(image, here, min(64, PAGE - (image.base + here) % PAGE))
        if b"\0" in name:
            return name.split(b"\0", 1)[0]
    raise _MissingError(Absent(Kind.IMPLAUSIBLE, f"a name of more than {NAME_LIMIT} bytes at {image.base + rva:#x}"))


def _imports(image: PeImage) -> tuple[str | Absent, int | Absent]:
    """Hash and number of the imports, from the tables that the loader does not write to."""
    start, size = image.directory("IMAGE_DIRECTORY_ENTRY_IMPORT")
    if not start or not size:
        return NOT_APPLICABLE, 0
    libraries, total = [], 0
    try:
        for number in range(LIBRARY_LIMIT + 1):
            each = _structure(image, pefile.PE.__IMAGE_IMPORT_DESCRIPTOR_format__, start + 20 * number)
            if not each.Name or not each.FirstThunk:
                break
            if number == LIBRARY_LIMIT:
                raise _MissingError(Absent(Kind.IMPLAUSIBLE, f"more than {LIBRARY_LIMIT} imported libraries"))
            library = _name(image, each.Name)
            if not each.OriginalFirstThunk:
                reason = "the loader has written addresses over the only names of the imported functions"
                raise _MissingError(Absent(Kind.UNREADABLE, f"{image.base + each.FirstThunk:#x}: {reason}"))
            functions = _functions(image, each.OriginalFirstThunk, IMPORT_LIMIT - total)
            total += len(functions)
            libraries.append(pefile.ImportDescData(struct=each, imports=functions, dll=library))
    except _MissingError as gone:
        return gone.absent, gone.absent
    image.pe.DIRECTORY_ENTRY_IMPORT = libraries
    try:
        return (str(image.pe.get_imphash()) if total else NOT_APPLICABLE), total
    except PEFILE_TROUBLE as error:
        return Absent(Kind.IMPLAUSIBLE, f"the imports have no hash: {error}"), total


def _functions(image: PeImage, rva: int, most: int) -> list[Any]:
    """The functions imported from one library: names, or ordinals."""
    width = 8 if image.pe.OPTIONAL_HEADER.Magic == 0x20B else 4
    found: list[Any] = []
    for number in range(most + 1):
        thunk = int.from_bytes(_bytes(image, rva + width * number, width), "little")
        if not thunk:
            return found
        if thunk >> (8 * width - 1):
            found.append(pefile.ImportData(name=None, ordinal=thunk & 0xFFFF))
        else:
            found.append(pefile.ImportData(name=_name(image, (thunk & 0x7FFFFFFF) + 2), ordinal=None))
    raise _MissingError(Absent(Kind.IMPLAUSIBLE, f"more than {IMPORT_LIMIT} imported functions"))


def _exports(image: PeImage) -> int | Absent:
    start, size = image.directory("IMAGE_DIRECTORY_ENTRY_EXPORT")
    if not start or not size:
        return 0
    try:
        return int(_structure(image, pefile.PE.__IMAGE_EXPORT_DIRECTORY_format__, start).NumberOfFunctions)
    except _MissingError as gone:
        return gone.absent


def _pdb(image: PeImage) -> Pdb | Absent:
    """The CodeView record; where there is none to be read, whether that is because pages are missing."""
    if image.pdb is not None:
        return image.pdb
    start, size = image.directory("IMAGE_DIRECTORY_ENTRY_DEBUG")
    try:
        for number in range(min(size // 28, DEBUG_LIMIT) if start else 0):
            each = _structure(image, pefile.PE.__IMAGE_DEBUG_DIRECTORY_format__, start + 28 * number)
            if each.Type == CODE_VIEW_TYPE:
                _bytes(image, each.AddressOfRawData, 24)
    except _MissingError as gone:
        return gone.absent
    return NOT_APPLICABLE


def _version(image: PeImage) -> dict[str, str] | Absent:
    """The strings of the version resource: the first one, in its first language."""
    data = version_data(image, RESOURCE_LIMIT, VERSION_LIMIT)
    return data if isinstance(data, Absent) else _strings(data)


def _strings(data: bytes) -> dict[str, str] | Absent:
    """The strings of a version resource, parsed by pefile behind an empty header so that it sees nothing else."""
    header = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40) + b"PE\0\0"
    header += struct.pack("<HHIIIHH", 0x8664, 0, 0, 0, 0, 0xF0, 0x2022)
    header += struct.pack("<H", 0x20B).ljust(0xF0, b"\0")
    header = header.ljust(0x200, b"\0")
    try:
        pe = pefile.PE(data=header + data, fast_load=True)
        entry = pefile.Structure(pefile.PE.__IMAGE_RESOURCE_DATA_ENTRY_format__)
        entry.OffsetToData, entry.Size = len(header), len(data)
        pe.parse_version_information(entry)
        tables = [
            table
            for group in getattr(pe, "FileInfo", ())
            for part in group
            for table in getattr(part, "StringTable", ())
        ]
        return {
            key.decode("utf-8", "replace"): value.decode("utf-8", "replace")
            for table in tables[:1]
            for key, value in table.entries.items()
        }
    except PEFILE_TROUBLE as error:
        return Absent(Kind.IMPLAUSIBLE, f"the version resource cannot be parsed: {error}")
