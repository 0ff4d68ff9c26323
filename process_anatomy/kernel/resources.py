"""The version resource of an executable in memory, found by its resource directory of three levels.

Source: Microsoft Learn, PE Format, the .rsrc section (type, name and language, each a table of entries).
"""

from __future__ import annotations

import struct

import pefile

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.image import PeImage
from process_anatomy.memory.view import unreadable

RT_VERSION = 16
SUBDIRECTORY = 0x8000_0000
"""The bit of an entry that leads to another table, not to data."""
ENTRY = struct.Struct("<II")
TABLE = pefile.Structure(pefile.PE.__IMAGE_RESOURCE_DIRECTORY_format__).sizeof()
DATA = pefile.Structure(pefile.PE.__IMAGE_RESOURCE_DATA_ENTRY_format__).sizeof()


def version_data(image: PeImage, entries: int, most: int) -> bytes | Absent:
    """The octets of the version resource: the first of its names, in its first language.

    Not applicable where the image has none.

    Args:
        image: the executable.
        entries: of one table that are looked at at the most.
        most: bytes of a version resource at the most.
    """
    start, size = image.directory("IMAGE_DIRECTORY_ENTRY_RESOURCE")
    if not start or not size:
        return NOT_APPLICABLE
    place = 0
    for wanted in (RT_VERSION, None, None):
        found = _entry(image, start + (place & ~SUBDIRECTORY), wanted, entries)
        if isinstance(found, Absent):
            return found
        place = found
        if not place & SUBDIRECTORY:
            break
    here = start + (place & ~SUBDIRECTORY)
    data = image.structure(pefile.PE.__IMAGE_RESOURCE_DATA_ENTRY_format__, here)
    if data is None:
        return unreadable(image.space, image.base + here, DATA)
    if data.Size > most:
        return Absent(Kind.IMPLAUSIBLE, f"a version resource of {data.Size} bytes")
    octets = image.space.read(image.base + data.OffsetToData, data.Size)
    return unreadable(image.space, image.base + data.OffsetToData, data.Size) if octets is None else octets


def _entry(image: PeImage, rva: int, wanted: int | None, entries: int) -> int | Absent:
    """Where an entry of a table leads: the one with a number, or the first; not applicable without such a one."""
    table = image.structure(pefile.PE.__IMAGE_RESOURCE_DIRECTORY_format__, rva)
    if table is None:
        return unreadable(image.space, image.base + rva, TABLE)
    for number in range(min(table.NumberOfNamedEntries + table.NumberOfIdEntries, entries)):
        here = image.base + rva + TABLE + ENTRY.size * number
        data = image.space.read(here, ENTRY.size)
        if data is None:
            return unreadable(image.space, here, ENTRY.size)
        name, leads = ENTRY.unpack(data)
        if wanted is None or name == wanted:
            return int(leads)
    return NOT_APPLICABLE
