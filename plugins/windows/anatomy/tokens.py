"""The plugin windows.anatomy.tokens: primary tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.volatility import Anatomy, Column, format_hints, short_address

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class Tokens(Anatomy, interfaces.plugins.PluginInterface):
    """Lists the primary token of each process, explained: user, integrity, elevation, session, logon."""

    _version = (1, 0, 0)
    columns = (
        Column("PID", int),
        Column("Process", str),
        Column("Offset", format_hints.Hex),
        Column("TokenId", format_hints.Hex),
        Column("AuthenticationId", format_hints.Hex),
        Column("User", str),
        Column("UserName", str),
        Column("Account", str),
        Column("Integrity", str),
        Column("Elevation", str),
        Column("SessionId", int),
        Column("TokenType", str),
        Column("Groups", int),
        Column("Privileges", str),
        Column("Flags", str),
        Column("Package", str),
        Column("Problems", str),
        Column("Explanation", str),
    )

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each process."""
        from process_anatomy.walk.tokens import tokens

        _, chosen = self.chosen(kernel)
        explain = self.explainer(kernel)
        for row in tokens(kernel, chosen):
            yield (
                0,
                (
                    row.process.pid,
                    row.process.name,
                    short_address(row.address),
                    row.token_id,
                    row.authentication_id,
                    row.user,
                    row.user_name,
                    row.account,
                    row.integrity,
                    row.elevation,
                    row.session,
                    row.token_type,
                    row.groups,
                    row.privilege_summary,
                    row.flag_names,
                    row.package,
                    "; ".join(row.problems) or None,
                    explain.token(row),
                ),
            )
