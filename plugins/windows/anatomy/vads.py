"""The plugin windows.anatomy.vads: the VAD trees of processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.volatility import Anatomy, Column, format_hints

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class Vads(Anatomy, interfaces.plugins.PluginInterface):
    """Lists the memory ranges of each process as a tree of VADs, explained, without symbols.

    Rows come in tree order, children under their parent. The columns up to File are those of windows.vadinfo.
    """

    _version = (1, 0, 0)
    columns = (
        Column("PID", int),
        Column("Process", str),
        Column("Offset", format_hints.Hex),
        Column("Start VPN", format_hints.Hex),
        Column("End VPN", format_hints.Hex),
        Column("Tag", str),
        Column("Protection", str),
        Column("CommitCharge", int),
        Column("PrivateMemory", int),
        Column("Parent", format_hints.Hex),
        Column("File", str),
        Column("VadType", str),
        Column("Depth", int),
        Column("Pages", int),
        Column("Region", str),
        Column("Flags", str),
        Column("Balance", int),
        Column("ControlArea", format_hints.Hex),
        Column("Subsections", int),
        Column("SectionFlags", str),
        Column("MappedViews", int),
        Column("SectionReferences", int),
        Column("FileObject", format_hints.Hex),
        Column("Problems", str),
        Column("Explanation", str),
    )

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each node of each tree."""
        from process_anatomy.walk.across.regions import regions
        from process_anatomy.walk.address_space.sections import sections
        from process_anatomy.walk.address_space.vad_checks import checks
        from process_anatomy.walk.address_space.vads import DEPTH_LIMIT, vads

        _, chosen = self.chosen(kernel)
        explain = self.explainer(kernel)
        self.progress(40, "Walking VAD trees")
        table = vads(kernel, chosen)
        self.report(table.problems)
        self.progress(70, "Reading sections")
        beside = (regions(kernel, chosen, table.rows), sections(kernel, table.rows), checks(kernel, table.rows))
        for row, names, section, check in zip(table.rows, *beside, strict=True):
            yield (
                min(row.depth, DEPTH_LIMIT),  # a splay tree may be deeper than a renderer can nest
                (
                    row.process.pid,
                    row.process.name,
                    row.address,
                    row.start,
                    row.end,
                    row.tag,
                    row.protection,
                    row.commit,
                    row.private,
                    row.parent,
                    row.file,
                    row.vad_type,
                    row.depth,
                    row.pages,
                    ", ".join(names),
                    check.flags or None,
                    check.balance,
                    section.control_area,
                    section.subsections,
                    section.flags or None,
                    section.views,
                    section.references,
                    section.file_object,
                    "; ".join((*row.problems, *check.problems, *section.problems)) or None,
                    explain.vad(row),
                ),
            )
