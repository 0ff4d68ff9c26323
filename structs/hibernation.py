"""The hibernation file (hiberfil.sys): its header, and what the pages of memory are packed in.

These are places in a file; Windows' own loader relies on them, and the size that the header gives of itself tells which
of its generations it is.  So they are here and not in ``offsets/``.

Sources: PO_MEMORY_IMAGE and _PO_HIBER_PERF in the public symbols of each kernel; Sylve, Marziale and Richard, "Modern
Windows hibernation file analysis" (2016), for restore sets since Windows 8; Suiche and Ruff's Sandman, Comae's Hibr2Bin
and Rekall for the tables before.
"""

from __future__ import annotations

from typing import NamedTuple

WRITTEN = frozenset({b"HIBR", b"HORM"})
"""First four bytes, in either case, of a file that memory was written to; the second is resumed from many times."""
WIPED = bytes(4)
"""They are these where Windows 7 wiped the header, but not the memory."""
RESUMED = {
    b"WAKE": "was resumed from it",
    b"RSTR": "was resuming from it",
    b"BRKP": "failed to resume from it",
    WIPED: "was resumed from it",
}
"""What else they may be where the memory may still be there, and what Windows did then."""
LINK = b"LINK"
"""They are these where the file only names another volume that has the real one."""
LENGTH_AT = 0xC
"""LengthSelf: bytes of the header, which differ from generation to generation."""
PAGE_SIZE_AT = {8: 0x18, 4: 0x14}
"""PageSize, by the bytes of an address."""


class RestoreSets(NamedTuple):
    """Places in the header since Windows 8.

    Attributes:
        windows: which Windows has such a header.
        pointer_size: bytes of an address.
        loader_pages: NumPagesForLoader, pages in the set that the boot loader restores.
        boot_page: FirstBootRestorePage, page of the file at which that set begins.
        kernel_page: FirstKernelRestorePage, where the set begins that the kernel restores itself.
        kernel_pages: PerfInfo.KernelPagesProcessed, pages in that one.
        highest_page: HighestPhysicalPage.
        secure_page: FirstSecureRestorePage, pages of the secure kernel; 0 where there is no such field.
    """

    windows: str
    pointer_size: int
    loader_pages: int
    boot_page: int
    kernel_page: int
    kernel_pages: int
    highest_page: int
    secure_page: int = 0


RESTORE_SETS = {
    0x360: RestoreSets("Windows 8 or 8.1", 8, 0x58, 0x60, 0x68, 0x1C8, 0x330),
    0x3B0: RestoreSets("Windows 10 1507 or 1511", 8, 0x58, 0x68, 0x70, 0x218, 0x380, 0x60),
    0x3C8: RestoreSets("Windows 10 1607", 8, 0x58, 0x68, 0x70, 0x220, 0x388, 0x60),
    0x3D8: RestoreSets("Windows 10 1703 to 1803", 8, 0x58, 0x68, 0x70, 0x230, 0x398, 0x60),
    0x3E0: RestoreSets("Windows 10 1809 to 22H2", 8, 0x58, 0x68, 0x70, 0x230, 0x398, 0x60),
    0x448: RestoreSets("Windows 11 21H2 to 23H2", 8, 0x58, 0x68, 0x70, 0x230, 0x400, 0x60),
    0x4D8: RestoreSets("Windows 11 24H2 or 25H2", 8, 0x58, 0x68, 0x70, 0x238, 0x498, 0x60),
    0x2C8: RestoreSets("Windows 8 or 8.1 (x86)", 4, 0x48, 0x50, 0x54, 0x1B0, 0x2B0),
    0x310: RestoreSets("Windows 10 1507 or 1511 (x86)", 4, 0x48, 0x50, 0x54, 0x1F8, 0x2F8),
    0x328: RestoreSets("Windows 10 1607 (x86)", 4, 0x48, 0x50, 0x54, 0x200, 0x300),
    0x338: RestoreSets("Windows 10 1703 to 1803 (x86)", 4, 0x48, 0x50, 0x54, 0x210, 0x310),
    0x340: RestoreSets("Windows 10 1809 to 22H2 (x86)", 4, 0x48, 0x50, 0x54, 0x210, 0x310),
}
"""LengthSelf to what is where in a header of that size."""


class Tables(NamedTuple):
    """Places in the header of Windows 7.

    Attributes:
        windows: which Windows has such a header.
        pointer_size: bytes of an address.
        first_table: FirstTablePage, page of the file that the first table of ranges is in.
    """

    windows: str
    pointer_size: int
    first_table: int


TABLES = {0x128: Tables("Windows 7", 8, 0x60), 0xE0: Tables("Windows 7 (x86)", 4, 0x4C)}
"""LengthSelf to what is where in a header of that size.

Tables (_PO_MEMORY_RANGE_ARRAY) begin with the page of the next table and the number of ranges, in the room of two
addresses; a range is its first page and the one after its last.
"""
BLOCK_MARK, BLOCK_HEADER, BLOCK_WORD_AT, BLOCK_PAGES_BITS, BLOCK_ALIGNMENT = b"\x81\x81xpress", 0x20, 8, 10, 8
"""What each block of Windows 7 begins with (_IMAGE_XPRESS_HEADER), and bytes of that; where its word lies, and how many
bits of it are the number of pages less one (the others: bytes less one); what the places of blocks are multiples of.
"""
HIBERBOOT = 0x34
"""How far before HighestPhysicalPage the flag Hiberboot lies in each of them.

Its lowest bit says that Windows was shut down with fast startup.
"""
SET_PAGES = 16
"""Pages that are compressed together at the most."""
RANGES_BITS, SIZE_BITS = 8, 22
"""Of the word that a compression set begins with: number of ranges, and bytes after these; the method has the rest."""
RANGE_PAGES_BITS = 4
"""Lowest bits of a range: its pages less one; the others are the number of the first."""
STORED, XPRESS, XPRESS_HUFFMAN, EITHER = 0, 1, 2, 3
"""How a block is packed: as it is, with plain LZ77, with LZ77 and Huffman codes, with one of these two."""
METHODS = (XPRESS, EITHER, XPRESS_HUFFMAN, XPRESS_HUFFMAN)
"""Method in the word of a set to that; a set that is as large as its pages is stored.

Of method 1 the sources differ: Hibr2Bin has it as plain LZ77 (with more trouble taken to find matches), LeechCore since
2025 as LZ77 with Huffman codes.
"""
HEADER_SINCE = {
    8: {7600: 0x128, 9200: 0x360, 10240: 0x3B0, 14393: 0x3C8, 15063: 0x3D8, 17763: 0x3E0, 20348: 0x448, 26100: 0x4D8},
    4: {7600: 0xE0, 9200: 0x2C8, 10240: 0x310, 14393: 0x328, 15063: 0x338, 17763: 0x340},
}
"""Bytes of an address to: build to the LengthSelf that holds from it on."""


def header_length(build: int, pointer_size: int) -> int:
    """LengthSelf of the hibernation files of a build.

    Raises:
        ValueError: it writes none in a form that is known.
    """
    since = [length for first, length in HEADER_SINCE[pointer_size].items() if first <= build]
    if not since:
        raise ValueError(f"build {build} writes no hibernation file in a form that is known")
    return since[-1]
