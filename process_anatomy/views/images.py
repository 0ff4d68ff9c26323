"""The view of programs and libraries as they lie in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from process_anatomy.views.declaration import (
    ADDRESS,
    BOOLEAN,
    DISABLED,
    INTEGER,
    TEXT,
    TEXTS,
    Column,
    Option,
    Request,
    Row,
    View,
)
from process_anatomy.views.sources import BLOCKS, LISTED, MAPPED_FILE, TREE

if TYPE_CHECKING:
    from process_anatomy.absent import Absent
    from process_anatomy.kernel.identify import Kernel
    from process_anatomy.views.memory_files import MemoryFiles
    from process_anatomy.walk.program.images import Image

PAGE = 4096


STRINGS = ("CompanyName", "FileVersion", "OriginalFilename")
"""Strings of the version resource that have a column."""


def rows(request: Request) -> Iterator[Row]:
    """One row for each image."""
    from process_anatomy.absent import NOT_APPLICABLE, Absent
    from process_anatomy.notes.module_rows import image_note
    from process_anatomy.views.memory_files import MemoryFiles

    tables, explain, options = request.tables, request.explain, request.options
    request.chosen()
    module, every = options["module"] or "", options["all"]
    table = tables.images(module, every) if module or every else tables.programs_in_memory
    request.report(table.problems)
    files = MemoryFiles(request, "image") if options["dump"] else None
    for row in table.rows:
        facts = row.facts

        def told(name: str, facts: Any = facts) -> Any:
            return facts if isinstance(facts, Absent) else getattr(facts, name)

        pdb, version, entry = told("pdb"), told("version"), told("entry")
        strings = {} if isinstance(version, Absent) else version
        output = _written(files, tables.kernel, row) if files else DISABLED
        unwritten = (f"File output: {output}",) if isinstance(output, Absent) else ()
        yield (
            0,
            {
                "PID": row.process.pid,
                "Process": row.process.name,
                "Base": row.base,
                "Size": row.size,
                "Name": row.name,
                "Path": row.path,
                "Role": row.role,
                "TimeDateStamp": told("timestamp"),
                "Machine": told("machine"),
                "Subsystem": told("subsystem"),
                "Checksum": told("checksum"),
                "FileSize": row.file if isinstance(row.file, Absent) else row.file.size,
                "Overlay": row.overlay,
                "EntryPoint": entry if isinstance(entry, Absent) else row.base + entry if entry else NOT_APPLICABLE,
                "EntrySection": told("entry_section"),
                "Sections": facts if isinstance(facts, Absent) else [str(section) for section in facts.sections],
                "VadProtection": row.vad.protection if row.vad else None,
                "Imphash": told("imphash"),
                "Imports": told("imports"),
                "Exports": told("exports"),
                "PdbPath": pdb if isinstance(pdb, Absent) else pdb.path,
                "PdbGuid": pdb if isinstance(pdb, Absent) else f"{pdb.guid}-{pdb.age}",
                **{name: version if isinstance(version, Absent) else strings.get(name) for name in STRINGS},
                "RichHash": told("rich"),
                "Mitigations": told("mitigations"),
                "Pages": row.pages,
                "PagesMissing": row.missing,
                "File output": output,
                "Problems": (*row.problems, *unwritten),
                "Explanation": explain(image_note, row),
            },
        )


def _written(files: MemoryFiles, kernel: Kernel, row: Image) -> str | Absent | None:
    """Write an image to a file; gives the file's name, nothing where there is not one page of it."""
    from process_anatomy.walk.program.images import image_bytes

    if row.missing >= row.pages:
        return None
    start = f"pid.{row.process.pid}.{row.base:#x}"
    return files.write(start, row.name, "img", row.pages * PAGE, image_bytes(kernel, row))


