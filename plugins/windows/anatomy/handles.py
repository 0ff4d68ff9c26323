"""The plugin windows.anatomy.handles: what each process has open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.volatility import (
    Anatomy,
    Column,
    GivenListRequirement,
    format_hints,
    names_given,
    short_address,
)

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class Handles(Anatomy, interfaces.plugins.PluginInterface):
    """Lists each process's open handles, explained: what they lead to and what they allow."""

    _version = (1, 0, 0)
    columns = (
        Column("PID", int),
        Column("Process", str),
        Column("Offset", format_hints.Hex),
        Column("HandleValue", format_hints.Hex),
        Column("Type", str),
        Column("GrantedAccess", format_hints.Hex),
        Column("Name", str),
        Column("Target", str),
        Column("Rights", str),
        Column("Inherit", bool),
        Column("ProtectFromClose", bool),
        Column("AuditOnClose", bool),
        Column("Entry", format_hints.Hex),
        Column("Header", format_hints.Hex),
        Column("Problems", str),
        Column("Explanation", str),
    )

    @classmethod
    def get_requirements(cls) -> list[interfaces.configuration.RequirementInterface]:
        """The common options, and the types of objects to show."""
        return [
            *super().get_requirements(),
            GivenListRequirement(
                name="type",
                element_type=str,
                description="Types of objects to show: Process,Thread or repeated",
                optional=True,
            ),
        ]

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each handle."""
        from process_anatomy.walk.handles.opened import handles

        _, chosen = self.chosen(kernel)
        explain = self.explainer(kernel)
        found = handles(kernel, chosen, names_given("--type", self.config.get("type", None)))
        self.report(found.problems)
        for row in found.rows:
            yield (
                0,
                (
                    row.process.pid,
                    row.process.name,
                    short_address(row.object),
                    row.value,
                    row.type,
                    row.access,
                    row.target.name,
                    row.target.full,
                    row.rights,
                    row.inherit,
                    row.protect,
                    row.audit,
                    short_address(row.entry),
                    short_address(row.header),
                    "; ".join(row.problems) or None,
                    explain.handle(row),
                ),
            )
