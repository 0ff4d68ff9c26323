"""The plugin windows.anatomy.groups: every SID of every token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.volatility import Anatomy, Column, format_hints, short_address

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class Groups(Anatomy, interfaces.plugins.PluginInterface):
    """Lists every SID of each token, explained: user, groups, restricting SIDs, capabilities, how each counts.

    The columns up to Name are those of windows.getsids; its rows are ours of the kinds user and group.
    """

    _version = (1, 0, 0)
    columns = (
        Column("PID", int),
        Column("Process", str),
        Column("SID", str),
        Column("Name", str),
        Column("NameSource", str),
        Column("TID", int),
        Column("Kind", str),
        Column("Attributes", str),
        Column("Role", str),
        Column("Token", format_hints.Hex),
        Column("Problems", str),
        Column("Explanation", str),
    )

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each SID; one row for a token whose SIDs could not be read."""
        from process_anatomy.walk.security.groups import Group, groups

        found = self.security(kernel)
        explain = self.explainer(kernel)
        for row in groups(found.tokens, found.claims):
            token = row.token if isinstance(row, Group) else row
            if not isinstance(row, Group):
                gone = row.sids if isinstance(row.sids, Absent) else NOT_APPLICABLE
                cells = [gone, gone, None, token.tid, None, gone, None]
                told = explain.token(token)
                problems = "; ".join(token.problems) or str(gone)
            else:
                sid = row.sid
                name = "" if isinstance(sid, Absent) else found.names.name(sid)
                source = "" if isinstance(sid, Absent) else found.names.source(sid)
                cells = [
                    sid,
                    sid if isinstance(sid, Absent) else name or None,
                    source or None,
                    token.tid,
                    row.kind,
                    row.attributes,
                    ", ".join(row.roles) or None,
                ]
                told = explain.group(row, name)
                problems = "; ".join(row.problems)
            yield (
                0,
                (
                    token.process.pid,
                    token.process.name,
                    *cells,
                    short_address(token.address),
                    problems or None,
                    told,
                ),
            )
