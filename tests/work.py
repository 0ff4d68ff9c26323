"""Counts of what an analysis does: its cost without a clock, the same on every machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np

from process_anatomy.memory import paging
from process_anatomy.memory.physical import MappedMemory
from process_anatomy.memory.view import Records
from process_anatomy.notes.library import Library

PAGE_SHIFT = 12


@dataclass
class Work:
    """What was done.

    Attributes:
        pages: numbers of the physical pages of the image of which something was looked at.
        translations: virtual addresses that were translated.
        batches: steps in which that was done: each costs the same, however few addresses it has.
        records: structures that were read through a layout in batches.
        words: explanations that were filled in.
    """

    pages: set[int] = field(default_factory=set)
    translations: int = 0
    batches: int = 0
    records: int = 0
    words: int = 0

    def counts(self) -> dict[str, int]:
        """The numbers that a budget holds."""
        return {
            "pages": len(self.pages),
            "translations": self.translations,
            "batches": self.batches,
            "records": self.records,
        }

    def touch(self, first: Any, last: Any) -> None:
        """Remember the pages from one to another (included), of each of many reads."""
        self.pages.update(first.tolist())
        for low, high in zip(first[last > first].tolist(), last[last > first].tolist(), strict=True):
            self.pages.update(range(low, high + 1))


@contextmanager
def counted() -> Iterator[Work]:
    """Counts what is done inside of it, over images whose octets lie in their file as they are."""
    work = Work()
    read, translate, translate_one = MappedMemory.read, paging.translate, paging.translate_one
    locate, build, explain = MappedMemory.locate, Records.__init__, Library.explain

    def counted_locate(self: MappedMemory, addresses: Any, size: Any) -> Any:
        offsets = locate(self, addresses, size)
        there = (offsets >= 0) & (np.asarray(size) > 0)
        ends = addresses.astype(np.int64) + size - 1
        work.touch(addresses.astype(np.int64)[there] >> PAGE_SHIFT, ends[there] >> PAGE_SHIFT)
        return offsets

    def counted_read(self: MappedMemory, address: int, size: int) -> bytes | None:
        octets = read(self, address, size)
        if octets:
            work.pages.update(range(address >> PAGE_SHIFT, (address + size - 1 >> PAGE_SHIFT) + 1))
        return octets

    def counted_translate(memory: Any, addresses: Any, *more: Any) -> Any:
        work.translations += len(addresses)
        work.batches += 1
        return translate(memory, addresses, *more)

    def counted_one(*about: Any) -> Any:
        work.translations += 1
        return translate_one(*about)

    def counted_build(self: Records, space: Any, structure: Any, addresses: Any, *more: Any) -> None:
        work.records += len(addresses)
        build(self, space, structure, addresses, *more)

    def counted_explain(self: Library, *about: Any) -> str:
        work.words += 1
        return explain(self, *about)

    doors: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
        (MappedMemory, "locate", counted_locate),
        (MappedMemory, "read", counted_read),
        (paging, "translate", counted_translate),
        (paging, "translate_one", counted_one),
        (Records, "__init__", counted_build),
        (Library, "explain", counted_explain),
    )
    with ExitStack() as stack:
        for owner, name, counting in doors:
            stack.enter_context(patch.object(owner, name, counting))
        yield work
