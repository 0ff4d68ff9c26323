"""The TEB: what a thread keeps of itself in its process's own (user) address space."""

from __future__ import annotations

from structs.field_types import Int, Pointer, UInt
from structs.layout import Layout, at

TEB = Layout(
    "_TEB",
    "the thread environment block, in the process's own address space",
    {
        "ExceptionList": at(
            Pointer,
            "first exception handler; in the 64-bit TEB of a WOW64 thread its 32-bit TEB",
            "NtTib.ExceptionList",
        ),
        "StackBase": at(Pointer, "upper end of the user stack", "NtTib.StackBase"),
        "StackLimit": at(Pointer, "lowest address of the user stack that is committed", "NtTib.StackLimit"),
        "Self": at(Pointer, "address of the TEB itself", "NtTib.Self"),
        "UniqueProcess": at(Pointer, "client id, first half: the process id", "ClientId.UniqueProcess"),
        "UniqueThread": at(Pointer, "client id, second half: the thread id", "ClientId.UniqueThread"),
        "ProcessEnvironmentBlock": at(Pointer, "address of the PEB"),
        "LastErrorValue": at(UInt, "error of the last Windows call that failed"),
        "LastStatusValue": at(UInt, "NTSTATUS of the last native call that failed"),
        "SubSystemTib": at(Pointer, "data of the subsystem that the thread runs for", "NtTib.SubSystemTib"),
        "DeallocationStack": at(Pointer, "lower end of the user stack: where its range begins"),
        "WowTebOffset": at(Int, "bytes from here to the thread's other TEB, zero without one"),
    },
)
