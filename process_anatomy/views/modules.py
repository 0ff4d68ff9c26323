"""The view of what is loaded in each process."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.views.declaration import (
    ADDRESS,
    BOOLEAN,
    INTEGER,
    TEXT,
    TEXTS,
    TIME,
    Column,
    Moment,
    Request,
    Row,
    View,
)
from process_anatomy.views.sources import BLOCKS, LISTED, MAPPED_FILE, TREE


def rows(request: Request) -> Iterator[Row]:
    """One row for each module."""
    from process_anatomy.notes.module_rows import module_note

    tables, explain = request.tables, request.explain
    request.chosen()
    request.report(tables.modules.problems)
    for row in tables.modules.rows:
        yield (
            0,
            {
                "PID": row.process.pid,
                "Process": row.process.name,
                "Base": row.base,
                "Size": row.size,
                "Name": row.name,
                "Path": row.told("path"),
                "LoadCount": row.told("load_count"),
                "LoadTime": row.told("load_time"),
                "InLoad": row.held("InLoadOrder"),
                "InInit": row.held("InInitializationOrder"),
                "InMem": row.held("InMemoryOrder"),
                "MappedPath": row.mapped_path,
                "EntryPoint": row.told("entry_point"),
                "TimeDateStamp": row.told("timestamp"),
                "LoadReason": row.told("load_reason"),
                "References": row.told("references"),
                "Bits": row.bits or None,
                "State": row.state,
                "Header": row.compared,
                "Offset": row.told("address"),
                "HotPatch": row.told("hot_patch"),
                "PatchBase": row.told("patch_base"),
                "Extension": row.extension,
                "Problems": row.problems,
                "Explanation": explain(module_note, row, explain.library),
            },
        )


VIEW = View(
    name="modules",
    title="Lists the modules of each process, explained: the loader's lists beside the images that are mapped.",
    component="executable-program",
    columns=(
        Column("PID", INTEGER, "the id of the process in which the module is", "_EPROCESS.UniqueProcessId"),
        Column(
            "Process",
            TEXT,
            "the name of the process in which the module is, cut off after 14 characters",
            "_EPROCESS.ImageFileName",
        ),
        Column("Base", ADDRESS, "the first address of the module", "_LDR_DATA_TABLE_ENTRY.DllBase; _MMVAD.StartingVpn"),
        Column(
            "Size",
            INTEGER,
            "bytes of the module in memory, as the loader says; where no list holds it, as the mapping says",
            "_LDR_DATA_TABLE_ENTRY.SizeOfImage",
            hexadecimal=True,
            unit="bytes",
        ),
        Column(
            "Name",
            TEXT,
            "the file name, as the loader says; where no list holds it, that of the mapped file",
            "_LDR_DATA_TABLE_ENTRY.BaseDllName",
        ),
        Column(
            "Path",
            TEXT,
            "the full path, as the loader says: user memory, which the process itself can change",
            "_LDR_DATA_TABLE_ENTRY.FullDllName",
        ),
        Column(
            "LoadCount",
            INTEGER,
            "the count of references that Windows kept before 8; -1 and 6 mean little since then, see References",
            "_LDR_DATA_TABLE_ENTRY.ObsoleteLoadCount",
            signed=True,
        ),
        Column(
            "LoadTime", TIME, "when the module was loaded (UTC)", "_LDR_DATA_TABLE_ENTRY.LoadTime", moment=Moment.LOADED
        ),
        Column(
            "InLoad",
            BOOLEAN,
            "whether the loader's list in load order holds it, the 64-bit one or the 32-bit one",
            "_PEB_LDR_DATA.InLoadOrderModuleList",
        ),
        Column(
            "InInit",
            BOOLEAN,
            "whether the list in initialisation order holds it; the program itself is never in that one",
            "_PEB_LDR_DATA.InInitializationOrderModuleList",
        ),
        Column("InMem", BOOLEAN, "whether the list in memory order holds it", "_PEB_LDR_DATA.InMemoryOrderModuleList"),
        Column(
            "MappedPath",
            TEXT,
            "the file that the kernel mapped there, within its device; empty where no image is mapped",
            MAPPED_FILE,
        ),
        Column(
            "EntryPoint",
            ADDRESS,
            "the address at which the loader starts the module",
            "_LDR_DATA_TABLE_ENTRY.EntryPoint",
        ),
        Column(
            "TimeDateStamp",
            INTEGER,
            "the time stamp that the loader copied from the image's header; newer builds of Windows hold a hash there",
            "_LDR_DATA_TABLE_ENTRY.TimeDateStamp",
            hexadecimal=True,
        ),
        Column(
            "LoadReason",
            TEXT,
            "why the module was loaded; `windows.anatomy.explain --about load-reason` explains each",
            "_LDR_DATA_TABLE_ENTRY.LoadReason",
        ),
        Column(
            "References",
            INTEGER,
            "how often the loader's graph refers to the module; -1 for one that stays for good",
            "_LDR_DDAG_NODE.LoadCount",
            signed=True,
        ),
        Column(
            "Bits",
            TEXT,
            "which loader lists it, by its pointers: 64, 32, or both in a 32-bit process on 64-bit Windows",
            "_PEB.Ldr; _EWOW64PROCESS.Peb",
        ),
        Column(
            "State",
            TEXT,
            "listed, not-listed, no-image, no-loader or unreadable: the lists and the mapping beside each other",
            "_LDR_DATA_TABLE_ENTRY; _MMVAD_FLAGS.VadType",
        ),
        Column(
            "Header",
            TEXT,
            "whether the header in memory agrees with the loader; empty where the header is not in memory",
            "IMAGE_NT_HEADERS: SizeOfImage, AddressOfEntryPoint, TimeDateStamp",
        ),
        Column(
            "Offset",
            ADDRESS,
            "the address of the loader's entry, in the process's own address space",
            "_LDR_DATA_TABLE_ENTRY",
        ),
        Column(
            "HotPatch",
            TEXT,
            "what hot-patching did with the module while it was in use; `windows.anatomy.explain --about hot-patch` "
            "explains each",
            "_LDR_DATA_TABLE_ENTRY.HotPatchState",
        ),
        Column(
            "PatchBase",
            ADDRESS,
            "where the image is mapped that patches the module; empty where none does",
            "_LDR_DATA_TABLE_ENTRY.ActivePatchImageBase",
        ),
        Column(
            "Extension",
            INTEGER,
            "pages behind the image's end that Windows 11 24H2 and later map with it; empty for images without any",
            "_MMVAD_FLAGS2.ImageMappingExtended, _SEGMENT.TotalNumberOfPtes",
            unit="pages",
        ),
        Column(
            "Problems",
            TEXTS,
            "where lists, mapping and header of the module do not agree, and what could not be read",
            "comparison of the loader's lists, VADs and headers",
        ),
        Column(
            "Explanation",
            TEXT,
            "what it means that the module is there, at the level that --explain asks for",
            "notes, module-row",
        ),
    ),
    rows=rows,
    telling=("PID", "Process", "Base", "Name", "State", "LoadTime", "MappedPath"),
    thing="module",
    known_by=("Path", "Base"),
    through=(
        f"{LISTED}; {BLOCKS}; _PEB.Ldr; {TREE}; "
        "_LDR_DATA_TABLE_ENTRY.InLoadOrderLinks, InMemoryOrderLinks, InInitializationOrderLinks"
    ),
)
