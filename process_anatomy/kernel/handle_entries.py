"""Entries of handle tables: what their bits mean in each generation, and in kernels for page tables of five levels.

Up to Windows 7 an entry is a pointer with flags in its three lowest bits, and the granted rights, of which one bit says
that the handle cannot be closed.  Since Windows 8 the pointer shares its word with reference count and flags, without
the bits that are the same for all objects.  The kernel for page tables of five levels has more bits for the pointer and
fewer for the count; which of the two ways a kernel packs, System's own handles tell.
Source: Russinovich, Solomon and Ionescu, "Windows Internals", part 2, chapter 8 (Object handles), and part 1 of the
sixth edition, chapter 3 (the entry's bits in Windows 7); _HANDLE_TABLE_ENTRY of the kernels' symbols;
:data:`structs.handle.FIVE_LEVEL_PLACES`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from process_anatomy.absent import Absent
from process_anatomy.kernel.kernel import Kernel
from process_anatomy.kernel.observations import active_links, not_blank
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Addresses
from process_anatomy.memory.view import View
from structs import builds
from structs.eprocess import EPROCESS
from structs.handle import HANDLE_TABLE, HANDLE_TABLE_ENTRY
from structs.layout import Build, Structure
from structs.object import OBJECT_HEADER

HANDLE_LIMIT = 1 << 24
"""Handles of one process at the most, which is Windows' own limit."""
LEVELS = 3
PROTECT, INHERIT, AUDIT = 0x1, 0x2, 0x4
"""Attributes of an entry: closing it is refused; children get it too; closing it is audited."""
WITNESSES = 8
"""Processes whose handles are asked, System's first, until one's can be read."""
UNPROVED = "in no way that a kernel is known to pack its entries do System's handles lead to objects"

Numbers = npt.NDArray[np.int64]


def undecodable(kernel: Kernel) -> str:
    """Why entries of this build's tables cannot be told; empty where they can."""
    name = kernel.build.name
    if HANDLE_TABLE_ENTRY not in kernel.build:
        return f"handles: the layout {name} has no _HANDLE_TABLE_ENTRY"
    places = kernel.build[HANDLE_TABLE_ENTRY].places
    if not any(needed <= places.keys() for needed in FORMS):
        if UNPROVED in kernel.evidence:
            return f"handles: {UNPROVED}"
        return f"handles: the layout {name} does not say what an entry of a handle table leads to"
    return ""


PACKED = frozenset({"ObjectPointerBits", "GrantedAccessBits", "Attributes"})
PLAIN = frozenset({"Object", "GrantedAccess"})
FORMS = (PACKED, PLAIN)
"""What entries are made of since Windows 8, and before."""
FLAGS = 0x7
"""Bits of a plain pointer that are none of the address: the lowest says that nobody is changing the entry."""
CLOSING_REFUSED = 0x02000000
"""Bit of GrantedAccess, in plain entries, that is no right but says that the handle cannot be closed."""


class EntryForm:
    """How the entries of a build are read.

    Args:
        structure: _HANDLE_TABLE_ENTRY of the build.

    Attributes:
        packed: the pointer shares its word with other things (since Windows 8).
    """

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.packed = structure.places.keys() >= PACKED

    def pointers(self, records: npt.NDArray[Any]) -> Addresses:
        """What each entry leads to, of the shape of ``records``; 0 for entries that are not in use."""
        size = self.structure.build.pointer_size
        if not self.packed:
            plain: Addresses = self.structure.column(records, "Object").astype(np.uint64)
            return plain & ~np.uint64(FLAGS)
        bits = self.structure.column(records, "ObjectPointerBits").astype(np.uint64)
        kept = self.structure.places["ObjectPointerBits"].bits or 0
        lacking = (2 * size).bit_length() - 1  # headers lie at multiples of two pointers' size
        above = np.uint64((1 << 8 * size - lacking) - (1 << kept))  # the highest bit kept stands for all above it
        high = bits >> np.uint64(kept - 1) & np.uint64(1) != 0
        whole: Addresses = np.where(high, bits | above, bits) << np.uint64(lacking)
        return whole

    def access(self, records: npt.NDArray[Any]) -> Numbers:
        """What each holder may do with the object."""
        if self.packed:
            return self.structure.column(records, "GrantedAccessBits").astype(np.int64)
        return self.structure.column(records, "GrantedAccess").astype(np.int64) & ~CLOSING_REFUSED

    def attributes(self, records: npt.NDArray[Any]) -> Numbers:
        """A sum of :data:`PROTECT`, :data:`INHERIT` and :data:`AUDIT` for each entry."""
        if not self.packed:
            kept = self.structure.column(records, "Object").astype(np.int64) & (INHERIT | AUDIT)
            refused = self.structure.column(records, "GrantedAccess").astype(np.int64) & CLOSING_REFUSED
            plain: Numbers = kept | np.where(refused != 0, PROTECT, 0)
            return plain
        stored = self.structure.column(records, "Attributes").astype(np.int64)
        if "ProtectFromClose" not in self.structure:
            return stored
        apart: Numbers = stored << 1 | self.structure.column(records, "ProtectFromClose").astype(np.int64)
        return apart


