"""The thread object: _ETHREAD and its scheduler part _KTHREAD, both in system address space."""

from __future__ import annotations

from structs.layout import FileTime, Int, Layout, ListEntry, Pointer, UInt, at

ETHREAD = Layout(
    "_ETHREAD",
    "the executive's thread object; one for each thread, in system address space",
    {
        "HeaderType": at(
            UInt, "kind of dispatcher object, 6 for a thread; its highest bit is a lock", "Tcb.Header.Type"
        ),
        "HeaderWaitListHead": at(
            ListEntry, "head of the list of those who wait for its end", "Tcb.Header.WaitListHead"
        ),
        "MutantListHead": at(ListEntry, "head of the list of mutants that it owns", "Tcb.MutantListHead"),
        "Teb": at(Pointer, "address of the TEB, in the process's own address space", "Tcb.Teb"),
        "State": at(UInt, "scheduler state (2 running, 5 waiting ...)", "Tcb.State"),
        "WaitReason": at(UInt, "why the thread waits", "Tcb.WaitReason"),
        "Priority": at(Int, "priority it runs with now", "Tcb.Priority"),
        "BasePriority": at(Int, "priority it starts from", "Tcb.BasePriority"),
        "InitialStack": at(Pointer, "upper end of the kernel stack", "Tcb.InitialStack"),
        "StackLimit": at(Pointer, "lower end of the kernel stack", "Tcb.StackLimit"),
        "KernelStack": at(Pointer, "kernel stack pointer when it last left the processor", "Tcb.KernelStack"),
        "ApcStateProcess": at(Pointer, "the process whose address space it uses now", "Tcb.ApcState.Process"),
        "Process": at(Pointer, "the process that owns it", "Tcb.Process", "ThreadsProcess"),
        "CreateTime": at(FileTime, "when the thread was created (UTC)"),
        "ExitTime": at(FileTime, "when the thread ended (UTC); while it runs, wait links may use the place"),
        "ExitStatus": at(Int, "status the thread ended with"),
        "StartAddress": at(Pointer, "first instruction as the kernel was told"),
        "Win32StartAddress": at(Pointer, "first instruction as the Windows subsystem was told"),
        "UniqueProcess": at(Pointer, "client id, first half: the process id", "Cid.UniqueProcess"),
        "UniqueThread": at(Pointer, "client id, second half: the thread id", "Cid.UniqueThread"),
        "ThreadListEntry": at(ListEntry, "link in the process's list of threads"),
        "CrossThreadFlags": at(UInt, "flags that other threads may set"),
        "ImpersonationData": at(
            UInt,
            "impersonation token; its low bits are the level (0-1) and whether only enabled parts count (2)",
            "ClientSecurity.ImpersonationData",
        ),
    },
)
