"""Which pages of processes are in the compression store, so that what was read there was decompressed.

Source: :mod:`process_anatomy.memory.compression`.
"""

from __future__ import annotations

import numpy as np

from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.paging import PageState
from process_anatomy.memory.space import Addresses, Mask


def has_store(kernel: Kernel) -> bool:
    """Whether there is a compression store that can be read."""
    space = kernel.space
    return isinstance(space, AddressSpace) and space.software is not None and space.software.stores.ask() is not None


def compressed(kernel: Kernel, addresses: Addresses, roots: Addresses) -> Mask:
    """Whether the page of each address is in the compression store.

    Args:
        kernel: the kernel.
        addresses: in processes' own memory.
        roots: page-table root of the process that each is in.
    """
    space = kernel.space
    found = np.zeros(len(addresses), dtype=np.bool_)
    if not len(addresses) or not isinstance(space, AddressSpace) or space.software is None or not has_store(kernel):
        return found
    space.software.learn(roots)
    told = space.translate(addresses, roots)
    rows = np.flatnonzero(told.state == PageState.PAGEFILE)
    plain, certain = space.software.plain(told.entry[rows])
    found[rows] = certain & space.software.keys(plain)[1]
    return found
