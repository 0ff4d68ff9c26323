"""Where a kernel image may be: headers of large executables among the pages that the kernel image range maps.

Page tables can lie, so nothing here grows with what they claim: each page of the image file is looked at once,
however often it is mapped, and in slices; what looks like a header is then sifted by the name in its export
directory, many at a time, before anybody looks closer.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from process_anatomy.kernel.image import SIZE_LIMIT, KernelImage
from process_anatomy.memory import paging
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.physical import PAGE, PhysicalMemory, gather
from process_anatomy.memory.space import Addresses, Mask, among, distinct
from process_anatomy.memory.sweep import sweep

IMAGE_RANGE = {4: (0x8000_0000, 0xFFFF_FFFF), 8: (0xFFFFF800_00000000, 0xFFFFF87F_FFFFFFFF)}
"""Where Windows loads kernel images, by the size of a pointer: on x64 one slot of the top table."""
SMALLEST_KERNEL = 0x10_0000
MACHINE_ARM64, NATIVE = 0xAA64, 1
ARM64_SIZES = 0x80_0000, SIZE_LIMIT
"""Bytes of a kernel for ARM64: drivers, which are native images as well, are smaller."""
LARGE_PAGE = 0x20_0000
PAGES_PER_LARGE = LARGE_PAGE // PAGE
SLICE = 1 << 13
"""Pages whose heads are looked at in one step."""
HEADERS = 1 << 16
"""Headers of large executables that are sifted by name."""
SIFTED = 1 << 10
"""Headers that are sifted in one step: 4 MB."""
NAMED, NAMELESS = 1 << 10, 1 << 8
"""Images that are looked at closely: with a name such as a kernel has, and with a name that cannot be read."""
OPTIONAL_HEADER, PE32_PLUS = 24, 0x20B
EXPORT_ENTRY = {True: OPTIONAL_HEADER + 112, False: OPTIONAL_HEADER + 96}
"""Place of the export directory's address behind the PE signature, in a 64-bit image and in a 32-bit one."""
EXPORT_DIRECTORY, NAME_PLACE = 40, 12

NOTHING: Addresses = np.zeros(0, dtype=np.uint64)
STEPS: Addresses = np.arange(PAGES_PER_LARGE, dtype=np.uint64) * np.uint64(PAGE)
"""From a large page to each of its pages."""


def kernel_images(space: AddressSpace) -> Iterator[KernelImage]:
    """Every image in the kernel image range that is the Windows kernel.

    Those with a readable name come first, lowest address first; then those whose name cannot be read.
    """
    starts = image_starts(space)
    named, nameless = sift(space, starts)
    for base in [*starts[named].tolist()[:NAMED], *starts[nameless].tolist()[:NAMELESS]]:
        try:
            image = KernelImage(space, base)
        except ValueError:
            continue
        if image.is_kernel():
            yield image


