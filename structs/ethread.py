"""The thread object: _ETHREAD and its scheduler part _KTHREAD, both in system address space."""

from __future__ import annotations

from structs.field_types import FileTime, Int, ListEntry, Pointer, UInt
from structs.layout import Layout, at

CROSS_THREAD_FLAGS = {
    "Terminated": at(UInt, "1: the thread is ending or has ended"),
    "ThreadInserted": at(UInt, "1: the thread was put into its process's list and given its id"),
    "DeadThread": at(UInt, "1: the thread could not be started (before Windows Vista)"),
    "HideFromDebugger": at(UInt, "1: a debugger gets no events of this thread"),
    "ActiveImpersonationInfo": at(UInt, "1: the thread impersonates now"),
    "SystemThread": at(UInt, "1: a thread of the kernel's own (before Windows 7 SP1)"),
    "HardErrorsAreDisabled": at(UInt, "1: errors that would ask the user are not shown"),
    "BreakOnTermination": at(UInt, "1: the end of this thread stops the system"),
    "SkipCreationMsg": at(UInt, "1: a debugger was not told of its creation"),
    "SkipTerminationMsg": at(UInt, "1: a debugger is not told of its end"),
    "CopyTokenOnOpen": at(UInt, "1: who opens its token gets a copy"),
    "ThreadIoPriority": at(UInt, "priority of its reads and writes: 0 very low, 1 low, 2 normal, 3 high, 4 critical"),
    "ThreadPagePriority": at(UInt, "priority of the pages that it brings in: 0 lowest, 5 normal"),
    "RundownFail": at(UInt, "1: no more work may be given to it"),
    "NeedsWorkingSetAging": at(UInt, "1: the ages of its process's pages have to be counted on (Windows 7)"),
    "UmsForceQueueTermination": at(UInt, "1: its end goes through the queue of user-mode scheduling"),
    "IndirectCpuSets": at(UInt, "1: its set of processors is kept outside the thread object"),
    "DisableDynamicCodeOptOut": at(UInt, "1: it may make code although its process forbids that"),
    "ExplicitCaseSensitivity": at(
        UInt, "1: it tells small and capital letters of file names apart where it asks for it"
    ),
    "PicoNotifyExit": at(UInt, "1: the provider of a pico process is told of its end"),
    "DbgWerUserReportActive": at(UInt, "1: error reporting is at work on it"),
    "ForcedSelfTrimActive": at(UInt, "1: it is trimming its own process's pages"),
    "SamplingCoverage": at(UInt, "1: what it executes is sampled"),
    "ImpersonationSchedulingGroup": at(UInt, "1: it runs in the scheduling group of whom it impersonates"),
}
"""The bit-fields that share CrossThreadFlags, lowest first; each build has its own choice of them."""

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
        "CreateTime": at(FileTime, "when the thread was created (UTC); in XP without its highest three bits"),
        "ExitTime": at(FileTime, "when the thread ended (UTC); while it runs, wait links may use the place"),
        "ExitStatus": at(Int, "status the thread ended with"),
        "ForwardLinkShadow": at(Pointer, "first half of PostBlockList, zero while StartAddress holds an address"),
        "StartAddress": at(Pointer, "first instruction as the kernel was told; PostBlockList may reuse the place"),
        "StartAddressInvalid": at(UInt, "1: StartAddress was overwritten by PostBlockList"),
        "Win32StartAddress": at(Pointer, "first instruction as the Windows subsystem was told"),
        "LpcReceivedMsgIdValid": at(
            UInt, "1: Win32StartAddress was overwritten by the number of a message (before Windows Vista)"
        ),
        "UniqueProcess": at(Pointer, "client id, first half: the process id", "Cid.UniqueProcess"),
        "UniqueThread": at(Pointer, "client id, second half: the thread id", "Cid.UniqueThread"),
        "ThreadListEntry": at(ListEntry, "link in the process's list of threads"),
        "SuspendCount": at(UInt, "how often it was suspended and not resumed since", "Tcb.SuspendCount"),
        "ThreadName": at(Pointer, "address of the name that the program gave the thread, zero without one"),
        "ImpersonationData": at(
            UInt,
            "impersonation token; its low bits are the level (0-1) and whether only enabled parts count (2)",
            "ClientSecurity.ImpersonationData",
        ),
        "ImpersonationInfo": at(Pointer, "whom it acts for, zero until it first did (before Windows Vista)"),
        **CROSS_THREAD_FLAGS,
    },
)

PS_IMPERSONATION_INFORMATION = Layout(
    "_PS_IMPERSONATION_INFORMATION",
    "whom a thread acts for, in system address space (before Windows Vista)",
    {
        "Token": at(Pointer, "impersonation token"),
        "CopyOnOpen": at(UInt, "1: who opens its token gets a copy"),
        "EffectiveOnly": at(UInt, "1: only the enabled groups and privileges of the token count"),
        "ImpersonationLevel": at(UInt, "how far it may act for the client"),
    },
    widths={
        "Token": lambda pointer: pointer,
        "CopyOnOpen": 1,
        "EffectiveOnly": 1,
        "ImpersonationLevel": 4,
    },
)
"""Its members are in the kernel's public symbols of Windows XP and Server 2003 in this order."""
