"""Handle tables: the list of what a process has open, and the table of process and thread ids, which is one too."""

from __future__ import annotations

from structs.field_types import Int, ListEntry, Pointer, UInt
from structs.layout import Layout, Place, at

HANDLE_TABLE = Layout(
    "_HANDLE_TABLE",
    "the handle table of a process",
    {
        "TableCode": at(Pointer, "address of the table, its level in the two lowest bits"),
        "QuotaProcess": at(Pointer, "process charged for the table"),
        "HandleTableList": at(ListEntry, "link in the list of all handle tables"),
        "UniqueProcessId": at(UInt, "process id of the owner"),
        "NextHandleNeedingPool": at(UInt, "first handle value beyond the table"),
        "HandleCount": at(
            Int,
            "handles in use; since Windows 8 of the first list of free entries alone",
            "HandleCount",
            "FreeLists.HandleCount",
        ),
    },
)

HANDLE_TABLE_ENTRY = Layout(
    "_HANDLE_TABLE_ENTRY",
    "one open handle, in a page of entries",
    {
        "Unlocked": at(UInt, "nobody is changing the entry now (since Windows 8)"),
        "RefCnt": at(UInt, "references that may still be taken without touching the object (since Windows 8)"),
        "Attributes": at(
            UInt, "1 protected from closing, 2 inherited by children, 4 audited; 32-bit: 1 inherited, 2 audited"
        ),
        "ObjectPointerBits": at(UInt, "address of the object's header, without its lowest and highest bits"),
        "Object": at(Pointer, "address of the object's header with attributes in the lowest bits (up to Windows 7)"),
        "GrantedAccessBits": at(UInt, "what the holder may do with the object (since Windows 8)"),
        "ProtectFromClose": at(UInt, "the handle cannot be closed (32-bit Windows since Windows 8)"),
        "NoRightsUpgrade": at(UInt, "no more rights can be had through this handle (since Windows 8.1)"),
        "GrantedAccess": at(UInt, "what the holder may do with the object (up to Windows 7)"),
    },
)

FIVE_LEVEL_PLACES = {
    "RefCnt": Place(0, 8, 1, 7),
    "Attributes": Place(0, 8, 8, 3),
    "ObjectPointerBits": Place(0, 8, 11, 53),
}
"""Where kernels for page tables of five levels keep what shares a word with the pointer, for 57 bits of address.

Source: all 767 files of ntkrla57.exe that are known pack attributes from bit 8 on and the pointer from bit 11 on, where
the ntoskrnl.exe of the same version packs them from bits 17 and 20 on; nothing else that is known of them differs.
"""
