"""The kernel's debugger block (KDBG): found in its image, decoded where Windows keeps it encoded.

Up to Windows 7 the block lies in clear.  Windows 8 and later on x64 keep it encoded unless a debugger was allowed at
start-up; each eight octets E of it are

    swapped(rotated(E ^ KiWaitNever, KiWaitNever & 63) ^ KdpDataBlockEncoded's address) ^ KiWaitAlways

(public knowledge; the command-line debuggers and Volatility 2 decode it with those three variables' symbols).  No
symbols are needed here: a rotation distributes over exclusive-or, so that all three variables together are one rotation
and one constant of eight octets, the same for the whole block.  The block's own start is known (its tag, and the
kernel's base behind it), and from the two neighbours the rotation follows, then the constant.  That it is right is
proved: the tag has 32 bits, and the heads of two lists must lie in the kernel's image.

What is not done: x86 from Windows 8 on, where no public source says how the block is encoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from process_anatomy.kernel.candidates import IMAGE_RANGE
from process_anatomy.kernel.image import SIZE_LIMIT, KernelImage
from process_anatomy.memory import paging
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Addresses, Space
from structs.debugger import KDBG_TAG, KDDEBUGGER_DATA64

TAG_PLACE = 0x10
SIZES = range(0x208, 0x1000)
"""Bytes that a block says it has: 0x290 in Windows XP, 0x380 in Windows 10."""
STEP = 1 << 9
"""Pages that are searched at a time."""
MAPPED_PAGES = 1 << 16
"""Pages of the kernel image range that are searched where no image says where the block could lie."""
DECODED = 0x400
"""Octets of an encoded block that are decoded at the most."""
_PARTS = KDDEBUGGER_DATA64.subcons
ENDS = {part.name: sum(each.sizeof() for each in _PARTS[: index + 1]) for index, part in enumerate(_PARTS) if part.name}
"""Member to the first octet behind it."""


@dataclass(frozen=True, slots=True)
class DebuggerBlock:
    """A debugger block.

    Attributes:
        address: where it lies.
        base: of the kernel, as it says.
        encoded: whether it had to be decoded.
        values: its members, those that it is long enough to have.
    """

    address: int
    base: int
    encoded: bool
    values: dict[str, Any]

    def pointer(self, member: str, space: Space) -> int:
        """An address in it; a 32-bit kernel writes its addresses as 64-bit numbers with their sign."""
        mask = (1 << 8 * space.pointer_size) - 1
        return int(self.values.get(member, 0)) & mask


def debugger_block(space: AddressSpace, image: KernelImage) -> DebuggerBlock | None:
    """The block of a kernel, searched for in what can be written of its image, then in the rest; ``None`` without."""
    first = image.writable_pages
    rest = sorted(set(range(0, image.size, PAGE)) - set(first))
    writable, others = (np.array([image.base + page for page in pages], dtype=np.uint64) for pages in (first, rest))
    return (
        _clear(space, writable, image.base)
        or _encoded(space, writable, image.base)
        or _clear(space, others, image.base)
    )


def block_without_image(space: AddressSpace) -> DebuggerBlock | None:
    """A block in clear anywhere in the kernel image range, for a kernel whose first page is not in the image."""
    budget = MAPPED_PAGES
    for found in paging.leaves(space.memory, space.root, *IMAGE_RANGE[space.pointer_size], mode=space.mode):
        small = found.virtual[found.state == paging.PageState.VALID]
        large = found.virtual[(found.state == paging.PageState.LARGE_2MB) | (found.state == paging.PageState.LARGE_4MB)]
        size = 0x20_0000 if space.mode.entry_size == 8 else 0x40_0000
        steps = np.arange(0, size, PAGE, dtype=np.uint64)
        pages = np.concatenate([small, (large[: budget // len(steps) + 1, None] + steps).reshape(-1)])[:budget]
        budget -= len(pages)
        block = _clear(space, pages, None)
        if block is not None:
            return block
        if budget <= 0:
            break
    return None


def _slices(space: AddressSpace, pages: Addresses) -> Iterator[tuple[Addresses, npt.NDArray[np.uint8]]]:
    for first in range(0, len(pages), STEP):
        part = pages[first : first + STEP]
        yield part, space.read_many(part, PAGE)[0]


def _clear(space: AddressSpace, pages: Addresses, base: int | None) -> DebuggerBlock | None:
    """The first block in clear on these pages; of the kernel with this base, where one is given."""
    for part, octets in _slices(space, pages):
        whole = octets.tobytes()
        at = whole.find(KDBG_TAG)
        while at >= 0:
            start = int(part[at // PAGE]) + at % PAGE - TAG_PLACE
            data = _read(space, start)
            block = None if data is None else _believed(space, start, data, base, False)
            if block is not None:
                return block
            at = whole.find(KDBG_TAG, at + 1)
    return None


def _encoded(space: AddressSpace, pages: Addresses, base: int) -> DebuggerBlock | None:
    """The encoded block of the kernel with this base on these pages; x64 only."""
    if space.pointer_size != 8:
        return None
    for part, octets in _slices(space, pages):
        words = octets.reshape(-1).view("<u8")
        mixed = words[:-1] ^ words[1:]  # of the tag's eight octets and the base's
        known = np.flatnonzero(mixed)
        for turn in range(64):
            plain = _rotated(mixed[known], turn).byteswap() ^ np.uint64(base)
            fits = (plain & np.uint64(0xFFFF_FFFF)) == np.uint64(int.from_bytes(KDBG_TAG, "little"))
            for place, header in zip(known[fits].tolist(), plain[fits].tolist(), strict=True):
                start = int(part[place // (PAGE // 8)]) + 8 * (place % (PAGE // 8)) - TAG_PLACE
                size = header >> 32
                data = _read(space, start, size) if size in SIZES else None
                block = None if data is None else _believed(space, start, decoded(data, turn, base), base, True)
                if block is not None:
                    return block
    return None


def decoded(data: bytes, turn: int, base: int) -> bytes:
    """An encoded block in clear, from the rotation and from the kernel's base, which is its fourth number."""
    words = np.frombuffer(data[: len(data) & -8], dtype="<u8").astype(np.uint64)
    turned = _rotated(words, turn)
    constant = turned[3] ^ np.array([base], dtype=np.uint64).byteswap()[0]
    plain: bytes = (turned ^ constant).byteswap().astype("<u8").tobytes()
    return plain