def image_starts(space: AddressSpace) -> Addresses:
    """Addresses of pages that start like a large executable, in order; at most :data:`HEADERS`."""
    seen_pages, seen_groups, headers = NOTHING, NOTHING, NOTHING
    starts: list[Addresses] = []
    count = 0
    for found in paging.leaves(space.memory, space.root, *IMAGE_RANGE[space.pointer_size], mode=space.mode):
        small = (found.state == paging.PageState.VALID) | (found.state == paging.PageState.TRANSITION)
        large = np.flatnonzero(
            (found.state == paging.PageState.LARGE_2MB) | (found.state == paging.PageState.LARGE_4MB)
        )
        # a page of 4 MB is looked at as two of 2 MB
        twice = large[found.state[large] == paging.PageState.LARGE_4MB]
        large_at = np.concatenate([found.virtual[large], found.virtual[twice] + np.uint64(LARGE_PAGE)])
        large_in = np.concatenate([found.physical[large], found.physical[twice] + np.uint64(LARGE_PAGE)])
        pages, groups = _beside(found.physical[small], seen_pages), _beside(large_in, seen_groups)
        seen_pages, seen_groups = np.concatenate([seen_pages, pages]), np.concatenate([seen_groups, groups])
        for first in range(0, len(pages), SLICE):
            headers = _with(headers, _headers(space, pages[first : first + SLICE]))
        groups = groups[groups < np.uint64(min(space.memory.end, 1 << 52))]
        for first in range(0, len(groups), SLICE // PAGES_PER_LARGE):
            part = groups[first : first + SLICE // PAGES_PER_LARGE, None] + STEPS
            headers = _with(headers, _headers(space, part.reshape(-1)))
        starts.append(found.virtual[small][among(found.physical[small], headers)])
        starts += _in_large_pages(large_at, large_in, headers)
        count += sum(map(len, starts[-2:]))
        if count > HEADERS:
            break
    return _with(NOTHING, *starts)[:HEADERS]


def _with(*some: Addresses) -> Addresses:
    """Addresses of several arrays, each once and in order."""
    return distinct(np.concatenate(some))[0]


def _beside(addresses: Addresses, seen: Addresses) -> Addresses:
    """Those addresses that were not seen before, each once and in order."""
    each, _ = distinct(addresses)
    return each[~among(each, seen)]


def _in_large_pages(virtual: Addresses, physical: Addresses, headers: Addresses) -> list[Addresses]:
    """Virtual addresses of headers that lie in large pages, one array for each header in its large page."""
    groups, inside = headers & ~np.uint64(LARGE_PAGE - 1), headers & np.uint64(LARGE_PAGE - 1)
    wanted = among(physical, groups)
    if not wanted.any():
        return [NOTHING]
    virtual, physical = virtual[wanted][:HEADERS], physical[wanted][:HEADERS]
    first, last = np.searchsorted(groups, physical), np.searchsorted(groups, physical, side="right")
    found: list[Addresses] = []
    for step in range(int((last - first).max())):
        more = first + step < last
        found.append(virtual[more] | inside[(first + step)[more]])
        if sum(map(len, found)) > HEADERS:
            break
    return [np.concatenate(found)]


def _headers(space: AddressSpace, pages: Addresses) -> Addresses:
    """Of physical pages, those that start like a large executable."""
    offsets = space.memory.locate(pages, PAGE)
    octets = space.memory.octets()
    heads = gather(octets, offsets, 0x40)
    marked = (heads[:, 0] == ord("M")) & (heads[:, 1] == ord("Z")) & (offsets >= 0)
    pages, offsets, heads = pages[marked], offsets[marked], heads[marked]
    header = _number(heads, 0x3C)
    near = (header >= 0x40) & (header < PAGE - 0x60)
    pages, offsets, header = pages[near], offsets[near], header[near]
    signature = gather(octets, offsets + header, 4).view("<u4").reshape(-1)
    size = gather(octets, offsets + header + 0x50, 4).view("<u4").reshape(-1)
    found: Addresses = pages[(signature == 0x4550) & (size >= SMALLEST_KERNEL)]
    return found


def _number(records: npt.NDArray[np.uint8], place: int) -> npt.NDArray[np.int64]:
    """The four-octet number at the same place of each record."""
    return records[:, place : place + 4].copy().view("<u4").reshape(-1).astype(np.int64)


def sift(space: AddressSpace, starts: Addresses) -> tuple[Mask, Mask]:
    """Which headers have a name such as a kernel has in their export directory, and of which it cannot be read."""
    named, nameless = np.zeros(len(starts), dtype=np.bool_), np.zeros(len(starts), dtype=np.bool_)
    for first in range(0, len(starts), SIFTED):
        bases = starts[first : first + SIFTED]
        pages, _ = space.read_many(bases, PAGE)
        rows = np.arange(len(bases))
        header = np.minimum(_number(pages, 0x3C), PAGE - 4)
        magic = pages[rows, np.minimum(header + OPTIONAL_HEADER, PAGE - 2)].astype(np.int64)
        magic |= pages[rows, np.minimum(header + OPTIONAL_HEADER + 1, PAGE - 1)].astype(np.int64) << 8
        entry = header + np.where(magic == PE32_PLUS, EXPORT_ENTRY[True], EXPORT_ENTRY[False])
        told = entry + 4 <= PAGE
        octets = pages[rows[:, None], np.minimum(entry, PAGE - 4)[:, None] + np.arange(4)]
        directory = _number(octets, 0)
        exports, there = space.read_many(bases + directory.astype(np.uint64), EXPORT_DIRECTORY)
        text, readable = space.read_many(bases + _number(exports, NAME_PLACE).astype(np.uint64), 2)
        told &= (directory != 0) & there & readable & (text[:, 0] != 0)
        small = text | 0x20
        named[first : first + SIFTED] = told & (small[:, 0] == ord("n")) & (small[:, 1] == ord("t"))
        nameless[first : first + SIFTED] = ~told
    return named, nameless


def arm64_kernel(memory: PhysicalMemory) -> int | None:
    """Physical address of the header of a kernel for ARM64, or ``None``.

    Told by the header alone, since its page tables are not read: a native image for that processor, large as only
    the kernel is.
    """
    for pages, contents in sweep(memory):
        rows = np.flatnonzero((contents[:, 0] == ord("M")) & (contents[:, 1] == ord("Z")))
        for row in rows.tolist():
            page = contents[row].tobytes()
            header = int.from_bytes(page[0x3C:0x40], "little")
            if not 0x40 <= header < PAGE - 0x60 or page[header : header + 4] != b"PE\0\0":
                continue
            machine, size, subsystem = (
                int.from_bytes(page[header + at : header + at + length], "little")
                for at, length in ((4, 2), (0x50, 4), (0x5C, 2))
            )
            if machine == MACHINE_ARM64 and subsystem == NATIVE and ARM64_SIZES[0] <= size <= ARM64_SIZES[1]:
                return int(pages[row])
    return None
