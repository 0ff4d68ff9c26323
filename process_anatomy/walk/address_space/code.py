"""Code that no file gave: what stands in the executable pages that a process has to itself.

The pages are those that the page tables let run and that neither a mapped image nor its section's pages account for.
Only the first of each range are looked at (:data:`~process_anatomy.walk.pages.CODE_LIMIT`).

Source: Microsoft, "PE Format" (signature, machine and magic of an image's header).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.address_space.page_row import PageRow
from process_anatomy.walk.processes.listed import Process
from structs.machines import ARM, ARM64, X64, X86

BATCH = 1 << 11
"""Pages that are read in one step."""
HEAD = 64
"""Bytes that are kept of the first page that holds anything."""
HEADER_REACH = 0x400
"""The PE header begins within so many bytes of an image's first page."""
MACHINES = {machine.number for machine in (X86, X64, ARM, ARM64)}
MAGICS = {0x10B, 0x20B}
"""PE32 and PE32+."""


@dataclass(frozen=True, slots=True)
class Code:
    """The executable pages of one range that the process has to itself.

    Attributes:
        process: the process.
        range: the range, with its VAD where there is one.
        first: address of the first page that does not hold zeros alone.
        head: the first bytes of that page.
        headers: (address, whether "MZ" stands before it) of pages that begin with a PE header.
        digest: SHA-256 of the whole first page, in hexadecimal: the same bytes elsewhere have the same one.
    """

    process: Process
    range: PageRow
    first: int
    head: bytes
    headers: tuple[tuple[int, bool], ...]
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Codes:
    """The own code of some ranges.

    Attributes:
        rows: what stands there; a range that holds zeros alone, or nothing readable, has no row.
        unread: how many pages could not be read of a range, by :func:`place` of it.
    """

    rows: list[Code]
    unread: Mapping[tuple[int, int], int]


def place(row: PageRow) -> tuple[int, int]:
    """What tells a range from all others: the address of its process, and that of its VAD, without one its own."""
    if row.vad is not None:
        return row.process.address, row.vad.address
    return row.process.address, row.start if isinstance(row.start, int) else 0


def code(kernel: Kernel, rows: Sequence[PageRow]) -> Codes:
    """What stands in the own code of these ranges."""
    space = kernel.space
    wanted = [(row, at) for row in rows for at in row.own_code]
    if not isinstance(space, AddressSpace) or not wanted:
        return Codes([], {})
    places = addresses_of([at for _, at in wanted])
    roots = addresses_of([row.process.dtb if isinstance(row.process.dtb, int) else 0 for row, _ in wanted])
    first: dict[int, tuple[int, bytes, str]] = {}
    unread: Counter[tuple[int, int]] = Counter()
    headers: dict[int, list[tuple[int, bool]]] = {}
    for start in range(0, len(wanted), BATCH):
        step = slice(start, start + BATCH)
        data, there = space.read_many(places[step], PAGE, roots[step])
        for number in np.flatnonzero(there & data.any(axis=1)).tolist():
            row, at = wanted[start + number]
            page = data[number].tobytes()
            if id(row) not in first:
                first[id(row)] = at, page[:HEAD], sha256(page).hexdigest()
            if pe_header(page):
                headers.setdefault(id(row), []).append((at, page.startswith(b"MZ")))
        unread.update(place(wanted[start + number][0]) for number in np.flatnonzero(~there).tolist())
    known = [(row, *first[id(row)]) for row in rows if id(row) in first]
    return Codes(
        [Code(row.process, row, at, head, tuple(headers.get(id(row), ())), told) for row, at, head, told in known],
        unread,
    )


def pe_header(page: bytes) -> bool:
    """Whether a page begins as an image does: a PE header within reach that names a known machine and magic."""
    at = page.find(b"PE\0\0", 0, HEADER_REACH)
    while at >= 0:
        machine = int.from_bytes(page[at + 4 : at + 6], "little")
        magic = int.from_bytes(page[at + 24 : at + 26], "little")
        if machine in MACHINES and magic in MAGICS:
            return True
        at = page.find(b"PE\0\0", at + 1, HEADER_REACH)
    return False
