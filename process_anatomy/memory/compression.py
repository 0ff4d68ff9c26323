"""The compression store: pages by their key, each as its 4,096 bytes or with the reason why there are none.

Nothing is taken for granted.  A store is read only after several of its compressed pages gave exactly 4,096 bytes: what
is not what it is taken for, encrypted, or of a layout that is not known would give none.

Source: :mod:`structs.store`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.b_tree import Tree, read_tree
from process_anatomy.memory.decompression import Decompress, lz4, xpress
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Addresses, Mask, distinct
from structs.layout import Build
from structs.store import (
    ARRAYS,
    BUSY,
    KEY_FILE_SHIFT,
    PRESENT_STATES,
    RECORD_ELSEWHERE,
    REGION_BITS,
    SIZE_BITS,
    SMHP_CHUNK,
    SMKM_STORE,
    SMKM_STORE_METADATA,
    SMKM_STORE_MGR,
    ST_PAGE_RECORD,
    STORES_IN_ROW,
    XPRESS,
)

PROOFS = 32
"""Pages of a store that are tried at the most before it is believed."""
TRIED = 4 * PROOFS
"""Records that are looked at for them: pages that are stored as they are prove nothing."""
FAILURES = 4
"""A store is believed while at most one in so many of those pages could not be decompressed."""
RECORD_LIMIT = 16
"""Records that are followed from one to the other for one page."""
UNIT = 16
"""Bytes of the units that places in a region count in."""
LARGEST_HEADER = 64
"""Bytes before a page's data in its region at the most."""
STATE_SHIFT, FLAGS_SHIFT = 16, 24
"""Bits of an entry of the manager's tree, as one number, below its state and its flags."""
STORE_LIMIT = STORES_IN_ROW * ARRAYS
Root = Callable[[int], "int | str"]
"""Address of a process to its page-table root, or to the reason why it is not the process that owns a store."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page is kept.

    Attributes:
        address: of its first byte, in the store's process.
        size: bytes; 4,096 where it is stored as it is.
    """

    address: int
    size: int