def packed(kernel: Kernel) -> Kernel:
    """A kernel for page tables of five levels, with its handle entries as they prove to be packed.

    Where its handles lead to objects neither as the layout says nor as such kernels pack them, the layout loses what
    entries lead to, so that nobody reads handles that are none.
    """
    build = kernel.build
    if HANDLE_TABLE_ENTRY not in build or "ObjectPointerBits" not in build[HANDLE_TABLE_ENTRY]:
        return kernel
    ways = {str(way.places[HANDLE_TABLE_ENTRY.name]): way for way in (builds.with_five_levels(build), build)}
    for page in _pages(kernel):
        shares = [(*_leading(kernel, way, page), way) for way in ways.values()]
        right, count, best = max(shares, key=lambda share: share[0] / max(share[1], 1))
        others = [share for share in shares if share[2] is not best]
        if 2 * right > count and not any(2 * good >= each > 0 for good, each, _ in others):
            first = best[HANDLE_TABLE_ENTRY].place("ObjectPointerBits").bit
            told = f"handle entries hold the pointer from bit {first} on: {right} of {count} lead to objects"
            return replace(kernel, view=View(kernel.space, best), evidence=(*kernel.evidence, told))
    entry = {field: place for field, place in build.places[HANDLE_TABLE_ENTRY.name].items() if field != POINTER}
    without = replace(build, places={**build.places, HANDLE_TABLE_ENTRY.name: entry}, _bound={})
    return replace(kernel, view=View(kernel.space, without), evidence=(*kernel.evidence, UNPROVED))


POINTER = "ObjectPointerBits"


def _pages(kernel: Kernel) -> list[bytes]:
    """The first page of entries of the handle tables of some processes, System's first."""
    inside = kernel.build[EPROCESS].offset("ActiveProcessLinks")
    links = active_links(kernel, kernel.system + inside, WITNESSES)
    found = (_first_page(kernel, process) for process in (kernel.system, *(link - inside for link in links)))
    return [page for page in found if page is not None]


def _first_page(kernel: Kernel, process: int) -> bytes | None:
    """The first page of entries of a process's handle table; ``None`` where it cannot be read."""
    table = kernel.view.parse(EPROCESS, process)["ObjectTable"]
    if isinstance(table, Absent) or table < kernel.system_start:
        return None
    code = kernel.view.parse(HANDLE_TABLE, table)["TableCode"]
    if isinstance(code, Absent) or code < kernel.system_start or code & LEVELS == LEVELS:
        return None
    here: int | None = code & ~LEVELS
    for _ in range(code & LEVELS):
        here = None if here is None else kernel.view.pointer(here)
    return None if here is None or here < kernel.system_start else kernel.space.read(here, PAGE)


def _leading(kernel: Kernel, build: Build, page: bytes) -> tuple[int, int]:
    """How many entries of a page lead to objects that somebody has open, and how many can be told of at all."""
    structure = build[HANDLE_TABLE_ENTRY]
    records = np.frombuffer(page[: PAGE // structure.sizeof * structure.sizeof], dtype=structure.dtype)[1:]
    pointers = EntryForm(structure).pointers(records)
    pointers = pointers[pointers != 0]
    possible = pointers >= np.uint64(kernel.system_start)
    headers = kernel.view.records(OBJECT_HEADER, np.where(possible, pointers, np.uint64(0)))
    handles, references = (headers.array(name).astype(np.int64) for name in ("HandleCount", "PointerCount"))
    opened = possible & not_blank(headers) & (handles > 0) & (handles < HANDLE_LIMIT) & (references > 0)
    return int(np.count_nonzero(opened)), len(pointers)
