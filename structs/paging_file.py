"""What the kernel keeps of each page file: its number, which entries of page tables have, its name and its size.

Up to 16 page files have their place in an array of the kernel's (nt!MmPagingFile; since Windows 10 within
nt!MiSystemPartition), each at the place of its number.  Where the fields lie is data (``offsets/paging_files.json``),
facts of the kernel's public symbols: Chappell, "MMPAGING_FILE"; the headers of the Vergilius and ntdiff projects; and,
for the page file's number, MemProcFS' database.  Of Windows 8 none was at hand; of 10 1511 (x64) only the
place of the number, which is that of 1607.
"""

from __future__ import annotations

from structs.apart import layouts_apart
from structs.field_types import Pointer, UInt, UnicodeString
from structs.layout import Build, Layout, at

MMPAGING_FILE = Layout(
    "_MMPAGING_FILE",
    "a page file, or the compression store in a page file's place",
    {
        "Size": at(UInt, "pages that it has"),
        "MaximumSize": at(UInt, "pages that it may grow to"),
        "MinimumSize": at(UInt, "pages that it has at the least"),
        "File": at(Pointer, "its _FILE_OBJECT"),
        "PageFileName": at(UnicodeString, "its path, as the object manager has it"),
        "PageFileNumber": at(UInt, "its number, which is its place in the array"),
        "WsSwapPagefile": at(UInt, "1: swapfile.sys, where working sets of apps that are suspended go as a whole"),
        "VirtualStorePagefile": at(UInt, "1: no file at all, its pages are in the compression store"),
    },
)
FILES = 16
"""Page files that there can be: entries have four bits for the number."""


def layouts(arch: str, number: int) -> Build | None:
    """The layout of a build's page files; ``None`` where it is not known."""
    found = layouts_apart("paging_files", arch, number)
    return found if found is not None and MMPAGING_FILE in found else None
