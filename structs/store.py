"""The compression store: where Windows 10 and later keep private pages compressed in memory.

The store manager (nt!SmGlobals) knows for each page key which of its stores has the page, by one B+tree.  Each store
has a B+tree of its own, from page key to the number of a page record; records lie in chunks, pages full of them, whose
addresses are kept in 32 arrays of growing size.  A record says where in the regions of the store's process
(MemCompression) the compressed page begins, and how long it is.

The kernel's public symbols do not describe these structures.  Where their fields lie in which build is data
(``offsets/stores.json``), facts of public research: Sardar and Stancill, "Paging All Windows Geeks: Finding Evil in
Windows 10 Compressed Memory" (Black Hat USA 2019) and the offsets that go with it for builds 14393 to 18362, x64 and
x86; Frisk's MemProcFS for those and for later ones.  What the fields mean, bit by bit, was checked against published
decompilations of ST_STORE::StDmpSinglePageRetrieve, StDmSinglePageCopy, StDmpSinglePageInsert,
SMKM_STORE_MGR::SmFeCheckPresent and SMKM_STORE::SmStMapVirtualRegion of kernels of 2016 to 2024 (x64).  Readers prove
them on the memory before they believe them.
"""

from __future__ import annotations

from structs.apart import layouts_apart
from structs.field_types import Pointer, UInt, Words
from structs.layout import Build, Layout, at

SMKM_STORE_MGR = Layout(
    "_SMKM_STORE_MGR",
    "the store manager: at nt!SmGlobals, since Windows 11 22H2 in an allocation that nt!SmGlobals has in a list",
    {
        "StoreMetaDataPtrArray": at(Words, "addresses of 32 arrays of 32 _SMKM_STORE_METADATA each"),
        "KeyToStoreTree": at(Pointer, "root of the B+tree from page key to _SMKM_FRONTEND_ENTRY"),
        "PartitionLink": at(Pointer, "link of the list of store managers that begins in nt!SmGlobals"),
    },
)

SMKM_STORE_METADATA = Layout(
    "_SMKM_STORE_METADATA",
    "what the store manager keeps of one store",
    {
        "SmkmStore": at(Pointer, "address of the store, a multiple of a page's size"),
        "Process": at(Pointer, "the process that the store's regions lie in"),
    },
)

SMKM_STORE = Layout(
    "_SMKM_STORE",
    "one store, with all that is embedded in it (_ST_STORE, _ST_DATA_MGR, _SMHP_CHUNK_METADATA)",
    {
        "PagesTree": at(Pointer, "root of the B+tree from page key to the number of a page record"),
        "ChunkPtrArray": at(Words, "32 arrays of chunks: the one at n has two to the power of n of them"),
        "BitValue": at(UInt, "the bits of a record's number that count records within a chunk"),
        "PageRecordsPerChunkMask": at(UInt, "mask of those bits"),
        "PageRecordSize": at(UInt, "bytes of a record"),
        "ChunkPageHeaderSize": at(UInt, "bytes before the first record of a chunk"),
        "SmkmStore": at(Pointer, "address of this very store"),
        "RegionSizeMask": at(UInt, "the bits of a record's key that count units of 16 bytes within a region"),
        "RegionIndexMask": at(UInt, "how many bits those are; the bits above are the region's number"),
        "PageHeaderSize": at(UInt, "bytes before the data of each page in its region; 0 in memory"),
        "CompressionAlgorithm": at(UInt, "COMPRESSION_FORMAT of ntifs.h: 3 for Xpress"),
        "CompressedRegionPtrArray": at(Pointer, "address of the regions' addresses; their low 16 bits are counters"),
        "OwnerProcess": at(Pointer, "_EPROCESS of the process that the regions lie in"),
    },
)

B_TREE = Layout(
    "_B_TREE",
    "a node of a B+tree, one page: entries from the end of this header on, by key",
    {
        "Entries": at(UInt, "how many entries there are"),
        "Level": at(UInt, "level of the node, 1 for a leaf"),
        "Leaf": at(UInt, "not zero in a leaf"),
        "LeftChild": at(Pointer, "child whose keys come before the first entry's; of a leaf, the next leaf"),
    },
)

SMKM_FRONTEND_ENTRY = Layout(
    "_SMKM_FRONTEND_ENTRY",
    "an entry of a leaf of the store manager's B+tree",
    {
        "Key": at(UInt, "page key"),
        "StoreIndex": at(UInt, "number of the store"),
        "State": at(UInt, "1 or 3 where the store has the page"),
        "Flags": at(UInt, "lowest bit: the entry is being changed, and is not followed"),
    },
)

ST_PAGE_RECORD = Layout(
    "_ST_PAGE_RECORD",
    "where a page is in its store",
    {
        "Key": at(
            UInt, "number of the region, and units of 16 bytes in it; all ones where another record has the page"
        ),
        "CompressedSize": at(
            UInt,
            "lowest 12 bits: bytes, 0 for a page that is stored as it is; above, how many keys lead here; where another"
            " record has the page, its number",
        ),
    },
)

SMHP_CHUNK = Layout(
    "_SMHP_CHUNK",
    "an element of the arrays of chunks; its name is ours, for nothing public names it",
    {"PageRecords": at(Pointer, "address of the chunk: a page, in which a header and page records lie")},
)

FAMILY = (SMKM_STORE_MGR, SMKM_STORE_METADATA, SMKM_STORE, B_TREE, SMKM_FRONTEND_ENTRY, SMHP_CHUNK, ST_PAGE_RECORD)
RECORD_ELSEWHERE = 0xFFFF_FFFF
"""Key of a record in whose place another is to be read."""
SIZE_BITS = 0xFFF
KEY_FILE_SHIFT = 28
"""Lowest bit of the page file's number in a page key; the bits below are the page's number in it."""
PRESENT_STATES = (1, 3)
BUSY = 1
"""Bit of _SMKM_FRONTEND_ENTRY.Flags."""
REGION_BITS = 0x7FFF_FFFF_FFFF_0000
"""The bits of a region's word that are its address."""
STORES_IN_ROW = 32
ARRAYS = 32
XPRESS = 3
"""COMPRESSION_FORMAT_XPRESS."""


def layouts(arch: str, number: int) -> Build | None:
    """The layouts of a build's store; ``None`` where none is known: for an older Windows, or this processor.

    Args:
        arch: ``x64`` or ``x86``.
        number: NtBuildNumber; builds between two that are known have what the older one had, later ones the last's.
    """
    return layouts_apart("stores", arch, number)
