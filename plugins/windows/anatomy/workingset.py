"""The plugin windows.anatomy.workingset: what of each process is in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.volatility import Anatomy, Column, format_hints

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class WorkingSet(Anatomy, interfaces.plugins.PluginInterface):
    """Compares the kernel's working set counts with each process's page tables, explained."""

    _version = (1, 0, 0)
    columns = (
        Column("PID", int),
        Column("Process", str),
        Column("WorkingSetSize", int),
        Column("WorkingSetLeafSize", int),
        Column("PeakWorkingSetSize", int),
        Column("MinimumWorkingSetSize", int),
        Column("MaximumWorkingSetSize", int),
        Column("PageFaultCount", int),
        Column("PrivatePages", int),
        Column("CommitCharge", int),
        Column("CommitChargePeak", int),
        Column("CommitChargeLimit", int),
        Column("NonPagedPoolQuota", int),
        Column("PagedPoolQuota", int),
        Column("PeakNonPagedPoolQuota", int),
        Column("PeakPagedPoolQuota", int),
        Column("PeakVirtualSize", int),
        Column("Resident", int),
        Column("LargePages", int),
        Column("Transition", int),
        Column("PageTables", int),
        Column("WorkingSetList", format_hints.Hex),
        Column("ListEntries", int),
        Column("ThroughAnother", str),
        Column("Problems", str),
        Column("Explanation", str),
    )

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each process."""
        from process_anatomy.walk.address_space.working_sets import working_sets

        _, chosen = self.chosen(kernel)
        explain = self.explainer(kernel)
        for row in working_sets(kernel, chosen):
            yield (
                0,
                (
                    row.process.pid,
                    row.process.name,
                    row.size,
                    row.leaf_size,
                    row.peak,
                    row.minimum,
                    row.maximum,
                    row.page_faults,
                    row.private_pages,
                    row.commit_charge,
                    row.commit_peak,
                    row.commit_limit,
                    row.nonpaged_quota,
                    row.paged_quota,
                    row.nonpaged_peak,
                    row.paged_peak,
                    row.peak_virtual_size,
                    row.resident,
                    row.large,
                    row.transition,
                    row.tables,
                    row.list_address,
                    row.entries,
                    row.through_another,
                    "; ".join(row.problems) or None,
                    explain.working_set(row),
                ),
            )