def _rotated(words: Addresses, turn: int) -> Addresses:
    """Rotated to the left."""
    return words << np.uint64(turn) | words >> np.uint64((64 - turn) % 64) if turn else words


def _read(space: AddressSpace, start: int, size: int = 0) -> bytes | None:
    """The octets of a block: as many as it says, at the most those that are known."""
    if not size:
        head = space.read(start + TAG_PLACE + 4, 4)
        size = 0 if head is None else int.from_bytes(head, "little")
    return space.read(start, min(size, DECODED)) if size in SIZES else None


def _believed(space: AddressSpace, start: int, data: bytes, base: int | None, encoded: bool) -> DebuggerBlock | None:
    """The block in these octets, if it is of a kernel (of the one with this base)."""
    whole = KDDEBUGGER_DATA64.parse(data.ljust(KDDEBUGGER_DATA64.sizeof(), b"\0"))
    values = {name: whole[name] for name, end in ENDS.items() if end <= len(data)}
    block = DebuggerBlock(start, int(whole.KernBase) & space.highest, encoded, values)
    own = block.base
    if whole.OwnerTag != KDBG_TAG or own % PAGE or (base is not None and own != base):
        return None
    low, high = IMAGE_RANGE[space.pointer_size]
    inside = (own <= block.pointer(name, space) < own + SIZE_LIMIT for name in LISTS)
    return block if low <= own <= high and all(inside) else None


LISTS = ("PsLoadedModuleList", "PsActiveProcessHead")
"""Heads of lists that lie in the kernel's image."""
