"""The plugin windows.anatomy.pages: what the page tables of processes hold, compared with their VADs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.volatility import Anatomy, Column, format_hints

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class Pages(Anatomy, interfaces.plugins.PluginInterface):
    """Counts the pages of each range by state and by the rights that page tables give, compared with VADs, explained.

    One row for each VAD, and one for each run of present pages that no VAD covers. Numbers are pages of 4 KB.
    """

    _version = (1, 0, 0)
    columns = (
        Column("PID", int),
        Column("Process", str),
        Column("Kind", str),
        Column("Start", format_hints.Hex),
        Column("End", format_hints.Hex),
        Column("Protection", str),
        Column("Region", str),
        Column("File", str),
        Column("Valid", int),
        Column("Large", int),
        Column("Transition", int),
        Column("Prototype", int),
        Column("Pagefile", int),
        Column("DemandZero", int),
        Column("Untouched", int),
        Column("Unknown", int),
        Column("Resident", int),
        Column("Guard", int),
        Column("NoAccess", int),
        Column("Hardware", str),
        Column("Private", int),
        Column("Disagreement", str),
        Column("Problems", str),
        Column("Explanation", str),
    )

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each range."""
        from process_anatomy.absent import NOT_APPLICABLE
        from process_anatomy.walk.across.regions import regions
        from process_anatomy.walk.address_space.pages import pages
        from process_anatomy.walk.address_space.sections import sections
        from process_anatomy.walk.address_space.vads import vads

        _, chosen = self.chosen(kernel)
        explain = self.explainer(kernel)
        self.progress(20, "Walking VAD trees")
        trees = vads(kernel, chosen)
        self.report(trees.problems)
        self.progress(40, "Reading page tables")
        names, backing = regions(kernel, chosen, trees.rows), sections(kernel, trees.rows)
        table = pages(kernel, chosen, trees.rows, names, backing)
        self.report(table.problems)
        for row in table.rows:
            yield (
                0,
                (
                    row.process.pid,
                    row.process.name,
                    row.kind,
                    row.start,
                    row.end,
                    row.vad.protection if row.vad else NOT_APPLICABLE,
                    ", ".join(row.region),
                    row.vad.file if row.vad else NOT_APPLICABLE,
                    row.valid,
                    row.large,
                    row.transition,
                    row.prototype,
                    row.pagefile,
                    row.demand_zero,
                    row.untouched,
                    row.unknown,
                    row.resident,
                    row.guard,
                    row.no_access,
                    row.hardware or None,
                    row.private,
                    row.disagreement or None,
                    "; ".join(row.problems) or None,
                    explain.page(row),
                ),
            )
