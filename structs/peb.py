"""The PEB and its parameters: process data that lives in the process's own (user) address space.

User-mode code reads it, so it cannot lie with the rest in system address space.
"""

from __future__ import annotations

from structs.field_types import FileTime, Int, ListEntry, Pointer, UInt, UnicodeString
from structs.layout import Layout, at

PEB = Layout(
    "_PEB",
    "the process environment block, in the process's own address space",
    {
        "BeingDebugged": at(UInt, "1 while a debugger is attached"),
        "ImageUsesLargePages": at(UInt, "1: the program lies in large pages"),
        "IsProtectedProcess": at(UInt, "1: a protected process, as user code is told"),
        "IsImageDynamicallyRelocated": at(UInt, "1: the program is not where its headers ask for it"),
        "SkipPatchingUser32Forwarders": at(UInt, "1: forwarders of user32 stay as they are"),
        "IsPackagedProcess": at(UInt, "1: the program belongs to a package"),
        "IsAppContainer": at(UInt, "1: runs in an AppContainer, as user code is told"),
        "IsProtectedProcessLight": at(UInt, "1: a protected process light, as user code is told"),
        "IsLongPathAwareProcess": at(UInt, "1: takes paths longer than 260 characters"),
        "ImageBaseAddress": at(Pointer, "where the executable program is mapped"),
        "Ldr": at(Pointer, "the loader's lists of modules"),
        "ProcessParameters": at(Pointer, "command line, paths, environment"),
        "SubSystemData": at(Pointer, "data of the subsystem that the program is for"),
        "ProcessHeap": at(Pointer, "the default heap"),
        "ProcessInJob": at(UInt, "1: belongs to a job"),
        "ProcessInitializing": at(UInt, "1: still being initialised"),
        "ProcessUsingVEH": at(UInt, "1: has vectored exception handlers"),
        "ProcessUsingVCH": at(UInt, "1: has vectored continue handlers"),
        "ProcessUsingFTH": at(UInt, "1: uses the fault tolerant heap"),
        "ProcessImagesHotPatched": at(UInt, "1: modules of the process were hot-patched"),
        "NumberOfProcessors": at(UInt, "processors of the machine"),
        "NtGlobalFlag": at(UInt, "debugging aids that are switched on"),
        "NumberOfHeaps": at(UInt, "heaps in use"),
        "MaximumNumberOfHeaps": at(UInt, "heaps that the list has room for"),
        "ProcessHeaps": at(Pointer, "array of the addresses of all heaps"),
        "ApiSetMap": at(Pointer, "the map from API set names to the modules that hold them"),
        "ReadOnlySharedMemoryBase": at(Pointer, "memory that the Windows subsystem shares with the process"),
        "OSMajorVersion": at(UInt, "Windows version as the process sees it, major"),
        "OSMinorVersion": at(UInt, "Windows version as the process sees it, minor"),
        "OSBuildNumber": at(UInt, "Windows build as the process sees it"),
        "OSCSDVersion": at(UInt, "service pack as the process sees it"),
        "OSPlatformId": at(UInt, "2 for every Windows of the NT line"),
        "ImageSubsystem": at(UInt, "what the program is for: 1 the system itself, 2 windows, 3 a console"),
        "ImageSubsystemMajorVersion": at(UInt, "lowest Windows version that the program asks for, major"),
        "ImageSubsystemMinorVersion": at(UInt, "lowest Windows version that the program asks for, minor"),
        "ActiveProcessAffinityMask": at(UInt, "processors that the program's headers allow; zero for all"),
        "SessionId": at(UInt, "session the process was started in"),
        "AppCompatFlags": at(UInt, "what is changed to keep an old program running"),
        "AppCompatFlagsUser": at(UInt, "the same, as a user asked for it"),
        "pShimData": at(Pointer, "data of the shims that keep an old program running"),
        "CSDVersion": at(UnicodeString, "service pack in words"),
        "MinimumStackCommit": at(UInt, "bytes that a new stack commits at the least"),
    },
)

