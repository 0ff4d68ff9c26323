"""The view of what each process environment block says."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.views.declaration import ADDRESS, BOOLEAN, INTEGER, TEXT, TEXTS, Column, Request, Row, View
from process_anatomy.views.sources import BLOCKS, LISTED


def rows(request: Request) -> Iterator[Row]:
    """One row for each PEB, and for each process without one."""
    from process_anatomy.absent import Absent
    from process_anatomy.notes.block_rows import peb_row
    from process_anatomy.walk.program.global_flags import global_flags, subsystem

    tables, explain = request.tables, request.explain
    request.chosen()
    for row, compressed in zip(tables.pebs, tables.compressed_parts, strict=True):
        yield (
            0,
            {
                "PID": row.process.pid,
                "Process": row.process.name,
                "Bits": row.bits,
                "PEB": row.address,
                "DTB": row.root,
                "ImageBaseAddress": row.image_base,
                "BeingDebugged": row.being_debugged,
                "NtGlobalFlag": row.nt_global_flag,
                "GlobalFlags": global_flags(row.nt_global_flag),
                "Flags": row.flags,
                "ImagePath": row.image_path,
                "CommandLine": row.command_line,
                "CurrentDirectory": row.current_directory,
                "WindowTitle": row.window_title,
                "DesktopInfo": row.desktop,
                "ShellInfo": row.shell_info,
                "OSVersion": row.os_version,
                "ServicePack": row.service_pack,
                "Subsystem": subsystem(row.subsystem),
                "SessionId": row.session,
                "Heaps": row.heap_count,
                "ProcessHeap": row.heap,
                "HeapList": row.heaps if isinstance(row.heaps, Absent) else [f"{heap:#x}" for heap in row.heaps],
                "Ldr": row.ldr,
                "ProcessParameters": row.parameters,
                "Environment": row.environment,
                "EnvironmentSize": row.environment_size,
                "ApiSetMap": row.api_set_map,
                "ReadOnlySharedMemoryBase": row.shared_memory,
                "ShimData": row.shim_data,
                "HotPatchContext": row.hot_patch_context,
                "Compressed": compressed,
                "Problems": row.problems,
                "Explanation": explain(peb_row, row, explain.library),
            },
        )


VIEW = View(
    name="peb",
    title="Shows each process's PEB, explained: user memory, read through the process's own page tables.",
    component="executable-program",
    columns=(
        Column("PID", INTEGER, "the id of the process that the PEB belongs to", "_EPROCESS.UniqueProcessId"),
        Column("Process", TEXT, "the short name of that process", "_EPROCESS.ImageFileName"),
        Column(
            "Bits",
            INTEGER,
            "of the PEB's own pointers: those of Windows itself, or 32 for the second PEB of a 32-bit process on "
            "64-bit Windows",
            "_EPROCESS.WoW64Process",
        ),
        Column(
            "PEB",
            ADDRESS,
            "where the PEB lies: a user address, which means something in this process only",
            "_EPROCESS.Peb; _EWOW64PROCESS.Peb",
        ),
        Column(
            "DTB",
            ADDRESS,
            "the page-table root that the PEB was read through: the process's own",
            "_KPROCESS.DirectoryTableBase",
        ),
        Column("ImageBaseAddress", ADDRESS, "where the PEB says that the program is mapped", "_PEB.ImageBaseAddress"),
        Column("BeingDebugged", BOOLEAN, "whether the PEB says that a debugger is attached", "_PEB.BeingDebugged"),
        Column(
            "NtGlobalFlag",
            INTEGER,
            "the debugging aids that are switched on for the process, as Windows' mask",
            "_PEB.NtGlobalFlag",
            hexadecimal=True,
        ),
        Column(
            "GlobalFlags",
            TEXT,
            "the same mask by the names of its bits; 0x70 altogether is what a start under a debugger leaves",
            "_PEB.NtGlobalFlag; Microsoft Learn, GFlags Flag Table",
        ),
        Column(
            "Flags",
            TEXT,
            "the PEB's own marks: large pages, protected, relocated, packaged, AppContainer, in a job, "
            "hot-patched images",
            "_PEB.BitField, _PEB.CrossProcessFlags",
        ),
        Column(
            "ImagePath",
            TEXT,
            "the path of the program as its creator wrote it into the parameters",
            "_RTL_USER_PROCESS_PARAMETERS.ImagePathName",
        ),
        Column(
            "CommandLine",
            TEXT,
            "the command line, which the process itself can change",
            "_RTL_USER_PROCESS_PARAMETERS.CommandLine",
        ),
        Column(
            "CurrentDirectory",
            TEXT,
            "the folder that relative paths start from",
            "_RTL_USER_PROCESS_PARAMETERS.CurrentDirectory",
        ),
        Column(
            "WindowTitle",
            TEXT,
            "the title for its first window; of a program started from a shortcut, the shortcut's path",
            "_RTL_USER_PROCESS_PARAMETERS.WindowTitle",
        ),
        Column(
            "DesktopInfo",
            TEXT,
            "the window station and desktop it was started on",
            "_RTL_USER_PROCESS_PARAMETERS.DesktopInfo",
        ),
        Column("ShellInfo", TEXT, "what the shell passed on to it", "_RTL_USER_PROCESS_PARAMETERS.ShellInfo"),
        Column(
            "OSVersion",
            TEXT,
            "the version of Windows that the PEB tells the program of",
            "_PEB.OSMajorVersion, OSMinorVersion, OSBuildNumber",
        ),
        Column(
            "ServicePack",
            TEXT,
            "the service pack that the PEB tells the program of, in words; empty for none",
            "_PEB.CSDVersion",
        ),
        Column(
            "Subsystem",
            TEXT,
            "what the program is for: the system itself (native), windows or a console",
            "_PEB.ImageSubsystem",
        ),
        Column("SessionId", INTEGER, "the terminal session as the PEB tells it", "_PEB.SessionId"),
        Column("Heaps", INTEGER, "how many heaps the process counts", "_PEB.NumberOfHeaps"),
        Column("ProcessHeap", ADDRESS, "where its default heap lies", "_PEB.ProcessHeap"),
        Column("HeapList", TEXTS, "the addresses of all its heaps", "_PEB.ProcessHeaps", separator=" ", empty=""),
        Column("Ldr", ADDRESS, "where the loader keeps its lists of modules", "_PEB.Ldr"),
        Column(
            "ProcessParameters",
            ADDRESS,
            "where the parameters lie that its creator passed on",
            "_PEB.ProcessParameters",
        ),
        Column("Environment", ADDRESS, "where its environment block lies", "_RTL_USER_PROCESS_PARAMETERS.Environment"),
        Column(
            "EnvironmentSize",
            INTEGER,
            "how many bytes the environment block has",
            "_RTL_USER_PROCESS_PARAMETERS.EnvironmentSize",
            unit="bytes",
        ),
        Column(
            "ApiSetMap",
            ADDRESS,
            "the map that leads from API set names to modules, shared by all processes",
            "_PEB.ApiSetMap",
        ),
        Column(
            "ReadOnlySharedMemoryBase",
            ADDRESS,
            "memory that the Windows subsystem (csrss) shares with the process",
            "_PEB.ReadOnlySharedMemoryBase",
        ),
        Column(
            "ShimData",
            ADDRESS,
            "data of the shims that keep an old program running; empty without any",
            "_PEB.pShimData",
        ),
        Column(
            "HotPatchContext",
            ADDRESS,
            "where the kernel keeps which images of the process were patched while they were in use; empty for none",
            "_EPROCESS.MmHotPatchContext",
        ),
        Column(
            "Compressed",
            TEXTS,
            "which of PEB, process parameters, environment and loader data begin in a page that was read from the"
            " compression store",
            "_SMKM_STORE_MGR.KeyToStoreTree by _MMPTE_SOFTWARE.PageFileHigh",
            separator=", ",
            empty="",
        ),
        Column(
            "Problems",
            TEXTS,
            "what the PEB says otherwise than the kernel, and what could not be read",
            "process_anatomy.walk.program.pebs",
        ),
        Column(
            "Explanation",
            TEXT,
            "what this PEB is and in whose address space it lies, at the level that --explain asks for",
            "notes, peb-row",
        ),
    ),
    rows=rows,
    telling=("PID", "Process", "Bits", "PEB", "BeingDebugged", "CommandLine", "CurrentDirectory"),
    whole=True,
    address="PEB",
    through=f"{LISTED}; {BLOCKS}",
)
