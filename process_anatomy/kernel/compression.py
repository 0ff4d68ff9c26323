"""Where the compression store is: the store manager, found without symbols in the kernel's variables, and proved.

Up to Windows 11 21H2 the manager lies in a variable of the kernel (nt!SmGlobals); since 22H2 a variable leads to a link
within it.  What is looked for is the pointer to the root of its B+tree, at the place where the manager has it, and the
row of stores beside it; what is found must lead to a store that knows its own address, belongs to a process of this
kernel, and gives pages of 4,096 bytes.

Source: :mod:`structs.store`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from process_anatomy.kernel.kernel import Kernel
from process_anatomy.kernel.paging_files import paging_files
from process_anatomy.kernel.variables import variables
from process_anatomy.memory import paging
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.compression import CompressionStore, Store
from process_anatomy.memory.page_files import PageFiles
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.software_entries import SoftwareEntries
from process_anatomy.memory.space import Addresses
from process_anatomy.memory.view import addresses_of
from structs import store
from structs.eprocess import EPROCESS
from structs.layout import Build
from structs.machines import BY_POINTER_SIZE
from structs.store import B_TREE, SMKM_STORE_MGR

NONE = "no store manager was found in the kernel's variables"
LEVELS = range(1, 9)
MANAGERS = 16
"""Places that look like a store manager at the most that are tried."""
STORES = 8
"""Stores of a manager that are tried at the most to prove it."""
PROCESSES = 64
"""Processes whose entries are looked at where keys do not hold the page file's number."""
ENTRIES = 1 << 18
"""Entries of them at the most."""
VOTES, SHARE = 4, 0.9
"""How many entries of a page file's number must have their page in the store, and which share of them all."""


def attach(kernel: Kernel) -> Kernel:
    """The same kernel; its address space reads pages of the compression store, which is looked for when one is met.

    Which bits of entries are flipped, it learns from some processes of the active list.
    """
    space = kernel.space
    if isinstance(space, AddressSpace) and space.software is not None:
        space.software.flips.find = lambda: addresses_of(list(_roots(kernel)))
        if layouts_of(kernel) is not None:
            space.software.stores.find = lambda: compression_store(kernel)
    return kernel


def layouts_of(kernel: Kernel) -> Build | None:
    """The layouts of the kernel's store, ``None`` where none are known or there is none."""
    return store.layouts(BY_POINTER_SIZE[kernel.space.pointer_size].name, kernel.number)


def compression_store(kernel: Kernel) -> CompressionStore | str | None:
    """The kernel's compression store; why it cannot be read; ``None`` for a Windows that has none."""
    return kernel.once("compression store", _find)


def _find(kernel: Kernel) -> CompressionStore | str | None:
    build, space = layouts_of(kernel), kernel.space
    if build is None or not isinstance(space, AddressSpace) or space.software is None:
        return None
    plain = _without_store(space, space.software)
    why = NONE
    for address in _managers(kernel, plain, build):
        manager = CompressionStore(plain, address, build, lambda process: _root(kernel, plain, process))
        if not len(manager.tree.keys):
            continue
        doubt = _prove(kernel, manager)
        if not doubt:
            return manager
        why = doubt if why == NONE else why
    return why


def _without_store(space: AddressSpace, software: SoftwareEntries) -> AddressSpace:
    """The kernel's space as it is without a store: what the store itself is read through."""
    memory = space.memory
    if isinstance(memory, PageFiles):
        memory = PageFiles(memory.memory, memory.files) if memory.files else memory.memory
    other = SoftwareEntries(memory, space.root, space.mode, software.format, space.system_start, software.flips)
    return AddressSpace(memory, space.root, space.mode, space.system_start, other)


def _managers(kernel: Kernel, space: AddressSpace, build: Build) -> Iterator[int]:
    """Where the kernel's variables have, or lead to, what looks like a store manager."""
    structure, words = build[SMKM_STORE_MGR], variables(kernel)
    tree = structure.offset("KeyToStoreTree")
    if "PartitionLink" in structure:
        links = words.pointers(kernel, build.pointer_size)
        found = links - np.uint64(structure.offset("PartitionLink"))
    else:
        likely = (words.words % np.uint64(PAGE) == 0) & (words.words >= np.uint64(kernel.system_start))
        rows, columns = np.nonzero(likely)
        places = words.pages[rows] + np.uint64(build.pointer_size) * columns.astype(np.uint64)
        found = places - np.uint64(tree)
    found = found[found >= np.uint64(kernel.system_start)]
    roots, there = _pointers(space, found + np.uint64(tree), build)
    first, known = _pointers(space, found, build)
    there &= known & _system(roots, kernel, PAGE) & _system(first, kernel, build.pointer_size)
    found, roots = found[there], roots[there]
    octets, there = space.read_many(roots, build[B_TREE].sizeof)
    nodes = octets.reshape(-1).view(build[B_TREE].dtype)
    room = (PAGE - build[B_TREE].sizeof) // np.where(nodes["Leaf"] != 0, 8, 2 * build.pointer_size)
    there &= (nodes["Leaf"] <= 1) & (nodes["Entries"] > 0) & (nodes["Entries"] <= room)
    there &= np.isin(nodes["Level"], LEVELS)
    yield from found[there][:MANAGERS].tolist()


