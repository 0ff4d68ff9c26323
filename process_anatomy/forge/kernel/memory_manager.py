"""Globals of the kernel that lead to page files and to the compression store, where published facts have them.

Source: the symbols of each kernel's PDB and the places of its structures, as MemProcFS' database has them (info.db of
version 5.19), which finds them there by the PDB's GUID.
"""

from __future__ import annotations

from typing import NamedTuple

from process_anatomy.forge.ground.generations import since
from process_anatomy.forge.pe import headers as pe
from structs.layout import Build

PAGE = 0x1000
SM_GLOBALS, MI_STATE, MI_SYSTEM_PARTITION = NAMES = "SmGlobals", "MiState", "MiSystemPartition"
PUBLISHED: dict[str, tuple[int, int, int]] = {
    "x64-14393-0": (0x3BBA40, 0x321580, 0x324380),
    "x64-14393-4583": (0x3BAA40, 0x322280, 0x31F380),
    "x64-15063-0": (0x3F6A00, 0x368C80, 0x37D100),
    "x64-16299-15": (0x4119C0, 0x37FE80, 0x381E40),
    "x64-17134-1": (0x4769C0, 0x3DB280, 0x3DE0C0),
    "x64-17763-0": (0x55A9C0, 0x438AC0, 0x43CA00),
    "x64-17763-5696": (0x55A9C0, 0x438A80, 0x43C980),
    "x64-18362-0": (0x58B9C0, 0x464380, 0x468340),
    "x64-18362-476": (0x5889C0, 0x461200, 0x4651C0),
    "x64-19041-0": (0xD229C0, 0xC4C740, 0xC50B40),
    "x64-19041-2130": (0xD239C0, 0xC4C680, 0xC50B40),
    "x64-19041-3324": (0xD239C0, 0xC4C880, 0xC50D40),
    "x64-22000-194": (0xD31A00, 0xC4EF00, 0xC54E40),
    "x64-22000-2003": (0xD31A00, 0xC4F080, 0xC54FC0),
    "x64-22621-382": (0xC6B240, 0xC65140, 0xC6B300),
    "x64-26100-1742": (0xE27FC0, 0xE2C780, 0xE38940),
    "x86-15063-0": (0x22D700, 0x205200, 0x20B680),
    "x86-16299-15": (0x2812C0, 0x2599C0, 0x25DF00),
    "x86-17134-1": (0x2B5AC0, 0x289EC0, 0x28F880),
    "x86-17763-0": (0x2D1B00, 0x2A5940, 0x2AB5C0),
    "x86-18362-0": (0x30AB80, 0x2BEB80, 0x2C4600),
    "x86-19041-508": (0x31CC40, 0x2D4400, 0x2D9E80),
    "x86-19041-928": (0x313FC0, 0x2CB300, 0x2D0E00),
}
"""Layout to the places of nt!SmGlobals, nt!MiState and nt!MiSystemPartition in the kernel that it is forged as."""
OTHERS = {8: (0xC6B240, 0xC65140, 0xC6B300), 4: (0x31CC40, 0x2D4400, 0x2D9E80)}
"""Bytes of an address to the same for layouts that are not in the table: no reader knows them by their PDB."""
INVALID_PTE_MASK = {8: {
    14393: 1344 + 128, 15063: 1200 + 128, 16299: 1272 + 128, 17134: 1424 + 128, 17763: 5760 + 128, 18362: 5504 + 192,
    19041: 5568 + 192, 20348: 5632 + 192, 22000: 5760 + 192, 22621: 1536 + 192, 26100: 4224 + 192,
}, 4: {
    14393: 5984 + 56, 15063: 5960 + 56, 17134: 5976 + 56, 17763: 6080 + 128, 18362: 4864 + 128, 19041: 4928 + 128,
}}  # fmt: skip
"""Bytes of an address, and first build, to the place of MiState.Hardware.InvalidPteMask; of 64-bit kernels before 17763
no fact says where it is in Hardware."""
PAGING_FILES = {8: {
    14393: 5120 + 32, 15063: 5568 + 32, 16299: 5760 + 32, 17134: 6848 + 32, 17763: 7104 + 32, 18362: 7872 + 32,
    19041: 6912 + 32, 20348: 16704 + 32, 22621: 17024 + 32, 26100: 18496 + 32,
}, 4: {
    14393: 3392 + 16, 15063: 3520 + 20, 16299: 3648 + 20, 17134: 3968 + 20, 17763: 4160 + 20, 18362: 4544 + 20,
    19041: 3904 + 20,
}}  # fmt: skip
"""The same to the place of MiSystemPartition.Vp.PagingFile."""
SECTION, STEP = "CACHEALI", 0x8000
"""Name of a section of data that is put where another image than this build's has code, and bytes around a global."""


class Globals(NamedTuple):
    """Where the globals are, relative to the image, and where in them what is forged of them.

    Attributes:
        places: name to place.
        mask: of MiState.Hardware.InvalidPteMask.
        files: of MiSystemPartition.Vp.PagingFile.
    """

    places: dict[str, int]
    mask: int
    files: int


def has_globals(build: Build) -> bool:
    """Whether published facts have the globals of a kernel."""
    return build.number >= min(PAGING_FILES[build.pointer_size])


def globals_of(build: Build) -> Globals:
    """The globals of a kernel."""
    width = build.pointer_size
    manager, state, partition = PUBLISHED.get(build.name, OTHERS[width])
    return Globals(
        {SM_GLOBALS: manager, MI_STATE: state, MI_SYSTEM_PARTITION: partition},
        state + since(INVALID_PTE_MASK[width], build.number),
        partition + since(PAGING_FILES[width], build.number),
    )


def with_data(sections: tuple[pe.Section, ...], places: Globals) -> tuple[pe.Section, ...]:
    """The sections of an image, with data where its globals lie."""
    wanted = [*places.places.values(), places.mask, places.files]
    for place in wanted:
        inside = next(section for section in sections if section.start <= place < section.end)
        if inside.characteristics == pe.DATA:
            continue
        start = max(place & -PAGE, inside.start)
        end = min(start + 2 * PAGE, inside.end)
        parts = [
            pe.Section(inside.name, inside.start, start, inside.characteristics),
            pe.Section(SECTION, start, end, pe.DATA),
            pe.Section(inside.name, end, inside.end, inside.characteristics),
        ]
        kept = [part for part in parts if part.start < part.end]
        at = sections.index(inside)
        sections = (*sections[:at], *kept, *sections[at + 1 :])
    return sections
