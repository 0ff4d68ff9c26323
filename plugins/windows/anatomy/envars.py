"""The plugin windows.anatomy.envars: the environment of each process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.volatility import Anatomy, Column

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class Environments(Anatomy, interfaces.plugins.PluginInterface):
    """Lists each process's environment variables, explained; also of the 32-bit half of 32-bit processes."""

    _version = (1, 0, 0)
    columns = (
        Column("PID", int),
        Column("Process", str),
        Column("Block", str),
        Column("Variable", str),
        Column("Value", str),
        Column("Bits", int),
        Column("Problems", str),
        Column("Explanation", str),
    )

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each variable, and for each block that cannot be read."""
        from process_anatomy.absent import Absent
        from process_anatomy.walk.program.environments import environments
        from process_anatomy.walk.program.pebs import pebs

        _, chosen = self.chosen(kernel)
        explain = self.explainer(kernel)
        for row in environments(kernel, pebs(kernel, chosen)):
            process = row.peb.process
            yield (
                0,
                (
                    process.pid,
                    process.name,
                    row.block if isinstance(row.block, Absent) else f"{row.block:#x}",
                    row.name,
                    row.value,
                    row.peb.bits,
                    "; ".join(row.problems) or None,
                    explain.variable(row),
                ),
            )