PROCESS_PARAMETERS = Layout(
    "_RTL_USER_PROCESS_PARAMETERS",
    "what the creator passed on: image path, command line, environment",
    {
        "Length": at(UInt, "bytes in use"),
        "Flags": at(UInt, "1: the strings are addresses, not offsets"),
        "DebugFlags": at(UInt, "flags for debugging that the creator passed on"),
        "ConsoleHandle": at(Pointer, "console of the process"),
        "StandardInput": at(Pointer, "handle that the process reads its input from"),
        "StandardOutput": at(Pointer, "handle that the process writes its output to"),
        "StandardError": at(Pointer, "handle that the process writes its errors to"),
        "CurrentDirectory": at(UnicodeString, "current directory", "CurrentDirectory.DosPath"),
        "DllPath": at(UnicodeString, "where modules are searched"),
        "ImagePathName": at(UnicodeString, "path of the executable"),
        "CommandLine": at(UnicodeString, "command line"),
        "Environment": at(Pointer, "environment block"),
        "WindowTitle": at(UnicodeString, "title for its first window"),
        "DesktopInfo": at(UnicodeString, "window station and desktop"),
        "ShellInfo": at(UnicodeString, "what the shell passed on"),
        "RuntimeData": at(UnicodeString, "what the creator's C runtime passed on: inherited file handles"),
        "EnvironmentSize": at(UInt, "bytes of the environment block"),
        "EnvironmentVersion": at(UInt, "number of changes to the environment"),
        "PackageDependencyData": at(Pointer, "packages that the program depends on"),
        "ProcessGroupId": at(UInt, "process group, for console control events"),
        "LoaderThreads": at(UInt, "threads that the loader may load modules with; zero for its own choice"),
        "RedirectionDllName": at(UnicodeString, "module that redirects calls"),
        "HeapPartitionName": at(UnicodeString, "partition that its memory comes from"),
    },
)

PEB_LDR_DATA = Layout(
    "_PEB_LDR_DATA",
    "the loader's three lists of modules",
    {
        "Length": at(UInt, "bytes of this structure"),
        "Initialized": at(UInt, "1 once the loader is ready"),
        "InLoadOrderModuleList": at(ListEntry, "modules in the order they were loaded"),
        "InMemoryOrderModuleList": at(ListEntry, "modules in the order of the second list"),
        "InInitializationOrderModuleList": at(ListEntry, "modules in the order they were initialised"),
    },
)

LDR_DATA_TABLE_ENTRY = Layout(
    "_LDR_DATA_TABLE_ENTRY",
    "the loader's record of one module (kernel drivers use the same)",
    {
        "InLoadOrderLinks": at(ListEntry, "link in load order"),
        "InMemoryOrderLinks": at(ListEntry, "link in memory order"),
        "InInitializationOrderLinks": at(ListEntry, "link in initialisation order"),
        "DllBase": at(Pointer, "where the module is mapped"),
        "EntryPoint": at(Pointer, "its entry point"),
        "SizeOfImage": at(UInt, "bytes it takes in memory"),
        "FullDllName": at(UnicodeString, "full path"),
        "BaseDllName": at(UnicodeString, "file name"),
        "Flags": at(UInt, "what the loader did with it so far, bit by bit"),
        "ObsoleteLoadCount": at(Int, "references, as Windows counted them before 8", "ObsoleteLoadCount", "LoadCount"),
        "TimeDateStamp": at(UInt, "time stamp of the image"),
        "DdagNode": at(Pointer, "its node in the loader's graph of dependencies"),
        "OriginalBase": at(Pointer, "base that the linker chose for it"),
        "LoadTime": at(FileTime, "when it was loaded"),
        "LoadReason": at(Int, "why it was loaded"),
        "ActivePatchImageBase": at(Pointer, "where the image is mapped that patches it, zero for none"),
        "HotPatchState": at(UInt, "whether it was hot-patched while it was in use"),
    },
)

LDR_DDAG_NODE = Layout(
    "_LDR_DDAG_NODE",
    "a module's node in the loader's graph of dependencies",
    {
        "LoadCount": at(UInt, "references to the module; the largest number for one that stays for good"),
    },
)

EWOW64PROCESS = Layout(
    "_EWOW64PROCESS",
    "what the kernel keeps of a 32-bit process on 64-bit Windows (Windows 10 and later)",
    {
        "Peb": at(Pointer, "the 32-bit PEB"),
    },
)

WOW64_PROCESS = Layout(
    "_WOW64_PROCESS",
    "what the kernel kept of a 32-bit process on 64-bit Windows before Windows 7",
    {
        "Wow64": at(Pointer, "the 32-bit PEB"),
    },
)
