"""The default access lists of tokens, with a second witness for those that a token says it has none of.

Primary group and default list lie in one block (DynamicPart), the list behind the group: so in every real token of the
dumps that tests look at.  A token whose address of the list is zero, while a whole list stands there, lost the address
or had the list taken away; either is told.

Source: _TOKEN.DynamicPart, PrimaryGroup and DefaultDacl of the kernel's symbols.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from process_anatomy.absent import Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.view import Records, addresses_of
from process_anatomy.walk.security.acls import Acl, read_acls

SID_HEAD, SID_PART = 8, 4
"""Bytes of a SID without its sub-authorities, and of one of these."""
LEFT_BEHIND = Absent(Kind.IMPLAUSIBLE, "its address is zero, but behind the token's primary group stands a list")


def default_lists(kernel: Kernel, records: Records, groups: Sequence[str | Absent]) -> list[Acl | Absent]:
    """The default access list of each token.

    Args:
        kernel: the kernel.
        records: the tokens.
        groups: their primary groups.
    """
    stated = records.values("DefaultDacl")
    found: list[Acl | Absent] = [
        pointer if isinstance(pointer, Absent) else value
        for pointer, value in zip(
            stated, read_acls(kernel, records.array("DefaultDacl").astype(np.uint64)), strict=True
        )
    ]
    behind = _behind_groups(records, groups)
    rows = [row for row, pointer in enumerate(stated) if pointer == 0 and behind[row]]
    for row, value in zip(rows, read_acls(kernel, addresses_of([behind[row] for row in rows])), strict=True):
        if isinstance(value, Acl) and value.entries and not value.problems:
            found[row] = LEFT_BEHIND
    return found


def _behind_groups(records: Records, groups: Sequence[str | Absent]) -> list[int]:
    """Where each token's block goes on behind the primary group that it begins with; 0 where it does not begin so."""
    return [
        group_at + SID_HEAD + SID_PART * (group.count("-") - 2)
        if isinstance(group, str) and isinstance(part, int) and isinstance(group_at, int) and part == group_at and part
        else 0
        for group, part, group_at in zip(
            groups, records.values("DynamicPart"), records.values("PrimaryGroup"), strict=True
        )
    ]
