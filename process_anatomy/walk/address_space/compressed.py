"""Which pages of processes are in the compression store, so that what was read there was decompressed.

Source: :mod:`process_anatomy.memory.compression`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory import paging
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.paging import PageState
from process_anatomy.memory.software_entries import SoftwareEntries
from process_anatomy.memory.space import Addresses, Mask


def has_store(kernel: Kernel) -> bool:
    """Whether there is a compression store that can be read."""
    return isinstance(kernel.space, AddressSpace) and _reader(kernel.space) is not None


def _reader(space: AddressSpace) -> SoftwareEntries | None:
    """What understands entries, if there is a compression store that they may lead to."""
    software = space.software
    return software if software is not None and software.stores.ask() is not None else None


def stored_entries(space: AddressSpace, roots: Addresses) -> Callable[[Addresses], Mask]:
    """Tells of entries of the lowest tables, which are not valid, whether their pages are in the compression store.

    Args:
        space: the kernel's address space.
        roots: of the page tables that the entries are of.
    """
    found: list[SoftwareEntries | None] = []

    def tell(entries: Addresses) -> Mask:
        if not len(entries):
            return np.zeros(0, dtype=np.bool_)
        if not found:  # a store is looked for only where there is an entry that may lead to it
            found.append(_reader(space))
            if found[0] is not None:
                found[0].learn(roots)
        software = found[0]
        if software is None:
            return np.zeros(len(entries), dtype=np.bool_)
        plain, certain = software.plain(entries)
        filed = paging.software_state(plain, space.mode) == PageState.PAGEFILE
        stored: Mask = filed & certain & software.keys(plain)[1]
        return stored

    return tell


def compressed(kernel: Kernel, addresses: Addresses, roots: Addresses) -> Mask:
    """Whether the page of each address is in the compression store.

    Args:
        kernel: the kernel.
        addresses: in processes' own memory.
        roots: page-table root of the process that each is in.
    """
    space = kernel.space
    found = np.zeros(len(addresses), dtype=np.bool_)
    if not len(addresses) or not isinstance(space, AddressSpace):
        return found
    told = space.translate(addresses, roots)
    rows = np.flatnonzero(told.state == PageState.PAGEFILE)
    found[rows] = stored_entries(space, roots)(told.entry[rows])
    return found
