"""The pools' books: what the allocator keeps of allocations that are too big for a header of their own."""

from __future__ import annotations

from structs.field_types import Pointer, UInt
from structs.layout import Layout, at

POOL_TRACKER_BIG_PAGES = Layout(
    "_POOL_TRACKER_BIG_PAGES",
    "the allocator's record of an allocation of whole pages",
    {
        "Va": at(Pointer, "address of the allocation; its lowest bit is set once it was freed"),
        "Key": at(UInt, "four characters that name the owner"),
        "PoolType": at(UInt, "paged or non-paged", "PoolType", "PoolFlags"),
        "SlushSize": at(UInt, "bytes of the last page that were not asked for"),
        "NumberOfBytes": at(UInt, "bytes that were asked for"),
    },
)
