"""Which pages of memory a hibernation file holds, and in what blocks they are packed.

Since Windows 8 it holds rows of compression sets (:mod:`process_anatomy.memory.hibernation_sets`), before that a
chain of tables (:mod:`process_anatomy.memory.hibernation_tables`).

Source: see :mod:`structs.hibernation`.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from process_anatomy.memory.hibernation_blocks import HibernationError, HibernationFile
from process_anatomy.memory.hibernation_sets import read_sets
from process_anatomy.memory.hibernation_tables import first_table, read_tables
from process_anatomy.memory.physical import PAGE, PageReader
from structs.hibernation import LENGTH_AT, LINK, PAGE_SIZE_AT, RESTORE_SETS, RESUMED, TABLES, WIPED, WRITTEN

__all__ = ["HibernationError", "HibernationFile", "is_hibernation", "read_hibernation"]
WORD = struct.Struct("<I")


def read_hibernation(read: PageReader, size: int) -> HibernationFile:
    """The pages of a hibernation file.

    Args:
        read: gives bytes of the file, ``None`` where it has not all of them.
        size: bytes of the file.

    Raises:
        HibernationError: it is none that can be read.
    """
    head = read(0, min(size, PAGE)) or b""
    mark = head[:4].upper()
    if not is_hibernation(read):
        raise HibernationError("this is no hibernation file")
    if len(head) < PAGE:
        raise HibernationError(f"this hibernation file ends within its header, after {size} bytes: copy it again")
    if mark == LINK:
        raise HibernationError(
            "this hibernation file only leads to one on another volume (it begins with link): take that"
        )
    begins = "its header is wiped" if mark == WIPED else f"it begins with {mark.decode('ascii')}"
    try:
        found = read_tables(read, size, first_table(read)) if mark == WIPED else _found(read, size, head)
    except HibernationError as error:
        if mark in WRITTEN:
            raise HibernationError(f"this hibernation file cannot be read: {error}") from None
        raise HibernationError(
            f"this is the hibernation file of a system that {RESUMED[mark]} ({begins}), and memory is no longer in it:"
            f" {error}; take the file while the system is hibernated"
        ) from None
    if mark in WRITTEN:
        return found
    told = f"the memory in this hibernation file is of before: the system {RESUMED[mark]} ({begins})"
    return replace(found, doubts=(told, *found.doubts))


def _found(read: PageReader, size: int, head: bytes) -> HibernationFile:
    """The pages, whatever was done with the file after they were written.

    Raises:
        HibernationError: there are none, or the header is none that is known.
    """
    length = WORD.unpack_from(head, LENGTH_AT)[0]
    sets, tables = RESTORE_SETS.get(length), TABLES.get(length)
    places = tables if sets is None else sets
    if places is None:
        raise HibernationError(
            f"its header says that it has {length:#x} bytes, as in no hibernation file whose form is public (Windows 7"
            " to 11 25H2); it is damaged, or of another Windows: take a memory image or a crash dump of that system"
        )
    page_size = WORD.unpack_from(head, PAGE_SIZE_AT[places.pointer_size])[0]
    if page_size != PAGE:
        raise HibernationError(f"its header says that pages have {page_size:#x} bytes: it is damaged")
    if sets is not None:
        return read_sets(read, size, head, sets)
    assert tables is not None
    page = struct.unpack_from("<Q" if tables.pointer_size == 8 else "<I", head, tables.first_table)[0]
    return read_tables(read, size, page, tables.pointer_size)


def is_hibernation(read: PageReader) -> bool:
    """Whether a file is a hibernation file: by its mark, or, where Windows 7 wiped that, by that of its first block."""
    head = read(0, len(WIPED)) or b""
    mark = head.upper()
    if mark == WIPED:
        return first_table(read) > 0
    return mark in WRITTEN or mark in RESUMED or mark == LINK
