"""Page-table entries that only the memory manager reads: those whose valid bit is clear.

Where they keep what has moved between generations of Windows, and is different with and without PAE.  The bits that
say of which kind an entry is (valid, prototype, transition) have not, so they are constants of the walk.
"""

from __future__ import annotations

from structs.field_types import UInt
from structs.layout import Layout, at

MMPTE_SOFTWARE = Layout(
    "_MMPTE_SOFTWARE",
    "an entry whose page is in a page file, or was never touched",
    {
        "PageFileLow": at(UInt, "number of the page file"),
        "PageFileHigh": at(UInt, "number of the page in it; 0 for a page that was never touched"),
        "PageFileReserved": at(UInt, "a place in the page file is kept for the page"),
        "PageFileAllocated": at(UInt, "the page file holds the page"),
        "InStore": at(UInt, "the page is in a store (compressed, or a cache of the page file), not in the page file"),
        "Protection": at(UInt, "what the page may be used for once it is there"),
        "SwizzleBit": at(UInt, "set: stored as it is; clear: some bits are flipped against speculative reads"),
    },
)

MMPTE_PROTOTYPE = Layout(
    "_MMPTE_PROTOTYPE",
    "an entry that refers to the prototype entry of a shared page",
    {
        "ProtoAddress": at(UInt, "address of the prototype entry"),
        "ProtoAddressLow": at(UInt, "its lower part, without PAE"),
        "ProtoAddressHigh": at(UInt, "its upper part, without PAE"),
        "WhichPool": at(UInt, "which pool it counts from (XP and Server 2003 without PAE)"),
        "SwizzleBit": at(UInt, "set: stored as it is; clear: some bits are flipped against speculative reads"),
    },
)

MMPTE_TRANSITION = Layout(
    "_MMPTE_TRANSITION",
    "an entry whose page is in memory, but not valid",
    {
        "PageFrameNumber": at(UInt, "number of the page in physical memory"),
        "Protection": at(UInt, "what the page may be used for once it is valid"),
        "SwizzleBit": at(UInt, "set: stored as it is; clear: some bits are flipped against speculative reads"),
    },
)
