"""Jobs: processes that are limited, counted and ended together."""

from __future__ import annotations

from structs.field_types import ListEntry, UInt
from structs.layout import Layout, at

EJOB = Layout(
    "_EJOB",
    "the executive's job object, in system address space",
    {
        "JobLinks": at(ListEntry, "link in the list of all jobs"),
        "ProcessListHead": at(ListEntry, "head of the list of processes of the job"),
        "TotalProcesses": at(UInt, "processes that were ever in the job"),
        "ActiveProcesses": at(UInt, "processes in the job now"),
        "SessionId": at(UInt, "terminal session of the job"),
        "JobId": at(UInt, "number of the job"),
    },
)
