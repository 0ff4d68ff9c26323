"""The process object: _EPROCESS and its scheduler part _KPROCESS, both in system address space."""

from __future__ import annotations

from structs.field_types import Bytes, FastRef, FileTime, Int, ListEntry, Pointer, UInt
from structs.layout import Layout, at

EPROCESS = Layout(
    "_EPROCESS",
    "the executive's process object; one for each process, in system address space",
    {
        "HeaderType": at(
            UInt, "kind of dispatcher object, 3 for a process; its highest bit is a lock", "Pcb.Header.Type"
        ),
        "HeaderSize": at(
            UInt, "size of the scheduler's part in units of four bytes, its lowest eight bits", "Pcb.Header.Size"
        ),
        "HeaderWaitListHead": at(
            ListEntry, "head of the list of those who wait for its end", "Pcb.Header.WaitListHead"
        ),
        "ProfileListHead": at(
            ListEntry, "head of the list of profiles, empty unless it is profiled", "Pcb.ProfileListHead"
        ),
        "DirectoryTableBase": at(
            UInt, "physical address of the process's page-table root (CR3)", "Pcb.DirectoryTableBase"
        ),
        "UserDirectoryTableBase": at(
            UInt, "page-table root used in user mode where kernel addresses are shadowed", "Pcb.UserDirectoryTableBase"
        ),
        "ThreadListHeadPcb": at(ListEntry, "head of the scheduler's list of threads", "Pcb.ThreadListHead"),
        "BasePriority": at(Int, "base priority that new threads start with", "Pcb.BasePriority"),
        "KernelTime": at(UInt, "clock ticks spent in kernel mode", "Pcb.KernelTime"),
        "UserTime": at(UInt, "clock ticks spent in user mode", "Pcb.UserTime"),
        "UniqueProcessId": at(Pointer, "the process id, the first half of a client id"),
        "ActiveProcessLinks": at(ListEntry, "link in the list of active processes"),
        "CreateTime": at(FileTime, "when the process was created (UTC)"),
        "ExitTime": at(FileTime, "when the process ended, zero while it runs (UTC)"),
        "ExitStatus": at(Int, "status the process ended with; 259 while it runs"),
        "Token": at(FastRef, "the primary access token: the security context"),
        "InheritedFromUniqueProcessId": at(Pointer, "process id of the parent, which may have ended since"),
        "OwnerProcessId": at(UInt, "process id of the console host, or of the real creator"),
        "Peb": at(Pointer, "address of the PEB, in the process's own address space"),
        "SectionObject": at(Pointer, "section object of the executable program"),
        "SectionBaseAddress": at(Pointer, "where the executable program is mapped"),
        "ObjectTable": at(Pointer, "the handle table; zero once the process has ended"),
        "DebugPort": at(Pointer, "debug object while the process is being debugged"),
        "WoW64Process": at(Pointer, "32-bit subsystem data of a WOW64 process", "WoW64Process", "Wow64Process"),
        "Session": at(Pointer, "session space of the process, zero outside any session"),
        "SessionProcessLinks": at(ListEntry, "link in the list of processes of the session"),
        "Job": at(Pointer, "job object the process belongs to"),
        "JobLinks": at(ListEntry, "link in the job's list of processes"),
        "Win32Process": at(Pointer, "the window manager's data for a process with windows"),
        "ImageFileName": at(Bytes, "short name of the executable, at most 14 characters are certain"),
        "ImageFilePointer": at(Pointer, "file object of the executable"),
        "SeAuditProcessCreationInfo": at(
            Pointer,
            "object name of the executable as audited at creation",
            "SeAuditProcessCreationInfo.ImageFileName",
        ),
        "PriorityClass": at(UInt, "priority class of the process"),
        "ThreadListHead": at(ListEntry, "head of the list of threads"),
        "ActiveThreads": at(UInt, "number of threads that have not ended"),
        "MmHotPatchContext": at(Pointer, "the memory manager's record of its hot-patched images, zero for none"),
        "HighestUserAddress": at(Pointer, "end of the user address space"),
        "VirtualSize": at(UInt, "bytes of address space in use"),
        "PeakVirtualSize": at(UInt, "most bytes of address space ever in use"),
        "NumberOfPrivatePages": at(UInt, "private pages of the process"),
        "CommitCharge": at(UInt, "pages charged against the commit limit"),
        "CommitChargePeak": at(UInt, "most pages ever charged against the commit limit"),
        "CommitChargeLimit": at(UInt, "pages that it may be charged for, zero for no limit of its own"),
        "ProcessQuotaUsage": at(
            Bytes, "bytes charged against its quota: pool that is not paged, then paged", "ProcessQuotaUsage"
        ),
        "ProcessQuotaPeak": at(Bytes, "the most that was ever charged, in the same order", "ProcessQuotaPeak"),
        "WorkingSetSize": at(
            UInt, "pages in memory, page tables included", "Vm.Instance.WorkingSetSize", "Vm.WorkingSetSize"
        ),
        "WorkingSetLeafSize": at(
            UInt, "pages in memory without page tables", "Vm.Instance.WorkingSetLeafSize", "Vm.WorkingSetLeafSize"
        ),
        "WorkingSetPrivateSize": at(
            UInt,
            "pages in memory that are shared with nobody",
            "Vm.Instance.WorkingSetPrivateSize",
            "Vm.WorkingSetPrivateSize",
        ),
        "PeakWorkingSetSize": at(
            UInt,
            "most pages ever in memory, page tables not counted",
            "Vm.Instance.PeakWorkingSetSize",
            "Vm.PeakWorkingSetSize",
        ),
        "MinimumWorkingSetSize": at(
            UInt, "pages that the process may keep", "Vm.Instance.MinimumWorkingSetSize", "Vm.MinimumWorkingSetSize"
        ),
        "MaximumWorkingSetSize": at(
            UInt, "pages that it may be cut down to", "Vm.Instance.MaximumWorkingSetSize", "Vm.MaximumWorkingSetSize"
        ),
        "PageFaultCount": at(
            UInt, "page faults since creation, modulo 2^32", "Vm.Instance.PageFaultCount", "Vm.PageFaultCount"
        ),
        "VmWorkingSetList": at(
            Pointer, "working set list or its scanning state", "Vm.Instance.VmWorkingSetList", "Vm.VmWorkingSetList"
        ),
        "VadRoot": at(
            Pointer,
            "root of the tree of virtual address descriptors",
            "VadRoot.Root",
            "VadRoot.BalancedRoot.RightChild",
            "VadRoot",
        ),
        "VadHint": at(Pointer, "the VAD that was looked up last"),
        "VadCount": at(
            UInt, "number of VADs the memory manager counts", "VadCount", "VadRoot.NumberGenericTableElements"
        ),
        "DepthOfTree": at(UInt, "levels of the VAD tree (Windows Server 2003 to 8)", "VadRoot.DepthOfTree"),
        "Cookie": at(UInt, "process cookie"),
        "SequenceNumber": at(UInt, "number given at creation, never reused until restart"),
        "ProcessExiting": at(UInt, "1 once the process has begun to end"),
        "ProcessDelete": at(UInt, "1 once the process object is being deleted"),
        "CreateReported": at(UInt, "1 once creation was reported to those who asked"),
        "BreakOnTermination": at(UInt, "1: ending this process stops the system"),
        "NoDebugInherit": at(UInt, "1: children do not inherit the debugger"),
        "Minimal": at(UInt, "1: a minimal process without user address space contents"),
        "PicoContext": at(Pointer, "record of the pico provider that serves the process (WSL 1's); 0 for all others"),
        "ProtectionType": at(UInt, "protected process type (0 none, 1 light, 2 full)", "Protection.Type"),
        "ProtectionSigner": at(UInt, "signer that the protected process needs", "Protection.Signer"),
        "SignatureLevel": at(UInt, "code signing level of the executable"),
        "ServerSilo": at(Pointer, "server silo (container) the process runs in"),
    },
)
