"""The plugin windows.anatomy.claims: security attributes and claims of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.absent import Absent
from process_anatomy.volatility import Anatomy, Column, format_hints, short_address

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class Claims(Anatomy, interfaces.plugins.PluginInterface):
    """Lists the security attributes and claims of each token, explained, one row for each value."""

    _version = (1, 0, 0)
    columns = (
        Column("PID", int),
        Column("TID", int),
        Column("Process", str),
        Column("Kind", str),
        Column("Name", str),
        Column("ValueType", str),
        Column("Index", int),
        Column("Value", str),
        Column("Flags", str),
        Column("HeldBy", str),
        Column("Offset", format_hints.Hex),
        Column("Problems", str),
        Column("Explanation", str),
    )

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each value; one row for an attribute without a value, or that is not proved."""
        found = self.security(kernel)
        explain = self.explainer(kernel)
        for row in found.claims.attributes:
            for index, value in enumerate(row.values or (None,)):
                text = value.hex() if isinstance(value, bytes) else value
                yield (
                    0,
                    (
                        row.token.process.pid,
                        row.token.tid,
                        row.token.process.name,
                        row.kind,
                        row.name,
                        row.type,
                        index if row.values else None,
                        text if text is None or isinstance(text, Absent) else str(text),
                        row.flags,
                        "logon session" if row.shared else "token",
                        short_address(row.address),
                        "; ".join(row.problems) or None,
                        explain.attribute(row, index),
                    ),
                )
