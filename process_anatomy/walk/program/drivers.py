"""Drivers: the kernel's list of loaded modules, itself first, and which of them an address lies in.

The head of the list is the kernel's export PsLoadedModuleList; a kernel that does not export it (32-bit ones) has a
variable that leads to an entry which leads back and describes the kernel itself.  So no symbols are needed; a small
dump carries a list of its own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.image import KernelImage
from process_anatomy.kernel.lists import follow_heads
from process_anatomy.kernel.variables import variables
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.small_dump import SmallDump
from process_anatomy.memory.view import addresses_of
from structs.peb import LDR_DATA_TABLE_ENTRY

DRIVER_LIMIT = 1 << 12
"""Drivers followed at the most; Windows loads some two hundred."""
CANDIDATES = 1 << 14
"""Words of the kernel that are followed to see whether they lead to the list."""
SIZE_LIMIT = 1 << 29
"""Bytes of an image at the most."""


@dataclass(frozen=True, slots=True)
class Driver:
    """One module of the kernel.  Every fact may be :class:`~process_anatomy.absent.Absent`.

    Attributes:
        address: of its _LDR_DATA_TABLE_ENTRY, not applicable in a small dump.
        base: first address of the image.
        size: bytes of the image.
        name: file name.
        path: full path, as the kernel keeps it.
        entry_point: address of its first function.
        timestamp: of the image.
        problems: what is odd or could not be read, one line each.
    """

    address: int | Absent
    base: int | Absent
    size: int | Absent
    name: str | Absent
    path: str | Absent
    entry_point: int | Absent
    timestamp: int | Absent
    problems: tuple[str, ...]


@dataclass(frozen=True)
class DriverTable:
    """The modules of the kernel.

    Attributes:
        rows: in load order.
        problems: what was wrong with the list itself, one line each.
        whole: the list could be followed to its end, so that what is not in it was not listed.
    """

    rows: tuple[Driver, ...]
    problems: tuple[str, ...]
    whole: bool
    _ranges: tuple[tuple[int, int, Driver], ...] = field(default=(), repr=False)
    _starts: tuple[int, ...] = field(default=(), repr=False)

    @staticmethod
    def of(rows: tuple[Driver, ...], problems: tuple[str, ...], whole: bool, system_start: int) -> DriverTable:
        """A table that can be asked for addresses of system space, which begins at ``system_start``."""
        ranges = sorted(
            ((row.base, row.base + row.size, row) for row in rows if _is_range(row.base, row.size, system_start)),  # type: ignore[operator]
            key=lambda one: one[:2],
        )
        starts = tuple(start for start, _, _ in ranges)
        return DriverTable(rows, problems, whole, tuple(ranges), starts)  # type: ignore[arg-type]

    def find(self, address: int) -> Driver | None:
        """The module that an address lies in."""
        place = bisect_right(self._starts, address) - 1
        if place < 0:
            return None
        _, end, driver = self._ranges[place]
        return driver if address < end else None


def _is_range(base: int | Absent, size: int | Absent, system_start: int) -> bool:
    return isinstance(base, int) and isinstance(size, int) and base >= system_start and 0 < size <= SIZE_LIMIT


def drivers(kernel: Kernel) -> DriverTable:
    """The modules that the kernel lists, all of them read in one batch."""
    if isinstance(kernel.space, SmallDump):
        rows = tuple(
            Driver(NOT_APPLICABLE, d.base, d.size, d.name, NOT_APPLICABLE, NOT_APPLICABLE, d.timestamp, ())
            for d in kernel.space.drivers
        )
        return DriverTable.of(rows, (), bool(rows), kernel.system_start)
    head = _head(kernel)
    if isinstance(head, Absent):
        return DriverTable((), (f"drivers: {head}",), False)
    (ring,) = follow_heads(kernel.space, addresses_of([head]), DRIVER_LIMIT)
    inside = kernel.build[LDR_DATA_TABLE_ENTRY].offset("InLoadOrderLinks")
    entries = [link - inside for link in ring.links if link >= kernel.system_start]
    notes = [ring.notes.get(entry + inside, []) for entry in entries]
    rows = tuple(_read(kernel, entries, notes))
    problems = tuple(f"drivers: {problem}" for problem in ring.problems)
    return DriverTable.of(rows, problems, not ring.problems, kernel.system_start)


def _head(kernel: Kernel) -> int | Absent:
    """Where the list begins."""
    try:
        exported = KernelImage(kernel.space, kernel.base).export("PsLoadedModuleList")
    except ValueError as error:
        return Absent(Kind.UNREADABLE, str(error))
    return exported or _leading_to_kernel(kernel)


def _leading_to_kernel(kernel: Kernel) -> int | Absent:
    """The kernel's variable that is the head of a list whose first entry is the kernel itself."""
    words = variables(kernel)
    if words.problem:
        return Absent(Kind.UNREADABLE, words.problem)
    structure = kernel.build[LDR_DATA_TABLE_ENTRY]
    links = structure.offset("InLoadOrderLinks")
    candidates = words.pointers(kernel, kernel.build.pointer_size)[:CANDIDATES]
    place = structure.place("DllBase")
    data, there = kernel.space.read_many(candidates - np.uint64(links) + np.uint64(place.offset), place.size)
    bases = data.view(f"<u{place.size}").reshape(-1)
    for entry in candidates[there & (bases == kernel.base)].tolist():
        head = kernel.view.pointer(entry + kernel.build.pointer_size)
        if head is not None and kernel.inside(head) and kernel.view.pointer(head) == entry:
            return int(head)
    gone = f" ({words.missing} of them cannot be read)" if words.missing else ""
    return Absent(
        Kind.UNREADABLE if words.missing else Kind.IMPLAUSIBLE,
        f"the kernel exports no readable PsLoadedModuleList, and none of the {len(words.pages)} pages of its writable"
        f" sections{gone} holds the head of a list that begins with the kernel",
    )


def _read(kernel: Kernel, entries: list[int], notes: list[list[str]]) -> Iterator[Driver]:
    """The modules at these addresses."""
    records = kernel.view.records(LDR_DATA_TABLE_ENTRY, addresses_of(entries))
    for address, odd, base, size, path, name, entry, timestamp in zip(
        entries,
        notes,
        records.values("DllBase"),
        records.values("SizeOfImage"),
        records.values("FullDllName"),
        records.values("BaseDllName"),
        records.values("EntryPoint"),
        records.values("TimeDateStamp"),
        strict=True,
    ):
        texts = [t if isinstance(t, Absent) else kernel.view.string(t.Buffer, t.Length) for t in (name, path)]
        problems = [
            *odd,
            *(
                f"{what}: {text}"
                for what, text in zip(("name", "path"), texts, strict=True)
                if isinstance(text, Absent)
            ),
        ]
        if isinstance(base, int) and (base < kernel.system_start or base % PAGE):
            problems.append(f"its base {base:#x} is none of a kernel image")
        elif isinstance(base, int) and isinstance(size, int):
            if not 0 < size <= SIZE_LIMIT:
                problems.append(f"{size:#x} bytes are no size of an image")
            elif isinstance(entry, int) and entry and not base <= entry < base + size:
                problems.append(f"its entry point {entry:#x} lies outside it")
        problems += [f"it cannot be read: {base}"] if isinstance(base, Absent) else []
        yield Driver(address, base, size, texts[0], texts[1], entry, timestamp, tuple(problems))