VIEW = View(
    name="images",
    title="Takes the executable program of each process, or its modules, apart as it lies in memory, explained.",
    component="executable-program",
    columns=(
        Column("PID", INTEGER, "the id of the process in which the image lies", "_EPROCESS.UniqueProcessId"),
        Column(
            "Process",
            TEXT,
            "the name of the process in which the image lies, cut off after 14 characters",
            "_EPROCESS.ImageFileName",
        ),
        Column(
            "Base",
            ADDRESS,
            "the first address of the image",
            "_EPROCESS.SectionBaseAddress; _PEB.ImageBaseAddress; _LDR_DATA_TABLE_ENTRY.DllBase",
        ),
        Column(
            "Size",
            INTEGER,
            "bytes that were looked at: what the image's header says, at most 64 MB; without a header, what is mapped",
            "IMAGE_OPTIONAL_HEADER.SizeOfImage",
            hexadecimal=True,
            unit="bytes",
        ),
        Column(
            "Name",
            TEXT,
            "the name of the mapped file; without one, the name that the loader or the kernel gives",
            "_FILE_OBJECT.FileName; _EPROCESS.ImageFileName",
        ),
        Column(
            "Path",
            TEXT,
            "the file that is mapped at the image's base, within its device; empty without one",
            MAPPED_FILE,
        ),
        Column(
            "Role",
            TEXT,
            "program (as the kernel says), peb-program (as the PEB says, where that differs) or module",
            "_EPROCESS.SectionBaseAddress; _PEB.ImageBaseAddress",
        ),
        Column(
            "TimeDateStamp",
            INTEGER,
            "seconds since 1970 when the image was linked; a hash of its content in reproducible builds",
            "IMAGE_FILE_HEADER.TimeDateStamp",
            hexadecimal=True,
        ),
        Column("Machine", TEXT, "the processor that the image is for", "IMAGE_FILE_HEADER.Machine"),
        Column(
            "Subsystem",
            TEXT,
            "what the program wants to run in: WINDOWS_GUI, WINDOWS_CUI (console), NATIVE and so on",
            "IMAGE_OPTIONAL_HEADER.Subsystem",
        ),
        Column(
            "Checksum",
            INTEGER,
            "the check sum of the image file, as its header says",
            "IMAGE_OPTIONAL_HEADER.CheckSum",
            hexadecimal=True,
        ),
        Column(
            "FileSize",
            INTEGER,
            "bytes of the file, as the kernel noted when it mapped it; empty where it keeps no such note",
            "_SECTION_IMAGE_INFORMATION.ImageFileSize",
            unit="bytes",
        ),
        Column(
            "Overlay",
            INTEGER,
            "bytes of the file behind its last section; they are never mapped, so the image cannot show them, only "
            "count them",
            "_SECTION_IMAGE_INFORMATION.ImageFileSize; section headers",
            unit="bytes",
        ),
        Column(
            "EntryPoint",
            ADDRESS,
            "the address of the image's first instruction; empty without one",
            "IMAGE_OPTIONAL_HEADER.AddressOfEntryPoint",
        ),
        Column(
            "EntrySection",
            TEXT,
            "the section in which the entry point lies; it should be one of code",
            "IMAGE_SECTION_HEADER",
        ),
        Column(
            "Sections",
            TEXTS,
            "each section: name, offset from the base, bytes in memory, and what its pages may be used for",
            "IMAGE_SECTION_HEADER",
            separator=", ",
        ),
        Column(
            "VadProtection",
            TEXT,
            "protection of the range that the image lies in; PAGE_EXECUTE_WRITECOPY for every mapped image",
            "_MMVAD_FLAGS.Protection",
        ),
        Column(
            "Imphash",
            TEXT,
            "a hash of the imported libraries and functions in their order: programs of one family share it",
            "IMAGE_DIRECTORY_ENTRY_IMPORT; Mandiant, Tracking Malware with Import Hashing",
        ),
        Column("Imports", INTEGER, "how many functions the image imports", "IMAGE_IMPORT_DESCRIPTOR"),
        Column(
            "Exports",
            INTEGER,
            "how many entries its table of exported functions has",
            "IMAGE_EXPORT_DIRECTORY.NumberOfFunctions",
        ),
        Column(
            "PdbPath",
            TEXT,
            "the symbol file, with the path on the machine that linked the image",
            "IMAGE_DEBUG_DIRECTORY, CodeView record (RSDS)",
        ),
        Column(
            "PdbGuid",
            TEXT,
            "GUID and age of the symbol file, by which symbol servers know it",
            "CodeView record (RSDS)",
        ),
        Column(
            "CompanyName", TEXT, "who made the image, as its version resource claims", "VS_VERSIONINFO, StringFileInfo"
        ),
        Column(
            "FileVersion", TEXT, "the version that the resource claims", "VS_VERSIONINFO, StringFileInfo.FileVersion"
        ),
        Column(
            "OriginalFilename",
            TEXT,
            "the name the file was made under: another name than now may mean that it was renamed",
            "VS_VERSIONINFO, StringFileInfo.OriginalFilename",
        ),
        Column(
            "RichHash",
            TEXT,
            "MD5 of the Rich header, which counts the compilers and linkers at work; empty without one",
            "Rich header between DOS stub and PE header",
        ),
        Column(
            "Mitigations",
            TEXTS,
            "what the header asks for; `windows.anatomy.explain --about mitigation` explains each",
            "IMAGE_OPTIONAL_HEADER.DllCharacteristics",
            separator=", ",
            empty="none",
        ),
        Column("Pages", INTEGER, "how many pages the image has", "IMAGE_OPTIONAL_HEADER.SizeOfImage", unit="pages"),
        Column(
            "PagesMissing",
            INTEGER,
            "how many of them are not in memory; in a dumped file they are zeros",
            "page tables",
            unit="pages",
        ),
        Column(
            "File output",
            TEXT,
            "the file that --dump wrote; Disabled without it, empty where there is nothing to write or nowhere",
            "windows.anatomy.images --dump",
        ),
        Column(
            "Problems",
            TEXTS,
            "what does not fit between kernel, PEB, mapping and header, and what could not be read",
            "comparison of _EPROCESS, _PEB, VAD and image",
        ),
        Column(
            "Explanation",
            TEXT,
            "what the image is to the process, at the level that --explain asks for",
            "notes, image-row",
        ),
    ),
    rows=rows,
    telling=(
        "PID",
        "Process",
        "Name",
        "Role",
        "Base",
        "FileVersion",
        "CompanyName",
        "Pages",
        "PagesMissing",
        "File output",
    ),
    whole=True,
    options=(
        Option("module", TEXT, "Modules of this file name, not the programs"),
        Option("all", BOOLEAN, "All modules", False),
        Option("dump", BOOLEAN, "Write each image to a file as it lies in memory", False),
    ),
    address="Base",
    through=f"{LISTED}; {BLOCKS}; {TREE}",
)
