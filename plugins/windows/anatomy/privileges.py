"""The plugin windows.anatomy.privileges: the privileges of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.absent import Absent
from process_anatomy.volatility import (
    Anatomy,
    Column,
    format_hints,
    short_address,
    stock_privilege_descriptions,
)

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class Privileges(Anatomy, interfaces.plugins.PluginInterface):
    """Lists what each process, and each thread that impersonates, may do, explained, without symbols.

    The columns up to Description are those of windows.privileges.
    """

    _version = (1, 0, 0)
    columns = (
        Column("PID", int),
        Column("Process", str),
        Column("Value", int),
        Column("Privilege", str),
        Column("Attributes", str),
        Column("Description", str),
        Column("TID", int),
        Column("Token", format_hints.Hex),
        Column("Problems", str),
        Column("Explanation", str),
    )

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each privilege of each token; one row for a token that could not be read."""
        from process_anatomy.walk.security.privileges import Privilege, privileges
        from process_anatomy.walk.security.tokens import tokens
        from process_anatomy.walk.threads.listed import threads

        _, chosen = self.chosen(kernel)
        acting = threads(kernel, chosen)
        self.report(acting.problems)
        explain = self.explainer(kernel)
        descriptions = stock_privilege_descriptions()
        for row in privileges(tokens(kernel, chosen, acting.rows)):
            if not isinstance(row, Privilege):
                masks = row.present, row.enabled, row.default
                gone = next((v for v in masks if isinstance(v, Absent)), None)
                problems = "; ".join(row.problems if gone is not None else row.privilege_problems) or str(gone)
                yield (
                    0,
                    (
                        row.process.pid,
                        row.process.name,
                        *[gone] * 4,
                        row.tid,
                        short_address(row.address),
                        problems,
                        explain.token(row),
                    ),
                )
                continue
            yield (
                0,
                (
                    row.token.process.pid,
                    row.token.process.name,
                    row.value,
                    row.name or None,
                    row.attributes,
                    descriptions.get(row.value) or explain.privilege_title(row) or None,
                    row.token.tid,
                    short_address(row.token.address),
                    row.problem or None,
                    explain.privilege(row),
                ),
            )
