"""The view of what of each process is in memory."""

from __future__ import annotations

from collections.abc import Iterator

from process_anatomy.views.declaration import ADDRESS, INTEGER, TEXT, TEXTS, Column, Request, Row, View
from process_anatomy.views.sources import LISTED


def rows(request: Request) -> Iterator[Row]:
    """One row for each process."""
    from process_anatomy.notes.working_set_rows import working_set_note

    tables, explain = request.tables, request.explain
    request.chosen()
    for row in tables.working_sets:
        yield (
            0,
            {
                "PID": row.process.pid,
                "Process": row.process.name,
                "WorkingSetSize": row.size,
                "WorkingSetLeafSize": row.leaf_size,
                "PeakWorkingSetSize": row.peak,
                "MinimumWorkingSetSize": row.minimum,
                "MaximumWorkingSetSize": row.maximum,
                "PageFaultCount": row.page_faults,
                "PrivatePages": row.private_pages,
                "CommitCharge": row.commit_charge,
                "CommitChargePeak": row.commit_peak,
                "CommitChargeLimit": row.commit_limit,
                "NonPagedPoolQuota": row.nonpaged_quota,
                "PagedPoolQuota": row.paged_quota,
                "PeakNonPagedPoolQuota": row.nonpaged_peak,
                "PeakPagedPoolQuota": row.paged_peak,
                "PeakVirtualSize": row.peak_virtual_size,
                "Resident": row.resident,
                "LargePages": row.large,
                "Transition": row.transition,
                "Compressed": row.compressed,
                "PageTables": row.tables,
                "WorkingSetList": row.list_address,
                "ListEntries": row.entries,
                "ThroughAnother": row.through_another,
                "Problems": row.problems,
                "Explanation": explain(working_set_note, row),
            },
        )


VIEW = View(
    name="workingset",
    title="Compares the kernel's working set counts with each process's page tables, explained.",
    component="private-address-space",
    columns=(
        Column("PID", INTEGER, "the process id", "_EPROCESS.UniqueProcessId"),
        Column("Process", TEXT, "the short name of the program", "_EPROCESS.ImageFileName"),
        Column(
            "WorkingSetSize",
            INTEGER,
            "pages of 4 KB in memory as the kernel counts them, page tables included",
            "_MMSUPPORT.WorkingSetSize",
            unit="pages",
        ),
        Column(
            "WorkingSetLeafSize",
            INTEGER,
            "the same without page tables; empty for Windows before 8.1",
            "_MMSUPPORT.WorkingSetLeafSize",
            unit="pages",
        ),
        Column(
            "PeakWorkingSetSize",
            INTEGER,
            "the most pages that were ever in memory at once, page tables not counted",
            "_MMSUPPORT.PeakWorkingSetSize; real small dumps, where it equals the leaf size and not the size",
            unit="pages",
        ),
        Column(
            "MinimumWorkingSetSize",
            INTEGER,
            "pages that the process may keep when memory runs short",
            "_MMSUPPORT.MinimumWorkingSetSize",
            unit="pages",
        ),
        Column(
            "MaximumWorkingSetSize",
            INTEGER,
            "pages that it may be cut down to; not a limit unless it was made one",
            "_MMSUPPORT.MaximumWorkingSetSize",
            unit="pages",
        ),
        Column(
            "PageFaultCount",
            INTEGER,
            "how often a page was touched that was not in the working set, modulo 2^32",
            "_MMSUPPORT.PageFaultCount",
        ),
        Column(
            "PrivatePages",
            INTEGER,
            "pages that only this process has, in memory or not",
            "_EPROCESS.NumberOfPrivatePages",
            unit="pages",
        ),
        Column(
            "CommitCharge",
            INTEGER,
            "pages that the process was charged for against the commit limit",
            "_EPROCESS.CommitCharge",
            unit="pages",
        ),
        Column(
            "CommitChargePeak",
            INTEGER,
            "the most pages that the process was ever charged for",
            "_EPROCESS.CommitChargePeak",
            unit="pages",
        ),
        Column(
            "CommitChargeLimit",
            INTEGER,
            "pages that it may be charged for at the most; empty where no limit was set",
            "_EPROCESS.CommitChargeLimit",
            unit="pages",
        ),
        Column(
            "NonPagedPoolQuota",
            INTEGER,
            "bytes of kernel pool that is never paged, charged against the quota of its user",
            "_EPROCESS.ProcessQuotaUsage; PsNonPagedPool",
            unit="bytes",
        ),
        Column(
            "PagedPoolQuota",
            INTEGER,
            "bytes of paged kernel pool, charged against the quota of its user",
            "_EPROCESS.ProcessQuotaUsage; PsPagedPool",
            unit="bytes",
        ),
        Column(
            "PeakNonPagedPoolQuota",
            INTEGER,
            "the most bytes of pool that is never paged that it was ever charged for",
            "_EPROCESS.ProcessQuotaPeak; PsNonPagedPool",
            unit="bytes",
        ),
        Column(
            "PeakPagedPoolQuota",
            INTEGER,
            "the most bytes of paged pool that it was ever charged for",
            "_EPROCESS.ProcessQuotaPeak; PsPagedPool",
            unit="bytes",
        ),
        Column(
            "PeakVirtualSize",
            INTEGER,
            "the most address space that was ever in use, in bytes",
            "_EPROCESS.PeakVirtualSize",
            unit="bytes",
        ),
        Column(
            "Resident",
            INTEGER,
            "pages of 4 KB that the process's own page tables map as valid, user half",
            "page table entries",
            unit="pages",
        ),
        Column(
            "LargePages",
            INTEGER,
            "pages of 4 KB that its large pages cover, which belong to no working set",
            "page directory entries with the large bit",
            unit="pages",
        ),
        Column(
            "Transition",
            INTEGER,
            "pages that were trimmed from the working set and can still be read",
            "page table entries with the transition bit",
            unit="pages",
        ),
        Column(
            "Compressed",
            INTEGER,
            "pages in the compression store, which are decompressed when they are read",
            "_SMKM_STORE_MGR.KeyToStoreTree by _MMPTE_SOFTWARE.PageFileHigh",
            unit="pages",
        ),
        Column(
            "PageTables",
            INTEGER,
            "page tables of its user half, the root included unless it has only the four entries of PAE",
            "page tables",
        ),
        Column(
            "WorkingSetList",
            ADDRESS,
            "the address of its working set list; from Windows 10 1703 on, of the state that is left of it",
            "_MMSUPPORT.VmWorkingSetList",
        ),
        Column(
            "ListEntries",
            INTEGER,
            "entries of the list that are in use; empty since Windows 10 1703, which keeps none",
            "_MMWSL.Wsle; Geoff Chappell, MMWSL",
        ),
        Column(
            "ThroughAnother",
            TEXT,
            "what the list's address means through System's page tables: same data, other data, nothing",
            "page tables of the process and of System",
        ),
        Column(
            "Problems",
            TEXTS,
            "what could not be counted or read, and why",
            "process_anatomy.walk.address_space.working_sets",
        ),
        Column(
            "Explanation",
            TEXT,
            "what the numbers say about the process, at the level that --explain asks for",
            "notes, working-set-row",
        ),
    ),
    rows=rows,
    telling=("PID", "Process", "WorkingSetSize", "PrivatePages", "CommitCharge", "Resident"),
    whole=True,
    address="WorkingSetList",
    through=f"{LISTED}, DirectoryTableBase",
)
