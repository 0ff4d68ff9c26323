"""The view of the VAD trees of processes."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.views.declaration import (
    ADDRESS,
    DISABLED,
    FILE_OUTPUT,
    INTEGER,
    TEXT,
    TEXTS,
    Cells,
    Column,
    Option,
    Request,
    Row,
    View,
    or_none,
)
from process_anatomy.views.problems import holds
from process_anatomy.views.ranges import OPTIONS, asked_bytes, shown, written
from process_anatomy.views.ranges import holds as holds_address
from process_anatomy.views.sources import LISTED, MAPPED_FILE, REGION, SECTION, TREE

MAPPED = Option("mapped", TEXT, "Only ranges that map a file with this in its path", columns=("File",))


def rows(request: Request) -> Iterator[Row]:
    """One row for each node of each tree."""
    from process_anatomy.notes.vad_rows import vad_note
    from process_anatomy.views.memory_files import MemoryFiles
    from process_anatomy.walk.address_space.extensions import extension
    from process_anatomy.walk.address_space.vads import DEPTH_LIMIT

    tables, explain, options = request.tables, request.explain, request.options
    count = asked_bytes(request)
    files = MemoryFiles(request, "range") if options.get("dump") else None
    request.chosen()
    request.progress(40, "Walking VAD trees")
    trees = tables.vads
    request.report(trees.problems)
    request.report(tables.regions.problems)
    request.progress(70, "Reading sections")
    compressed = tables.compressed_pages
    beside = (tables.regions.rows, tables.sections, tables.vad_checks, tables.regions.threads)
    address = options.get("address")
    wanted = [each for each in zip(trees.rows, *beside, strict=True) if holds_address(each[0], address)]
    octets = shown(request, [row for row, *_ in wanted], count)
    for (row, names, section, check, threads), data in zip(wanted, octets, strict=True):
        cells: Cells = {
            "PID": row.process.pid,
            "Process": row.process.name,
            "Offset": row.address,
            "Start VPN": row.start,
            "End VPN": row.end,
            "Tag": row.tag,
            "Protection": row.protection,
            "CommitCharge": row.commit,
            "PrivateMemory": row.private,
            "Parent": row.parent,
            "File": row.file,
            "VadType": row.vad_type,
            "Depth": row.depth,
            "Pages": row.pages,
            "Region": names,
            "Flags": or_none(check.flags),
            "Balance": check.balance,
            "ControlArea": section.control_area,
            "Subsections": section.subsections,
            "SectionFlags": or_none(section.flags),
            "MappedViews": section.views,
            "SectionReferences": section.references,
            "FileObject": section.file_object,
            "Extension": extension(row, section),
            "Compressed": compressed.get(row.address, 0),
            "Bytes": data.value,
            FILE_OUTPUT: DISABLED,
            "Problems": (*row.problems, *check.problems, *section.problems, *data.problems),
            "Explanation": explain(vad_note, row, explain.library, names, section, threads),
        }
        if files and (not options.get("mapped") or holds(MAPPED, options["mapped"], cells)):
            output = written(files, tables.kernel, row)
            cells |= {FILE_OUTPUT: output.value, "Problems": (*cells["Problems"], *output.problems)}
        # a splay tree may be deeper than a renderer can nest
        yield 0 if address is not None else min(row.depth, DEPTH_LIMIT), cells


VIEW = View(
    name="vads",
    title="Lists the memory ranges of each process as a tree of VADs, explained, without symbols.",
    component="private-address-space",
    columns=(
        Column(
            "PID",
            INTEGER,
            "the id of the process whose address space the range belongs to",
            "_EPROCESS.UniqueProcessId",
        ),
        Column("Process", TEXT, "the short name of the process whose address space this is", "_EPROCESS.ImageFileName"),
        Column("Offset", ADDRESS, "the virtual address of the VAD node, in system address space", "_MMVAD_SHORT"),
        Column(
            "Start VPN",
            ADDRESS,
            "the first address of the range (the first page number times the page size)",
            "_MMVAD_SHORT.StartingVpn, StartingVpnHigh",
        ),
        Column(
            "End VPN",
            ADDRESS,
            "the last address of the range, the end of its last page",
            "_MMVAD_SHORT.EndingVpn, EndingVpnHigh",
        ),
        Column(
            "Tag",
            TEXT,
            "the pool tag in front of the node: VadS and VadF for short nodes, Vad, Vadl and Vadm for longer ones",
            "_POOL_HEADER.PoolTag",
        ),
        Column(
            "Protection",
            TEXT,
            "the protection the range was created with; single pages may have been changed since",
            "_MMVAD_FLAGS.Protection",
        ),
        Column(
            "CommitCharge",
            INTEGER,
            "how many pages of the range are charged against the commit limit",
            "_MMVAD_FLAGS1.CommitCharge",
            unit="pages",
        ),
        Column(
            "PrivateMemory",
            INTEGER,
            "1 where the memory is private to the process, 0 where a section is mapped",
            "_MMVAD_FLAGS.PrivateMemory",
        ),
        Column(
            "Parent",
            ADDRESS,
            "the address of the parent node in the tree; for the root zero, or a place in its process (2003 to 8)",
            "_MMVAD_SHORT.VadNode.ParentValue",
        ),
        Column(
            "File",
            TEXT,
            "the file that backs the range; empty for private memory and for shared memory without a file",
            MAPPED_FILE,
        ),
        Column(
            "VadType",
            TEXT,
            "the memory manager's type of the range: none, image, AWE, large pages and so on",
            "MI_VAD_TYPE; _MMVAD_FLAGS.VadType",
        ),
        Column("Depth", INTEGER, "how many steps the node is below the root of the tree", "walk of the VAD tree"),
        Column(
            "Pages",
            INTEGER,
            "how many pages the range spans, committed or not",
            "_MMVAD_SHORT.StartingVpn, EndingVpn",
            unit="pages",
        ),
        Column(
            "Region",
            TEXTS,
            "what the range is used for, as the PEB, the TEBs and the node itself tell: stack, heap, TEB, image and "
            "so on",
            REGION,
            separator=", ",
            empty="",
        ),
        Column(
            "Flags",
            TEXT,
            "names of the bits that are set in the node, such as NoChange, MemCommit, ImageMappingExtended or, before "
            "there was a VadType, ImageMap",
            "_MMVAD_FLAGS.Graphics, Enclave, ShadowStack, NoChange, DeleteInProgress, PrivateFixup, MemCommit; "
            "_MMVAD_FLAGS, _MMVAD_FLAGS2, _MM_PRIVATE_VAD_FLAGS",
        ),
        Column(
            "Balance",
            INTEGER,
            "which branch of the node is higher: 1 the right one, -1 the left one, 0 neither; empty on Windows XP, "
            "whose trees keep no balance",
            "_MMVAD_SHORT.VadNode.ParentValue: _MMADDRESS_NODE Balance, _RTL_BALANCED_NODE Balance",
            signed=True,
        ),
        Column(
            "ControlArea",
            ADDRESS,
            "the address of the control area of the section behind the range; empty for private memory",
            SECTION,
        ),
        Column(
            "Subsections",
            INTEGER,
            "how many parts the section has, from the one that is mapped on; all of them before Windows Vista",
            "_MMVAD.Subsection; _SUBSECTION.NextSubsection",
        ),
        Column(
            "SectionFlags",
            TEXT,
            "names of the bits that are set in the control area, such as Image, File or Commit",
            f"{SECTION}; _CONTROL_AREA.Flags; _MMSECTION_FLAGS",
        ),
        Column(
            "MappedViews",
            INTEGER,
            "how many views of the section are mapped, in all processes together",
            f"{SECTION}; _CONTROL_AREA.NumberOfMappedViews",
        ),
        Column(
            "SectionReferences",
            INTEGER,
            "how many section objects refer to the control area",
            f"{SECTION}; _CONTROL_AREA.NumberOfSectionReferences",
        ),
        Column(
            "FileObject",
            ADDRESS,
            "the address of the file object of the section; empty where the page file backs it",
            f"{SECTION}; _CONTROL_AREA.FilePointer",
        ),
        Column(
            "Extension",
            INTEGER,
            "pages of the range behind its image's end, which Windows 11 24H2 and later map with it; empty for others",
            "_MMVAD_FLAGS2.ImageMappingExtended, _SEGMENT.TotalNumberOfPtes",
            unit="pages",
        ),
        Column(
            "Compressed",
            INTEGER,
            "pages of the range in the compression store, which are decompressed when they are read",
            "_SMKM_STORE_MGR.KeyToStoreTree by _MMPTE_SOFTWARE.PageFileHigh",
            unit="pages",
        ),
        Column(
            "Bytes",
            TEXTS,
            "the first bytes that --bytes asks for, sixteen a text, from the range's start; ?? is not in the image",
            "the pages of the range",
            lines=True,
        ),
        Column(
            FILE_OUTPUT,
            TEXT,
            "the file that --dump wrote; Disabled without it, empty where there is nothing to write",
            "windows.anatomy.vads --dump",
        ),
        Column(
            "Problems",
            TEXTS,
            "what could not be read of this node, its file or its section, or cannot be so in a tree",
            "address space, reason for missing bytes",
        ),
        Column(
            "Explanation",
            TEXT,
            "what this range of addresses is, at the level that --explain asks for",
            "notes, vad-row",
        ),
    ),
    rows=rows,
    telling=("PID", "Process", "Start VPN", "Protection", "Region", "File", "Bytes", "File output"),
    version=(1, 1, 0),
    options=(MAPPED, *OPTIONS),
    through=f"{LISTED}; {TREE}",
)
