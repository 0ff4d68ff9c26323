"""What every space of virtual addresses can do, whatever stands behind it."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

Addresses = npt.NDArray[np.uint64]
Octets = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)
SYSTEM_START = {4: 0x8000_0000, 8: 0xFFFF8000_00000000}
"""Where system space begins unless the kernel says otherwise, by the size of a pointer."""


class Space(Protocol):
    """Bytes by virtual address; memory that is not there is an answer, never an exception.

    Attributes:
        pointer_size: 4 or 8 bytes.
        system_start: the lowest address of system space (MmSystemRangeStart); below it lies a process's own.
    """

    pointer_size: int
    system_start: int

    @property
    def room(self) -> int:
        """Bytes that all structures of the image together may have: as many as it holds, packed ones counted.

        Where pointers claim more, they lead to the same bytes again and again.
        """

    def root_in(self, dtb: int) -> int:
        """The page-table root in a DirectoryTableBase, without the bits that are no part of the address."""

    def through(self, root: int) -> Space:
        """The same memory as the process with this page-table root sees it."""

    def read_many(self, addresses: Addresses, size: int, roots: Addresses | None = None) -> tuple[Octets, Mask]:
        """Read ``size`` bytes at each address, optionally each as the process with that page-table root sees it.

        Returns:
            The bytes, shape (n, size), zero where nothing could be read; and shape (n,), whether all
            ``size`` bytes of the record were there.
        """

    def read(self, address: int, size: int) -> bytes | None:
        """Read ``size`` bytes at one address, or ``None`` where not all of them are there."""

    def why(self, address: int, size: int = 1) -> str:
        """In words, why the bytes at an address cannot be read; empty where they can."""


def distinct(values: npt.NDArray[T]) -> tuple[npt.NDArray[T], npt.NDArray[np.intp]]:
    """The different values in order, and for each value the row of its equal there.

    Not ``numpy.unique``: that loads the masked arrays at its first use, which takes longer than most walks.
    """
    order, starts = _grouped(values)
    back = np.empty(len(values), dtype=np.intp)
    back[order] = np.cumsum(starts) - 1
    return values[order[starts]], back


def firsts(values: npt.NDArray[T]) -> tuple[npt.NDArray[T], npt.NDArray[np.intp]]:
    """The different values in order, and for each the first row that has it."""
    order, starts = _grouped(values)
    return values[order[starts]], order[starts]


def _grouped(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.intp], Mask]:
    """The rows with equal values side by side, values and then rows in order, and which of them begin a group."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.ones(len(values), dtype=np.bool_)
    starts[1:] = ordered[1:] != ordered[:-1]
    return order, starts


def among(values: npt.NDArray[T], known: npt.NDArray[T]) -> Mask:
    """Whether each value, in an array of any shape, is one of some that are known.

    Not ``numpy.isin``, for the reason that :func:`distinct` has, where more than a few are known.
    """
    if not len(known):
        return np.zeros(values.shape, dtype=np.bool_)
    ordered = np.sort(known)
    place = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    found: Mask = ordered[place] == values
    return found
