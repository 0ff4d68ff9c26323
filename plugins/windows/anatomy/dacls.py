"""The plugin windows.anatomy.dacls: the default access lists of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces

from process_anatomy.absent import Absent, Kind
from process_anatomy.volatility import Anatomy, Column, format_hints, short_address

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel


class Dacls(Anatomy, interfaces.plugins.PluginInterface):
    """Lists the default access list of each token, explained: who may do what with the objects it makes."""

    _version = (1, 0, 0)
    columns = (
        Column("PID", int),
        Column("TID", int),
        Column("Process", str),
        Column("Entry", int),
        Column("Type", str),
        Column("Flags", str),
        Column("AccessMask", format_hints.Hex),
        Column("Rights", str),
        Column("SID", str),
        Column("Name", str),
        Column("Offset", format_hints.Hex),
        Column("Problems", str),
        Column("Explanation", str),
    )

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each entry; one row for a token without a list, with an empty one or with an unreadable one."""
        from process_anatomy.walk.security.acls import Acl

        found = self.security(kernel)
        explain = self.explainer(kernel)
        for token in found.tokens:
            who = (token.process.pid, token.tid, token.process.name)
            if not isinstance(token.dacl, Acl) or not token.dacl.entries:
                gone = token.dacl if isinstance(token.dacl, Absent) else None
                listed = () if isinstance(token.dacl, Absent) else token.dacl.problems
                told = str(gone) if gone and gone.kind is not Kind.NOT_APPLICABLE else "; ".join(listed)
                where = gone if gone else short_address(token.dacl.address) if isinstance(token.dacl, Acl) else None
                yield 0, (*who, *[gone] * 7, where, told or None, explain.dacl(token))
                continue
            for number, ace in enumerate(token.dacl.entries, 1):
                name = "" if isinstance(ace.sid, Absent) else found.names.name(ace.sid)
                problems = token.dacl.problems if number == len(token.dacl.entries) else ()
                yield (
                    0,
                    (
                        *who,
                        number,
                        ace.type_name,
                        ace.flag_names or None,
                        ace.mask,
                        ace.rights,
                        ace.sid,
                        name or None,
                        short_address(ace.address),
                        "; ".join(problems) or None,
                        explain.ace(token, ace, name),
                    ),
                )
