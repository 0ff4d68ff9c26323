"""Object headers: what the object manager keeps in front of every executive object."""

from __future__ import annotations

from structs.layout import Bytes, Layout, Pointer, UInt, UnicodeString, at
from structs.layout import Int as SignedInt

OBJECT_HEADER = Layout(
    "_OBJECT_HEADER",
    "the object manager's header, in front of every object",
    {
        "PointerCount": at(SignedInt, "references by address"),
        "HandleCount": at(SignedInt, "references by handle"),
        "TypeIndex": at(UInt, "index of the object's type, encoded from Windows 10 on"),
        "InfoMask": at(UInt, "which optional headers stand before this one"),
        "Flags": at(UInt, "object flags"),
        "SecurityDescriptor": at(Pointer, "who may do what with the object"),
        "Body": at(Bytes, "start of the object itself"),
    },
)

OBJECT_NAME_INFORMATION = Layout(
    "_OBJECT_NAME_INFORMATION",
    "a name, followed by its characters",
    {"Name": at(UnicodeString, "the name")},
)

POOL_HEADER = Layout(
    "_POOL_HEADER",
    "the allocator's header, in front of every small pool allocation",
    {
        "PreviousSize": at(UInt, "size of the block before, in units"),
        "PoolIndex": at(UInt, "which pool"),
        "BlockSize": at(UInt, "size of this block, in units"),
        "PoolType": at(UInt, "paged, non-paged, in use"),
        "PoolTag": at(UInt, "four characters that name the owner"),
    },
)
