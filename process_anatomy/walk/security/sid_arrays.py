"""Security identifiers in memory: single ones and arrays of them, thousands in one batch."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.space import Addresses, distinct
from process_anatomy.memory.view import unreadable
from process_anatomy.walk.security.sids import sid_text
from structs.token import SID, SID_AND_ATTRIBUTES

SUB_AUTHORITY_LIMIT = 15
GROUP_LIMIT = 0x1000
"""SIDs of one array at the most; a logon is refused with more than 1,024."""
TOTAL_LIMIT = 1 << 18
"""SIDs of all arrays of one walk at the most."""

Sid = str | Absent
SidAndAttributes = tuple[Sid, int | Absent]
"""A SID and its attributes."""
SidArray = tuple[SidAndAttributes, ...]


def read_sids(kernel: Kernel, pointers: Addresses) -> list[Sid]:
    """The SID at each address, as text; not applicable for a pointer of 0."""
    different, back = distinct(pointers)
    structure = kernel.build[SID]
    fixed = structure.offset("SubAuthority")
    heads, there = kernel.space.read_many(different, fixed)
    revision, count = heads[:, structure.offset("Revision")], heads[:, structure.offset("SubAuthorityCount")]
    sane = there & (revision == 1) & (count <= SUB_AUTHORITY_LIMIT)
    texts: dict[bytes, str] = {}
    found: list[Sid] = [NOT_APPLICABLE] * len(different)
    for number in range(SUB_AUTHORITY_LIMIT + 1):
        rows = np.flatnonzero(sane & (count == number))
        if not rows.size:
            continue
        size = fixed + 4 * number
        data, whole = kernel.space.read_many(different[rows], size)
        for row, octets, complete in zip(rows.tolist(), data, whole.tolist(), strict=True):
            if not complete:
                found[row] = unreadable(kernel.space, int(different[row]), size)
                continue
            key = octets.tobytes()
            if key not in texts:
                texts[key] = parse_sid(key)
            found[row] = texts[key]
    for row in np.flatnonzero(~sane & (different != 0)).tolist():
        pointer = int(different[row])
        found[row] = (
            Absent(Kind.IMPLAUSIBLE, f"no SID at {pointer:#x}: revision {revision[row]}, {count[row]} sub-authorities")
            if there[row]
            else unreadable(kernel.space, pointer, fixed)
        )
    return [found[row] for row in back.tolist()]


def parse_sid(data: bytes) -> str:
    """A SID's bytes as text; the bytes are as many as its count of sub-authorities asks for."""
    return sid_text(data[0], data[2:8], [int.from_bytes(data[i : i + 4], "little") for i in range(8, len(data), 4)])


def read_sid_arrays(kernel: Kernel, pointers: Addresses, counts: npt.NDArray[np.uint64]) -> list[SidArray | Absent]:
    """The array of SIDs and attributes at each address; an array that several point at is read once.

    Args:
        kernel: whose memory.
        pointers: address of each array's first entry.
        counts: number of entries of each array; an array of 0 entries is empty wherever it points.
    """
    asked = list(zip(pointers.tolist(), counts.tolist(), strict=True))
    found: dict[tuple[int, int], SidArray | Absent] = {}
    sizes: dict[tuple[int, int], int] = {}
    total = 0
    for pointer, count in dict.fromkeys(asked):
        if pointer == 0 and count:
            found[pointer, count] = Absent(Kind.IMPLAUSIBLE, f"an array of {count} SIDs without an address")
        elif count > GROUP_LIMIT:
            found[pointer, count] = Absent(Kind.IMPLAUSIBLE, f"an array of {count} SIDs")
        elif total + count > TOTAL_LIMIT:
            found[pointer, count] = Absent(Kind.IMPLAUSIBLE, f"more than {TOTAL_LIMIT} SIDs in all")
        else:
            sizes[pointer, count] = count
            total += count
    entries = iter(_entries(kernel, sizes))
    found |= {key: tuple(itertools.islice(entries, size)) for key, size in sizes.items()}
    return [found[key] for key in asked]


def _entries(kernel: Kernel, sizes: dict[tuple[int, int], int]) -> list[SidAndAttributes]:
    """The entries of all arrays, one behind the other; the keys say where each starts."""
    starts = np.array([pointer for pointer, _ in sizes], dtype=np.uint64)
    lengths = np.array(list(sizes.values()), dtype=np.int64)
    before = np.cumsum(lengths) - lengths
    index = np.arange(int(lengths.sum()), dtype=np.int64) - np.repeat(before, lengths)
    step = np.uint64(kernel.build[SID_AND_ATTRIBUTES].sizeof)
    records = kernel.view.records(SID_AND_ATTRIBUTES, np.repeat(starts, lengths) + index.astype(np.uint64) * step)
    sids = read_sids(kernel, records.array("Sid").astype(np.uint64))
    return [
        (_sid(pointer, sid), attributes)
        for pointer, sid, attributes in zip(records.values("Sid"), sids, records.values("Attributes"), strict=True)
    ]


def _sid(pointer: int | Absent, sid: Sid) -> Sid:
    if isinstance(pointer, Absent):
        return pointer
    return sid if pointer else Absent(Kind.IMPLAUSIBLE, "an entry without a SID")
