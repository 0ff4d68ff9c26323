"""Physical memory with the page files that belong to it, and with the compression store.

Their pages have addresses beyond all of memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from process_anatomy.memory.physical import PAGE, CachedMemory, PhysicalMemory
from process_anatomy.memory.space import Addresses, Mask, Octets

FIRST = 1 << 56
"""Where page file 0 begins: beyond any physical address (52 bits)."""
FILE_BITS = 4
"""Bits of an entry that number the page file."""
FILE_SHIFT = 48
"""Each file has 2**48 octets of addresses: 2**32 pages and some."""
STORE = 1 << FILE_BITS
"""The compression store, as if it were one more page file; its pages are numbered by their keys."""


class KeyedPages(Protocol):
    """Pages of the compression store, by their keys."""

    def keys(self, files: Addresses, pages: Addresses) -> tuple[Addresses, Mask]:
        """Page keys of places in page files, and whether they can be in the store at all."""

    def holds(self, keys: Addresses) -> Mask:
        """Whether the store manager has pages with these keys, whether they can be read or not."""

    def page(self, key: int) -> bytes | str:
        """The page with a key, or why it cannot be had."""


class PageFiles:
    """Physical memory, and page files behind it.

    Reads that meet no page file cost what they cost without; for the others the pages are copied into a cache.

    Args:
        memory: physical memory.
        files: number of the page file, below 16, to its octets.

    Attributes:
        end: one past the highest address of memory itself.
        lost: bytes that the image's header promises and the file does not hold.
        forkable: processes that are forked may read it side by side.
        lasting: the buffer of memory itself stays what it is.
        refused: number of a page file that was given and is not read to the reason.
        store: the compression store, once it was found.
    """

    def __init__(self, memory: PhysicalMemory, files: Mapping[int, PhysicalMemory]) -> None:
        self.memory, self.files = memory, dict(files)
        self.refused: dict[int, str] = {}
        self.end, self.lost = memory.end, memory.lost
        self.forkable, self.lasting = memory.forkable, memory.lasting
        self.store: KeyedPages | None = None
        self._mixed = CachedMemory(self._fetch, FIRST + (STORE + 1 << FILE_SHIFT))
        self._last: PhysicalMemory = memory

    def give(self, files: Mapping[int, PhysicalMemory]) -> None:
        """Add page files, once it is known which numbers they have."""
        self.files |= files
        self._forget()

    def refuse(self, number: int, why: str) -> None:
        """Read nothing more of a page file, which turned out not to belong to this memory."""
        self.files.pop(number, None)
        self.refused[number] = why
        self._forget()

    def _forget(self) -> None:
        """Drop what was kept of page files, and that it was not there."""
        self._mixed = CachedMemory(self._fetch, self._mixed.end)
        self._last = self.memory

    def holds(self, files: Addresses, pages: Addresses) -> Mask:
        """Whether the pages of page files are in files that are there and reach so far."""
        held = np.zeros(1 << FILE_BITS, dtype=np.uint64)
        for number, file in self.files.items():
            held[number] = file.end // PAGE
        there: Mask = pages < held[files]
        return there

    def addresses(self, files: Addresses, pages: Addresses) -> Addresses:
        """Where the pages of page files are, whether a file holds them or not."""
        start = np.uint64(FIRST) + (files << np.uint64(FILE_SHIFT))
        return start + pages * np.uint64(PAGE)

    def stored(self, keys: Addresses) -> tuple[Addresses, Mask]:
        """Where the pages of the compression store are, and whether they are there: those are decompressed now."""
        addresses = self.addresses(np.full(len(keys), STORE, dtype=np.uint64), keys)
        self._last = self._mixed
        return addresses, self._mixed.locate(addresses, 1) >= 0

    def _fetch(self, address: int, size: int) -> bytes | None:
        if address < FIRST:
            return self.memory.read(address, size)
        number, inside = divmod(address - FIRST, 1 << FILE_SHIFT)
        if number == STORE:
            return self._decompressed(inside, size)
        file = self.files.get(number)
        return None if file is None else file.read(inside, size)

    def _decompressed(self, inside: int, size: int) -> bytes | None:
        """Octets of a page of the compression store."""
        key, start = divmod(inside, PAGE)
        page = None if self.store is None else self.store.page(key)
        return page[start : start + size] if isinstance(page, bytes) else None

    def octets(self) -> Octets:
        """The buffer that :meth:`locate` points into; valid until the next call of ``locate``."""
        return self._last.octets()

    def stretches(self) -> list[tuple[int, int]]:
        """First and last address (exclusive) of each stretch of memory itself, in order."""
        return self.memory.stretches()

    def filled(self) -> list[tuple[int, int]]:
        """Of these what may hold anything but zeros."""
        return self.memory.filled()

    def locate(self, addresses: Addresses, size: int | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Where in the buffer the ``size`` octets of each address start, -1 where they are not there.

        Where page files are met, a record must lie within one page.
        """
        self._last = self._mixed if (addresses >= np.uint64(FIRST)).any() else self.memory
        return self._last.locate(addresses, size)

    def read(self, address: int, size: int) -> bytes | None:
        """Octets at one address, or ``None`` where not all of them are there."""
        if address >= FIRST + (STORE << FILE_SHIFT):  # decompressed once, not for every read
            return self._mixed.read(address, size)
        return self._fetch(address, size)
