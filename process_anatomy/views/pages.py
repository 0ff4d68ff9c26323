"""The view of what the page tables of processes hold, compared with their VADs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.views.declaration import ADDRESS, INTEGER, TEXT, TEXTS, Cells, Column, Request, Row, View
from process_anatomy.views.ranges import BYTES, asked_bytes, shown
from process_anatomy.views.sources import LISTED, MAPPED_FILE, REGION, TREE

if TYPE_CHECKING:
    from process_anatomy.walk.address_space.code import Code

SHOWN = 16
"""Bytes of code that a cell shows."""
UNREAD = "pages that may run and come from no file are not in the image: {}"


def rows(request: Request) -> Iterator[Row]:
    """One row for each range."""
    from process_anatomy.notes.page_rows import page_note
    from process_anatomy.walk.address_space.code import place

    tables, explain = request.tables, request.explain
    count = asked_bytes(request)
    request.chosen()
    request.progress(20, "Walking VAD trees")
    request.report(tables.vads.problems)
    request.progress(40, "Reading page tables")
    request.report(tables.regions.problems)
    request.report(tables.pages.problems)
    request.progress(80, "Reading code")
    known = {place(row.range): row for row in tables.codes.rows}
    octets = shown(request, tables.pages.rows, count)
    for row, data in zip(tables.pages.rows, octets, strict=True):
        yield (
            0,
            {
                "PID": row.process.pid,
                "Process": row.process.name,
                "Kind": row.kind,
                "Start": row.start,
                "End": row.end,
                "Protection": row.vad.protection if row.vad else NOT_APPLICABLE,
                "Region": row.region,
                "File": row.vad.file if row.vad else NOT_APPLICABLE,
                "Valid": row.valid,
                "Large": row.large,
                "Transition": row.transition,
                "Prototype": row.prototype,
                "Pagefile": row.pagefile,
                "Compressed": row.compressed,
                "DemandZero": row.demand_zero,
                "Untouched": row.untouched,
                "Unknown": row.unknown,
                "Resident": row.resident,
                "Guard": row.guard,
                "NoAccess": row.no_access,
                "Hardware": row.hardware or None,
                "Private": row.private,
                "Disagreement": row.disagreement or None,
                "Extension": row.extension,
                **_code(known.get(place(row)), tables.codes.unread.get(place(row), 0)),
                "Bytes": data.value,
                "Problems": (*row.problems, *data.problems),
                "Explanation": explain(page_note, row, explain.library),
            },
        )


def _code(found: Code | None, unread: int) -> Cells:
    """What stands in the pages of a range that may run and that no file gave."""
    names = ("CodeStart", "CodeBytes", "CodeHash")
    if found is not None:
        return dict(zip(names, (found.first, found.head[:SHOWN].hex(" "), found.digest), strict=True))
    none = Absent(Kind.UNREADABLE, UNREAD.format(unread)) if unread else NOT_APPLICABLE
    return dict.fromkeys(names, none)


VIEW = View(
    name="pages",
    title="Counts the pages of each range by state and by the rights that page tables give, compared with VADs, "
    "explained.",
    component="private-address-space",
    columns=(
        Column("PID", INTEGER, "the id of the process whose page tables were read", "_EPROCESS.UniqueProcessId"),
        Column("Process", TEXT, "the short name of the process whose page tables were read", "_EPROCESS.ImageFileName"),
        Column(
            "Kind",
            TEXT,
            "vad for the pages of a VAD, no-vad for a run of present pages that no VAD covers",
            "page tables compared with the VAD tree",
        ),
        Column("Start", ADDRESS, "the first address of the range or run", "_MMVAD_SHORT.StartingVpn; page tables"),
        Column("End", ADDRESS, "the last address of the range or run", "_MMVAD_SHORT.EndingVpn; page tables"),
        Column(
            "Protection",
            TEXT,
            "the protection that the VAD was made with, which the page tables are compared with",
            "_MMVAD_FLAGS.Protection; compared",
        ),
        Column(
            "Region",
            TEXTS,
            "what the range is used for, with all that point into it",
            REGION,
            separator=", ",
            empty="",
        ),
        Column(
            "File",
            TEXT,
            "the file that is mapped at these pages",
            MAPPED_FILE,
        ),
        Column(
            "Valid", INTEGER, "small pages that the processor finds by itself", "_MMPTE_HARDWARE.Valid", unit="pages"
        ),
        Column(
            "Large",
            INTEGER,
            "pages that are mapped as part of a large page, counted in pages of 4 KB",
            "PS bit of a directory entry",
            unit="pages",
        ),
        Column(
            "Transition",
            INTEGER,
            "pages that are in memory, but not valid for the processor",
            "_MMPTE_TRANSITION",
            unit="pages",
        ),
        Column(
            "Prototype",
            INTEGER,
            "entries that refer to the section's prototype entry",
            "_MMPTE_PROTOTYPE",
            unit="pages",
        ),
        Column(
            "Pagefile", INTEGER, "pages whose content is in a page file", "_MMPTE_SOFTWARE.PageFileHigh", unit="pages"
        ),
        Column(
            "Compressed",
            INTEGER,
            "pages whose content is in the compression store, where it can be read",
            "_SMKM_STORE_MGR.KeyToStoreTree by _MMPTE_SOFTWARE.PageFileHigh",
            unit="pages",
        ),
        Column(
            "DemandZero",
            INTEGER,
            "pages that are committed and will be zeros at the first touch",
            "_MMPTE_SOFTWARE without a place in a page file",
            unit="pages",
        ),
        Column(
            "Untouched",
            INTEGER,
            "pages of the range without any entry in the page tables",
            "page tables, entry zero or no table",
            unit="pages",
        ),
        Column(
            "Unknown",
            INTEGER,
            "pages whose page tables are not in memory",
            "page tables, upper entries that lead nowhere",
            unit="pages",
        ),
        Column(
            "Resident",
            INTEGER,
            "pages whose bytes are in memory: valid, large, transition, or by a prototype entry",
            "page tables and prototype entries",
            unit="pages",
        ),
        Column(
            "Guard",
            INTEGER,
            "entries with the guard modifier: the first touch raises an alarm",
            "_MMPTE_SOFTWARE.Protection 0x10 to 0x17",
            unit="pages",
        ),
        Column(
            "NoAccess", INTEGER, "entries that forbid every access", "_MMPTE_SOFTWARE.Protection 0x18", unit="pages"
        ),
        Column(
            "Hardware",
            TEXT,
            "the rights that valid entries really give, each with its number of pages; R is read, W write, X execute,"
            " which 32-bit entries cannot forbid",
            "_MMPTE_HARDWARE.Dirty1, Write, NoExecute",
        ),
        Column(
            "Private",
            INTEGER,
            "valid pages of a section's view that are copies of this process alone",
            "_MMVAD.FirstPrototypePte against PageFrameNumber",
            unit="pages",
        ),
        Column(
            "Disagreement",
            TEXT,
            "valid pages with more rights than the VAD gives, or with frames that are not the section's",
            "_MMPTE_HARDWARE against _MMVAD_FLAGS.Protection",
        ),
        Column(
            "Extension",
            INTEGER,
            "pages behind an image's end that Windows 11 24H2 and later map with it; empty for other ranges",
            "_MMVAD_FLAGS2.ImageMappingExtended, _SEGMENT.TotalNumberOfPtes",
            unit="pages",
        ),
        Column(
            "CodeStart",
            ADDRESS,
            "the first page in memory that may run, comes from no file, and holds anything; empty for none",
            "page tables, _MMVAD_FLAGS; the page",
        ),
        Column("CodeBytes", TEXT, "the first bytes of that page, in hexadecimal", "the page"),
        Column("CodeHash", TEXT, "SHA-256 of that page, which the same bytes have in every image", "the page"),
        Column(
            "Bytes",
            TEXTS,
            "the first bytes that --bytes asks for, sixteen a text, from the start of the range or run; ?? is not in "
            "the image",
            "the pages of the range",
            lines=True,
        ),
        Column(
            "Problems",
            TEXTS,
            "what could not be had of these pages, and why",
            "address space, reason for missing page tables",
        ),
        Column(
            "Explanation",
            TEXT,
            "what the pages of the range tell, at the level that --explain asks for",
            "notes, page-row",
        ),
    ),
    rows=rows,
    telling=("PID", "Process", "Start", "Protection", "Region", "Resident", "Disagreement", "File", "Bytes"),
    version=(1, 2, 0),
    options=(BYTES,),
    address="Start",
    through=f"{LISTED}; {TREE}; _MMVAD_SHORT.PrivateMemory",
)