class Store:
    """One store.

    Args:
        space: the kernel's address space.
        address: of the store.
        build: the layouts of the store.
        root: finds the page tables of the process that owns it.

    Attributes:
        problem: why it is not read; empty where it is.
        owner: address of the process that its regions lie in.
    """

    def __init__(self, space: AddressSpace, address: int, build: Build, root: Root) -> None:
        self.space, self.address, self.build = space, address, build
        self.owner = 0
        self._tree: Tree | None = None
        self._decompress: Decompress | None = None
        self.problem = self._open(root) or self._prove()

    def _open(self, root: Root) -> str:
        """Read the store's own record; gives what keeps it from being one."""
        structure = self.build[SMKM_STORE]
        data = self.space.read(self.address, structure.sizeof)
        if data is None:
            return f"the store at {self.address:#x} cannot be read"
        kept = structure.struct.parse(data)
        self.owner = kept.OwnerProcess
        pointer = self.build.pointer_size
        self._arrays = [
            int.from_bytes(kept.ChunkPtrArray[at : at + pointer], "little")
            for at in range(0, ARRAYS * pointer, pointer)
        ]
        self._shift, self._mask = kept.BitValue & 0xFF, kept.PageRecordsPerChunkMask
        self._size, self._header = kept.PageRecordSize, kept.ChunkPageHeaderSize
        self._region_shift, self._region_mask = kept.RegionIndexMask & 0xFF, kept.RegionSizeMask
        self._page_header = kept.PageHeaderSize if "PageHeaderSize" in structure else 0
        self._regions, self._root = kept.CompressedRegionPtrArray, kept.PagesTree
        whole = (
            kept.SmkmStore == self.address
            and 0 < self._shift < 32
            and self._mask == (1 << self._shift) - 1
            and self.build[ST_PAGE_RECORD].sizeof <= self._size <= PAGE
            and self._header < PAGE
            and 0 < self._region_shift < 32
            and self._region_mask == (1 << self._region_shift) - 1
            and self._page_header <= LARGEST_HEADER
        )
        if not whole:
            return f"what lies at {self.address:#x} is no store: its sizes, masks and its own address do not fit"
        algorithm = kept.CompressionAlgorithm if "CompressionAlgorithm" in structure else None
        if algorithm not in (None, XPRESS):
            return f"the store at {self.address:#x} is compressed with algorithm {algorithm}, which is not known"
        self._decompress = None if algorithm is None else xpress
        found = root(self.owner)
        if isinstance(found, str):
            return f"the store at {self.address:#x}: {found}"
        self._process = self.space.through(found)
        return ""

    @property
    def tree(self) -> Tree:
        """Its pages: key to the number of a record."""
        if self._tree is None:
            self._tree = read_tree(self.space, self._root, self.build)
        return self._tree

    def _prove(self) -> str:
        """Decompress some pages; gives why the store is not believed."""
        found: dict[str, tuple[int, int, str]] = {}
        for decompress in (self._decompress,) if self._decompress else (lz4, xpress):
            good, bad, why = self._tries(decompress)
            if good and bad * FAILURES <= good:
                self._decompress = decompress
                return ""
            found[why] = good, bad, why
        good, bad, why = max(found.values())
        if not good + bad:
            return f"the store at {self.address:#x}: no page proves it" + (f", for {why}" if why else "")
        return f"the store at {self.address:#x} is not proved: {bad} of {good + bad} pages cannot be had ({why})"

    def _tries(self, decompress: Decompress) -> tuple[int, int, str]:
        """How many of some compressed pages could be had, how many could not, and why the first could not."""
        good = bad = 0
        first = ""
        for key in self._sample():
            place = self.place(key)
            data = place if isinstance(place, str) else self._process.read(place.address, place.size)
            if not isinstance(data, bytes):
                first = first or (data if isinstance(data, str) else "its regions are not in memory")
                continue
            if len(data) == PAGE:
                continue
            page = decompress(data)
            if isinstance(page, str):
                bad, first = bad + 1, first or page
            else:
                good += 1
            if good + bad >= PROOFS:
                break
        return good, bad, first

    def _sample(self) -> Iterator[int]:
        """Keys from all over its tree."""
        keys = self.tree.keys
        step = max(len(keys) // TRIED, 1)
        yield from keys[::step][: 2 * TRIED].tolist()

    def place(self, key: int) -> Place | str:
        """Where the page with a key is kept, or why that cannot be told."""
        number = self.tree.value(key)
        if number is None:
            return self.tree.why_not(key) or "its store does not have it"
        for _ in range(RECORD_LIMIT):
            record = self._record(number)
            if isinstance(record, str):
                return record
            where, told = int.from_bytes(record[:4], "little"), int.from_bytes(record[4:8], "little")
            if where != RECORD_ELSEWHERE:
                return self._in_region(where, told & SIZE_BITS or PAGE)
            number = told
        return "its page records lead round in a circle"

    def _record(self, number: int) -> bytes | str:
        """The page record with a number."""
        chunk = number >> self._shift
        if not chunk:
            return f"its page record has the number {number:#x}, which none has"
        row = chunk.bit_length() - 1
        start = self._arrays[row]
        pointer, size = self.build.pointer_size, self.build[SMHP_CHUNK].sizeof
        data = self.space.read(start + (chunk ^ 1 << row) * size, pointer) if start else None
        if data is None:
            return "the list of chunks of page records cannot be read"
        offset = self._header + self._size * (number & self._mask)
        base = int.from_bytes(data, "little")
        length = self.build[ST_PAGE_RECORD].sizeof
        if not base or base % PAGE or offset + length > PAGE:
            return f"its page record would lie at {base + offset:#x}, where none can"
        return self.space.read(base + offset, length) or f"its page record at {base + offset:#x} cannot be read"

    def _in_region(self, where: int, size: int) -> Place | str:
        """The place that a record's key gives."""
        pointer = self.build.pointer_size
        data = self.space.read(self._regions + (where >> self._region_shift) * pointer, pointer)
        if data is None:
            return "the list of regions cannot be read"
        region = int.from_bytes(data, "little") & REGION_BITS & (1 << 8 * pointer) - 1
        inside = (where & self._region_mask) * UNIT + self._page_header
        if not region or region >= self.space.system_start:
            return f"its region {where >> self._region_shift} is not in its store's process"
        if inside + size > (self._region_mask + 1) * UNIT:
            return f"its {size} bytes do not fit the region at {region:#x}"
        return Place(region + inside, size)

    def page(self, key: int) -> bytes | str:
        """The page with a key, or why it cannot be had."""
        if self.problem:
            return self.problem
        place = self.place(key)
        if isinstance(place, str):
            return place
        data = self._process.read(place.address, place.size)
        if data is None:
            why = self._process.why(place.address, place.size)
            return f"its bytes at {place.address:#x} in the store's process cannot be read: {why}"
        if place.size == PAGE:
            return data
        assert self._decompress is not None
        return self._decompress(data)


class CompressionStore:
    """All stores of a kernel.

    Args:
        space: the kernel's address space.
        manager: address of the store manager.
        build: the layouts of the store.
        root: finds the page tables of a process that owns a store.

    Attributes:
        tree: key to number and state of the store.
        numbered: whether keys hold the number of the page file.
        file: where they do not, that number; ``None`` while it is not known.
    """

    def __init__(self, space: AddressSpace, manager: int, build: Build, root: Root) -> None:
        self.space, self.manager, self.build, self._root = space, manager, build, root
        data = space.read(manager, build[SMKM_STORE_MGR].sizeof)
        kept = None if data is None else build[SMKM_STORE_MGR].struct.parse(data)
        self._rows: bytes = b"" if kept is None else kept.StoreMetaDataPtrArray
        self.tree = read_tree(space, kept.KeyToStoreTree if kept else 0, build)
        self.numbered = bool(len(self.tree.keys)) and int(self.tree.keys[-1]) >> KEY_FILE_SHIFT != 0
        self.file: int | None = None
        self._stores: dict[int, Store | str] = {}
        self._files = np.zeros(1 << 32 - KEY_FILE_SHIFT, dtype=np.bool_)
        self._files[self.tree.keys >> np.uint32(KEY_FILE_SHIFT)] = True

    def keys(self, files: Addresses, pages: Addresses) -> tuple[Addresses, Mask]:
        """Page keys of places in page files, and whether they can be in the store at all."""
        fits = pages >> np.uint64(KEY_FILE_SHIFT) == 0
        if self.numbered:
            key = (files << np.uint64(KEY_FILE_SHIFT)) | pages
            return key, fits & self._files[files]
        ours = np.full(len(files), False) if self.file is None else files == np.uint64(self.file)
        return pages, fits & ours

    def holds(self, keys: Addresses) -> Mask:
        """Whether the store manager has pages with these keys, whether they can be read or not."""
        row, there = self.tree.rows(keys)
        if not len(self.tree.values):
            return there
        value = self.tree.values[row]
        state = value >> np.uint32(STATE_SHIFT) & np.uint32(0xFF)
        present = np.zeros(len(keys), dtype=np.bool_)
        for one in PRESENT_STATES:
            present |= state == one
        held: Mask = there & present & (value >> np.uint32(FLAGS_SHIFT) & np.uint32(BUSY) == 0)
        return held

    def page(self, key: int) -> bytes | str:
        """The page with a key, or why it cannot be had."""
        value = self.tree.value(key)
        if value is None:
            return self.tree.why_not(key) or "the store manager does not know it"
        if value >> STATE_SHIFT & 0xFF not in PRESENT_STATES or value >> FLAGS_SHIFT & BUSY:
            return f"the store manager was just changing its entry ({value:#x})"
        store = self.store(value & 0xFFFF)
        return store if isinstance(store, str) else store.page(key)

    def store(self, index: int) -> Store | str:
        """The store with a number, or why it cannot be had."""
        if index not in self._stores:
            if len(self._stores) > STORE_LIMIT:
                return f"it has the number {index}, and more stores than there can be were met before"
            self._stores[index] = self._find(index)
        return self._stores[index]

    def _find(self, index: int) -> Store | str:
        pointer = self.build.pointer_size
        row, column = divmod(index, STORES_IN_ROW)
        start = int.from_bytes(self._rows[row * pointer : (row + 1) * pointer], "little")
        if row >= ARRAYS or not start:
            return f"its store has the number {index}, which none has"
        metadata = self.build[SMKM_STORE_METADATA]
        data = self.space.read(start + column * metadata.sizeof, metadata.sizeof)
        if data is None:
            return f"what the store manager keeps of store {index} cannot be read"
        address = metadata.struct.parse(data).SmkmStore
        if address < self.space.system_start or address % PAGE:
            return f"store {index} would lie at {address:#x}, where none can"
        return Store(self.space, address, self.build, self._root)

    @property
    def indexes(self) -> list[int]:
        """Numbers of the stores that have pages, in order."""
        held = self.tree.values[self.holds(self.tree.keys.astype(np.uint64))]
        found: npt.NDArray[np.uint32] = distinct(held & np.uint32(0xFFFF))[0]
        numbers: list[int] = found.tolist()
        return numbers[:STORE_LIMIT]
