"""What the Windows subsystem process (csrss.exe) keeps of its clients, in its own (user) address space.

csrss.exe's server library csrsrv.dll keeps one CSR_PROCESS for each process that runs a Windows program in its session,
all of them in one ring that begins with csrss.exe's own (CsrRootProcess), and a CSR_THREAD for each thread that it was
told of.  The kernel's public symbols do not describe them; csrsrv.dll's do, and Microsoft shows them in "Debugging
CSRSS" (Windows driver documentation), as does Windows Internals: names, types and order here are those of that
display, which has been the same since Windows Vista, for x64 and x86 alike but for the width of pointers.  Before Vista
there was a parent's address behind the list of threads, and no logon session.  Readers prove the layout on the memory
before they believe it.
"""

from __future__ import annotations

from structs.field_types import FileTime, Int, ListEntry, Luid, Pointer, UInt
from structs.layout import Layout, at


def _pointer(size: int) -> int:
    return size


def _two_pointers(size: int) -> int:
    return 2 * size


CSR_PROCESS = Layout(
    "_CSR_PROCESS",
    "what csrss.exe keeps of one process of its session, in csrss.exe's own address space",
    {
        "UniqueProcess": at(Pointer, "client id, first half: the process id"),
        "UniqueThread": at(Pointer, "client id, second half: the id of the process's first thread"),
        "ListLink": at(ListEntry, "link in the ring of all CSR_PROCESSes"),
        "ThreadList": at(ListEntry, "head of the list of the process's CSR_THREADs"),
        "NtSession": at(Pointer, "what csrss.exe keeps of the session"),
        "ClientPort": at(Pointer, "handle of the port to the process, in csrss.exe's handle table"),
        "ClientViewBase": at(Pointer, "where the memory shared for messages lies in the process"),
        "ClientViewBounds": at(Pointer, "where that memory ends"),
        "ProcessHandle": at(Pointer, "handle of the process, in csrss.exe's handle table; -1 for csrss.exe itself"),
        "SequenceNumber": at(UInt, "counts the CSR_PROCESSes that were made"),
        "Flags": at(UInt, "what csrss.exe knows of the process, bit by bit"),
        "DebugFlags": at(UInt, "flags for debugging"),
        "ReferenceCount": at(Int, "how many use the structure"),
        "ProcessGroupId": at(UInt, "the console's group that the process belongs to"),
        "ProcessGroupSequence": at(UInt, "sequence number of that group's first process"),
        "LastMessageSequence": at(UInt, "number of the last message"),
        "NumOutstandingMessages": at(UInt, "messages without an answer"),
        "ShutdownLevel": at(UInt, "when the process is asked to end at shutdown: higher levels first"),
        "ShutdownFlags": at(UInt, "how it is asked"),
        "Luid": at(Luid, "logon session that the process runs in"),
        "ServerDllPerProcessData": at(Pointer, "first of the pointers that the server libraries keep of the process"),
    },
    widths={
        "UniqueProcess": _pointer,
        "UniqueThread": _pointer,
        "ListLink": _two_pointers,
        "ThreadList": _two_pointers,
        "NtSession": _pointer,
        "ClientPort": _pointer,
        "ClientViewBase": _pointer,
        "ClientViewBounds": _pointer,
        "ProcessHandle": _pointer,
        "SequenceNumber": 4,
        "Flags": 4,
        "DebugFlags": 4,
        "ReferenceCount": 4,
        "ProcessGroupId": 4,
        "ProcessGroupSequence": 4,
        "LastMessageSequence": 4,
        "NumOutstandingMessages": 4,
        "ShutdownLevel": 4,
        "ShutdownFlags": 4,
        "Luid": 8,
        "ServerDllPerProcessData": _pointer,
    },
)

CSR_THREAD = Layout(
    "_CSR_THREAD",
    "what csrss.exe keeps of one thread, in csrss.exe's own address space",
    {
        "CreateTime": at(FileTime, "when the thread was created (UTC)"),
        "Link": at(ListEntry, "link in its CSR_PROCESS's list of threads"),
        "HashLinks": at(ListEntry, "link in the table of threads by their ids"),
        "UniqueProcess": at(Pointer, "client id, first half: the process id"),
        "UniqueThread": at(Pointer, "client id, second half: the thread id"),
        "Process": at(Pointer, "the CSR_PROCESS that it belongs to"),
        "ThreadHandle": at(Pointer, "handle of the thread, in csrss.exe's handle table"),
        "Flags": at(UInt, "what csrss.exe knows of the thread, bit by bit"),
        "ReferenceCount": at(Int, "how many use the structure"),
        "ImpersonateCount": at(UInt, "how often a server thread acts for it now"),
    },
    widths={
        "CreateTime": 8,
        "Link": _two_pointers,
        "HashLinks": _two_pointers,
        "UniqueProcess": _pointer,
        "UniqueThread": _pointer,
        "Process": _pointer,
        "ThreadHandle": _pointer,
        "Flags": 4,
        "ReferenceCount": 4,
        "ImpersonateCount": 4,
    },
)
