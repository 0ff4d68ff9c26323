"""The plugin windows.anatomy.dt: one structure, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces
from volatility3.framework.configuration import requirements

from process_anatomy.errors import RequestError
from process_anatomy.volatility import Anatomy, Column, format_hints, integer

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class Dt(Anatomy, interfaces.plugins.PluginInterface):
    """Shows a structure field by field, like a debugger's dt: at an address, or that of a process.

    Without --address the structure is the one that belongs to each process of --pid (System without --pid):
    _EPROCESS, _TOKEN, _HANDLE_TABLE, _MMVAD_SHORT (the root), _PEB, _ETHREAD (the first thread) and others.
    """

    _version = (1, 0, 0)
    columns = (
        Column("Structure", str),
        Column("Offset", format_hints.Hex),
        Column("Field", str),
        Column("Type", str),
        Column("Value", str),
        Column("Address", format_hints.Hex),
        Column("Meaning", str),
        Column("Problems", str),
        Column("Explanation", str),
    )

    @classmethod
    def get_requirements(cls) -> list[interfaces.configuration.RequirementInterface]:
        """The common options, the structure and the address."""
        return [
            *super().get_requirements(),
            requirements.StringRequirement(
                name="structure", description="Name of the structure", default="_EPROCESS", optional=True
            ),
            requirements.StringRequirement(name="address", description="Address of the structure", optional=True),
        ]

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each field."""
        from process_anatomy.walk.across.structures import fields, layout_named, of_process

        layout = layout_named(self.config["structure"])
        _, chosen = self.chosen(kernel)
        if not self.config["pid"]:
            chosen = chosen[:1]
        explain = self.explainer(kernel)
        address = self.config.get("address", None)
        at = integer("--address", address) if address else None
        shown = 0
        refusals: list[RequestError] = []
        for process in chosen:
            try:
                view, where = of_process(kernel, process, layout, at)
            except RequestError as error:
                refusals.append(error)
                continue
            shown += 1
            for row in fields(view, layout, where):
                yield (
                    0,
                    (
                        row.layout.name,
                        row.place.offset if row.place else None,
                        row.field,
                        row.type,
                        row.text if row.readable else row.value,
                        row.address + row.place.offset if row.place else None,
                        row.meaning,
                        row.problem or None,
                        explain.field(row),
                    ),
                )
            if address:
                break
        if not shown and refusals:
            raise refusals[0]
        self.report([str(refusal) for refusal in refusals])
