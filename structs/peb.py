"""The PEB and its parameters: process data that lives in the process's own (user) address space.

User-mode code reads it, so it cannot lie with the rest in system address space.
"""

from __future__ import annotations

from structs.layout import Layout, ListEntry, Pointer, UInt, UnicodeString, at

PEB = Layout(
    "_PEB",
    "the process environment block, in the process's own address space",
    {
        "BeingDebugged": at(UInt, "1 while a debugger is attached"),
        "ImageBaseAddress": at(Pointer, "where the executable program is mapped"),
        "Ldr": at(Pointer, "the loader's lists of modules"),
        "ProcessParameters": at(Pointer, "command line, paths, environment"),
        "ProcessHeap": at(Pointer, "the default heap"),
        "NtGlobalFlag": at(UInt, "debugging aids that are switched on"),
        "NumberOfHeaps": at(UInt, "heaps in use"),
        "OSMajorVersion": at(UInt, "Windows version as the process sees it, major"),
        "OSMinorVersion": at(UInt, "Windows version as the process sees it, minor"),
        "OSBuildNumber": at(UInt, "Windows build as the process sees it"),
        "SessionId": at(UInt, "session the process was started in"),
    },
)

PROCESS_PARAMETERS = Layout(
    "_RTL_USER_PROCESS_PARAMETERS",
    "what the creator passed on: image path, command line, environment",
    {
        "Length": at(UInt, "bytes in use"),
        "Flags": at(UInt, "1: the strings are addresses, not offsets"),
        "ConsoleHandle": at(Pointer, "console of the process"),
        "CurrentDirectory": at(UnicodeString, "current directory", "CurrentDirectory.DosPath"),
        "DllPath": at(UnicodeString, "where modules are searched"),
        "ImagePathName": at(UnicodeString, "path of the executable"),
        "CommandLine": at(UnicodeString, "command line"),
        "Environment": at(Pointer, "environment block"),
        "WindowTitle": at(UnicodeString, "title for its first window"),
        "DesktopInfo": at(UnicodeString, "window station and desktop"),
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
        "TimeDateStamp": at(UInt, "time stamp of the image"),
    },
)