def _pointers(
    space: AddressSpace, addresses: Addresses, build: Build
) -> tuple[Addresses, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    octets, there = space.read_many(addresses, build.pointer_size)
    return octets.reshape(-1).view(f"<u{build.pointer_size}").astype(np.uint64), there


def _system(values: Addresses, kernel: Kernel, alignment: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether values can be addresses of system space outside the kernel's image."""
    outside = values - np.uint64(kernel.base) >= np.uint64(kernel.size)
    aligned: np.ndarray[tuple[int], np.dtype[np.bool_]] = values % np.uint64(alignment) == 0
    return aligned & outside & (values >= np.uint64(kernel.system_start))


def _root(kernel: Kernel, space: AddressSpace, process: int) -> int | str:
    """The page-table root of a process, if it is one of this kernel: its tables map the kernel where System's do."""
    structure = kernel.build[EPROCESS]
    place = structure.place("DirectoryTableBase")
    data = space.read(process + place.offset, place.size) if process >= kernel.system_start else None
    if data is None:
        return f"its process at {process:#x} cannot be read"
    root = space.root_in(int.from_bytes(data, "little"))
    where = addresses_of([kernel.base, kernel.system])
    theirs = paging.translate(space.memory, where, root, space.mode)
    ours = paging.translate(space.memory, where, space.root, space.mode)
    if not root or (theirs.state > paging.READABLE).any() or (theirs.physical != ours.physical).any():
        return f"what lies at {process:#x} is not the process that it belongs to"
    return root


def _prove(kernel: Kernel, manager: CompressionStore) -> str:
    """Why a manager is not believed; empty where one of its stores gives pages."""
    why = ""
    for index in manager.indexes[:STORES]:
        found = manager.store(index)
        if isinstance(found, Store) and not found.problem:
            why = ""
            break
        why = why or (found if isinstance(found, str) else found.problem)
    else:
        return why or "the store manager has no page"
    if not manager.numbered:
        listed = [number for number, one in paging_files(kernel).items() if one.store]
        manager.file = listed[0] if len(listed) == 1 else _number(kernel, manager)
        if manager.file is None:
            return "which page file's number stands for the compression store could not be told"
    return why


def _number(kernel: Kernel, manager: CompressionStore) -> int | None:
    """The number whose entries have their pages in the store; ``None`` where it is not one number alone."""
    space = kernel.space
    assert isinstance(space, AddressSpace)
    software = space.software
    assert software is not None
    roots = addresses_of(list(_roots(kernel)))
    software.learn(roots)
    hits = np.zeros(1 << 4, dtype=np.int64)
    counts = np.zeros(1 << 4, dtype=np.int64)
    seen = 0
    for part in paging.leaves(space.memory, roots, 0, kernel.system_start - 1, space.mode):
        files, pages = software.places(part.entry)
        held = manager.tree.rows(pages)[1]
        counts += np.bincount(files.astype(np.int64), minlength=len(counts))
        hits += np.bincount(files[held].astype(np.int64), minlength=len(hits))
        seen += len(part.entry)
        if seen >= ENTRIES:
            break
    sure = np.flatnonzero((hits >= VOTES) & (hits >= SHARE * counts))
    return int(sure[0]) if len(sure) == 1 else None


def _roots(kernel: Kernel) -> Iterator[int]:
    """Page-table roots of some processes of the active list."""
    structure, view = kernel.build[EPROCESS], kernel.view
    place = structure.place("DirectoryTableBase")
    link = structure.offset("ActiveProcessLinks")
    process, seen = kernel.system, set[int]()
    while process not in seen and len(seen) < PROCESSES:
        seen.add(process)
        data = kernel.space.read(process + place.offset, place.size)
        root = 0 if data is None else kernel.root_in(int.from_bytes(data, "little"))
        if root:
            yield root
        following = view.pointer(process + link)
        if following is None or kernel.inside(following):
            break
        process = following - link
