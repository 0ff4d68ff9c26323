"""Object directories: the kernel's own file system of named objects, from a directory to what is in it."""

from __future__ import annotations

import numpy as np

from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.space import Addresses, among, distinct
from structs.object import OBJECT_DIRECTORY, OBJECT_DIRECTORY_ENTRY

CHAIN_LIMIT = 1 << 10
"""Entries of one chain at the most; a directory has 37 chains."""


def listed(kernel: Kernel, directories: Addresses) -> Addresses:
    """Addresses of the objects in these directories, each once; of chains that loop or are damaged what can be had."""
    if not len(directories) or OBJECT_DIRECTORY not in kernel.build or OBJECT_DIRECTORY_ENTRY not in kernel.build:
        return np.zeros(0, dtype=np.uint64)
    size = kernel.build.pointer_size
    heads = kernel.view.records(OBJECT_DIRECTORY, directories).array("HashBuckets")
    octets = np.ascontiguousarray(heads).view(np.uint8).reshape(len(directories), -1)
    wave = octets.view(f"<u{size}").astype(np.uint64).reshape(-1)
    seen: list[Addresses] = []
    objects: list[Addresses] = []
    for _ in range(CHAIN_LIMIT):
        wave, _ = distinct(wave[(wave >= np.uint64(kernel.system_start)) & (wave % np.uint64(size) == 0)])
        wave = wave[~among(wave, np.concatenate(seen))] if seen else wave
        if not len(wave):
            break
        seen.append(wave)
        entries = kernel.view.records(OBJECT_DIRECTORY_ENTRY, wave)
        objects.append(entries.array("Object").astype(np.uint64))
        wave = entries.array("ChainLink").astype(np.uint64)
    found = np.concatenate([*objects, np.zeros(0, dtype=np.uint64)])
    return distinct(found[found >= np.uint64(kernel.system_start)])[0]
