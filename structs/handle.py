"""Handle tables: the list of what a process has open."""

from __future__ import annotations

from structs.layout import Layout, ListEntry, Pointer, UInt, at

HANDLE_TABLE = Layout(
    "_HANDLE_TABLE",
    "the handle table of a process",
    {
        "TableCode": at(Pointer, "address of the table, its level in the two lowest bits"),
        "QuotaProcess": at(Pointer, "process charged for the table"),
        "HandleTableList": at(ListEntry, "link in the list of all handle tables"),
        "UniqueProcessId": at(UInt, "process id of the owner"),
        "NextHandleNeedingPool": at(UInt, "first handle value beyond the table"),
        "HandleCount": at(UInt, "handles in use", "HandleCount", "FreeLists.HandleCount"),
    },
)
