"""The kernel's variables: the words of the parts of its image that can be written, where unexported globals lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from process_anatomy.kernel.kernel import Kernel
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Addresses, among, distinct
from process_anatomy.memory.view import addresses_of


@dataclass(frozen=True, slots=True)
class Variables:
    """The words of the kernel's writable sections.

    Attributes:
        words: one row for each page, shape (pages, words in a page); zero where the page cannot be read.
        pages: address of each page, shape (pages,).
        missing: how many of the pages cannot be read.
        problem: why there are none; empty where there are.
    """

    words: Addresses
    pages: Addresses
    missing: int
    problem: str

    def pointers(self, kernel: Kernel, alignment: int) -> Addresses:
        """The words that could be addresses in the kernel's half, outside its image, each once and in order."""
        flat = self.words.reshape(-1)
        likely = (flat >= np.uint64(kernel.system_start)) & (flat % np.uint64(alignment) == 0)
        likely &= flat - np.uint64(kernel.base) >= np.uint64(kernel.size)
        return distinct(flat[likely])[0]

    def places_of(self, values: Sequence[int]) -> Iterator[tuple[int, int]]:
        """The words that hold one of some values: the value, and the address of the word."""
        rows, columns = np.nonzero(among(self.words, addresses_of(values)))
        size = PAGE // max(self.words.shape[1], 1)
        places = self.pages[rows] + np.uint64(size) * columns.astype(np.uint64)
        yield from zip(self.words[rows, columns].tolist(), places.tolist(), strict=True)


def variables(kernel: Kernel) -> Variables:
    """The words of the kernel's writable sections, read once for all who look for a global."""
    return kernel.once("variables", _read)


def _read(kernel: Kernel) -> Variables:
    width = kernel.build.pointer_size
    nothing: npt.NDArray[np.uint64] = np.zeros((0, PAGE // width), dtype=np.uint64)
    try:
        image = kernel.image
    except ValueError as error:
        return Variables(nothing, addresses_of([]), 0, str(error))
    pages = image.writable_pages
    if not pages:
        return Variables(nothing, addresses_of([]), 0, "the kernel's header names no section that can be written")
    where = addresses_of([kernel.base + page for page in pages])
    data, there = kernel.space.read_many(where, PAGE)
    words = data.reshape(-1).view(f"<u{width}").astype(np.uint64).reshape(len(where), -1)
    return Variables(words, where, int(np.count_nonzero(~there)), "")
