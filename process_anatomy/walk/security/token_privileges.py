"""The privileges of tokens as masks, a bit each, however the build keeps them.

Since Windows Vista a token holds three masks.  Before, it led to an array of the privileges that it has, each with
what it counts for (_LUID_AND_ATTRIBUTES); the arrays of all tokens are read in one batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from process_anatomy.absent import Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.view import Records
from process_anatomy.walk.registry.cells import shortened
from structs.token import LUID_AND_ATTRIBUTES

ENABLED_BY_DEFAULT, ENABLED, REMOVED, USED = 0x1, 0x2, 0x4, 0x80000000
"""SE_PRIVILEGE_* of ``winnt.h``."""
COUNT_LIMIT = 1 << 10
"""Privileges of one token at the most; Windows knows some thirty."""
MASK_BITS = 64


def token_privileges(kernel: Kernel, records: Records) -> tuple[list[Any], list[Any], list[Any], list[tuple[str, ...]]]:
    """What each token has, what of it counts now, and what counted at creation, as masks; and what is odd about it.

    Args:
        kernel: whose memory.
        records: the tokens.
    """
    if "PrivilegeCount" not in records.structure:
        masks = (records.values(f"Privileges{which}") for which in ("Present", "Enabled", "EnabledByDefault"))
        present, enabled, default = masks
        return present, enabled, default, [()] * len(records)
    told = [_count(*pair) for pair in zip(records.values("Privileges"), records.values("PrivilegeCount"), strict=True)]
    counts = np.array([0 if isinstance(count, Absent) else count for count in told], dtype=np.int64)
    entries = _entries(kernel, records, counts)
    rows = [_masks(entries[start : start + count]) for start, count in zip(_starts(counts), counts, strict=True)]
    whole = [
        (count, count, count, ()) if isinstance(count, Absent) else row for count, row in zip(told, rows, strict=True)
    ]
    present, enabled, default, problems = (list(column) for column in zip(*whole, strict=True)) if whole else ([],) * 4
    return present, enabled, default, problems


def _count(pointer: int | Absent, count: int | Absent) -> int | Absent:
    """How many privileges an array holds, or why there is none to read."""
    if isinstance(pointer, Absent):
        return pointer
    if isinstance(count, Absent):
        return count
    if count > COUNT_LIMIT:
        return Absent(Kind.IMPLAUSIBLE, f"an array of {count} privileges")
    if count and not pointer:
        return Absent(Kind.IMPLAUSIBLE, f"an array of {count} privileges without an address")
    return count


def _starts(counts: Any) -> list[int]:
    starts: list[int] = (np.cumsum(counts) - counts).tolist()
    return starts


def _entries(kernel: Kernel, records: Records, counts: Any) -> list[tuple[Any, Any]]:
    """Number and attributes of every privilege of all tokens, one array behind the other."""
    index = np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(_starts(counts), counts).astype(np.int64)
    step = np.uint64(kernel.build[LUID_AND_ATTRIBUTES].sizeof)
    first = np.repeat(records.array("Privileges").astype(np.uint64), counts)
    found = kernel.view.records(LUID_AND_ATTRIBUTES, first + index.astype(np.uint64) * step)
    return list(zip(found.values("Luid"), found.values("Attributes"), strict=True))


def _masks(entries: list[tuple[Any, Any]]) -> tuple[Any, Any, Any, tuple[str, ...]]:
    """The masks of one array and what is odd about it; absent with the reason where nothing of it can be read."""
    present = enabled = default = 0
    problems: list[str] = []
    gone: Absent | None = None
    for number, (value, attributes) in enumerate(entries):
        lost = value if isinstance(value, Absent) else attributes
        if isinstance(lost, Absent):
            gone = lost if gone is None else gone
            problems.append(f"privilege number {number + 1} of {len(entries)}: {lost}")
            continue
        if value >= MASK_BITS:
            problems.append(f"there is no privilege {value:#x}")
            continue
        bit = 1 << value
        if present & bit:
            problems.append(f"privilege {value} is in its array twice")
        if attributes & REMOVED:
            problems.append(f"privilege {value} is in its array, but marked as removed")
        if attributes & ~(ENABLED_BY_DEFAULT | ENABLED | REMOVED | USED):
            problems.append(f"privilege {value} has attributes {attributes:#x}, which no privilege has")
        present |= bit
        enabled |= bit if attributes & ENABLED else 0
        default |= bit if attributes & ENABLED_BY_DEFAULT else 0
    if gone is not None and not present:
        return gone, gone, gone, ()
    return present, enabled, default, shortened(problems)
