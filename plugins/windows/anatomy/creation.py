"""The plugin windows.anatomy.creation: how each process was made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.volatility import Anatomy, Column, format_hints, short_address

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class Creation(Anatomy, interfaces.plugins.PluginInterface):
    """Judges how each process was made, explained: by whom, with whose token, on what evidence."""

    _version = (1, 0, 0)
    columns = (
        Column("PID", int),
        Column("PPID", int),
        Column("ImageFileName", str),
        Column("Offset(V)", format_hints.Hex),
        Column("CreateTime", datetime),
        Column("Parent", str),
        Column("ParentState", str),
        Column("CreatorPID", int),
        Column("Creator", str),
        Column("Method", str),
        Column("Confidence", str),
        Column("TokenChanges", str),
        Column("Evidence", str),
        Column("User", str),
        Column("ParentUser", str),
        Column("TokenId", format_hints.Hex),
        Column("ParentTokenId", format_hints.Hex),
        Column("ImagePath", str),
        Column("CommandLine", str),
        Column("Problems", str),
        Column("Explanation", str),
    )

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each process."""
        from process_anatomy.absent import NOT_APPLICABLE, Absent
        from process_anatomy.walk.across.creation import creations
        from process_anatomy.walk.security.tokens import tokens

        everyone, chosen = self.chosen(kernel)
        explain = self.explainer(kernel)
        for row in creations(kernel, chosen, everyone, tokens(kernel, everyone)):
            process, above = row.process, row.parent_token
            yield (
                0,
                (
                    process.pid,
                    process.ppid,
                    process.name,
                    short_address(process.address),
                    process.create_time,
                    row.parent.name,
                    row.parent.state,
                    row.creator.pid,
                    row.creator.name,
                    row.method,
                    row.confidence,
                    row.changes if isinstance(row.changes, Absent) else ", ".join(row.changes) or "none",
                    "; ".join(row.evidence),
                    row.token.user_name,
                    above.user_name if above else NOT_APPLICABLE,
                    row.token.token_id,
                    row.token.parent_token_id,
                    process.image_path,
                    row.peb.command_line,
                    "; ".join(row.problems) or None,
                    explain.creation(row),
                ),
            )
