"""The kernel's list of page files, found without symbols in its variables, and proved.

What is looked for is the array of pointers to _MMPAGING_FILE.  A record counts only where its sizes are in order, its
name is a text, and its file object, which must be one, has that name too; and the array only where each such record
stands at the place of its own number.  So the list maps names to the numbers that entries of page tables have.

Source: :mod:`structs.paging_file`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from process_anatomy.kernel.kernel import Kernel
from process_anatomy.kernel.variables import variables
from process_anatomy.memory.space import Addresses, Mask
from structs import paging_file
from structs.layout import Structure
from structs.machines import BY_POINTER_SIZE
from structs.paging_file import FILES, MMPAGING_FILE
from structs.section import FILE_OBJECT

NEEDED = {"Type", "Size", "FileName"}
"""What is looked at of a _FILE_OBJECT."""
FILE_TYPE = 5
"""Type of a _FILE_OBJECT."""
NAME_LIMIT = 0x400
"""Bytes of a page file's path at the most."""
CANDIDATES = 256
"""Records that look like one of a page file at the most whose names are read."""


@dataclass(frozen=True, slots=True)
class PagingFile:
    r"""A page file, as the kernel keeps it.

    Attributes:
        number: which entries of page tables have.
        name: its path, for instance ``\??\C:\pagefile.sys``; empty for the compression store.
        pages: how many it has.
        store: it stands for the compression store.
    """

    number: int
    name: str
    pages: int
    store: bool

    @property
    def base_name(self) -> str:
        """The last part of its path, in small letters."""
        return self.name.rpartition("\\")[2].lower()


def paging_files(kernel: Kernel) -> Mapping[int, PagingFile]:
    """Number to page file, as the kernel's own list has them; empty where the list was not found, or is not proved."""
    return kernel.once("paging files", _find)


def _find(kernel: Kernel) -> Mapping[int, PagingFile]:
    build = paging_file.layouts(BY_POINTER_SIZE[kernel.space.pointer_size].name, kernel.number)
    if build is None or FILE_OBJECT not in kernel.build or not kernel.build[FILE_OBJECT].places.keys() >= NEEDED:
        return {}
    structure, width = build[MMPAGING_FILE], kernel.space.pointer_size
    known = _records(kernel, structure, variables(kernel).pointers(kernel, width))
    starts: dict[int, dict[int, PagingFile]] = defaultdict(dict)
    for address, place in variables(kernel).places_of(list(known)):
        starts[place - width * known[address].number][known[address].number] = known[address]
    most = max(map(len, starts.values()), default=0)
    likely = [start for start, members in starts.items() if len(members) == most]
    if len(likely) != 1:
        return {}
    start = likely[0]
    return {**starts[start], **_stores(kernel, structure, start, starts[start])}


def _records(kernel: Kernel, structure: Structure, addresses: Addresses) -> dict[int, PagingFile]:
    """Those of some addresses where a page file's record lies."""
    octets, there = kernel.space.read_many(addresses, structure.sizeof)
    records = octets.reshape(-1).view(structure.dtype)
    there &= _likely(records, structure, kernel)
    found: dict[int, PagingFile] = {}
    for row in np.flatnonzero(there)[:CANDIDATES].tolist():
        name = _name(kernel, structure, records[row])
        if name:
            number = int(structure.column(records[row : row + 1], "PageFileNumber")[0])
            found[int(addresses[row])] = PagingFile(number, name, int(records["Size"][row]), False)
    return found


def _likely(records: npt.NDArray[np.void], structure: Structure, kernel: Kernel) -> Mask:
    """Which records have a page file's sizes, a file and a name."""
    name = structure.column(records, "PageFileName")
    size, least, most = (records[field].astype(np.uint64) for field in ("Size", "MinimumSize", "MaximumSize"))
    length, room = name["Length"].astype(np.int64), name["MaximumLength"].astype(np.int64)
    likely: Mask = (size > 0) & (least <= size) & (size <= most) & (most < 1 << 32)
    likely &= (length > 0) & (length % 2 == 0) & (length <= room) & (room <= NAME_LIMIT)
    likely &= structure.column(records, "PageFileNumber") < FILES
    for pointer in (records["File"], name["Buffer"]):
        likely &= pointer.astype(np.uint64) >= np.uint64(kernel.system_start)
    return likely


def _name(kernel: Kernel, structure: Structure, record: np.void) -> str:
    """The path in a record, if its file object has it too; else empty."""
    kept = kernel.build[FILE_OBJECT]
    data = kernel.space.read(int(record["File"]), kept.sizeof)
    if data is None:
        return ""
    file = kept.struct.parse(data)
    if file.Type != FILE_TYPE or file.Size != kept.sizeof:
        return ""
    whole = kernel.view.string(int(record["PageFileName"]["Buffer"]), int(record["PageFileName"]["Length"]))
    last = kernel.view.string(file.FileName.Buffer, file.FileName.Length)
    if not isinstance(whole, str) or not isinstance(last, str):
        return ""
    return whole if last and whole.lower().endswith(last.lower()) else ""


def _stores(kernel: Kernel, structure: Structure, start: int, known: Mapping[int, PagingFile]) -> dict[int, PagingFile]:
    """The places of the list that stand for the compression store, which has no file."""
    if "VirtualStorePagefile" not in structure:
        return {}
    found: dict[int, PagingFile] = {}
    for number in set(range(FILES)) - known.keys():
        address = kernel.view.pointer(start + kernel.space.pointer_size * number)
        data = kernel.space.read(address, structure.sizeof) if address else None
        if data is None:
            continue
        record = np.frombuffer(data, dtype=structure.dtype)
        store, own = (structure.column(record, name)[0] for name in ("VirtualStorePagefile", "PageFileNumber"))
        if store and own == number:
            found[number] = PagingFile(number, "", int(record["Size"][0]), True)
    return found
