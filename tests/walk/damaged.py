"""Images with damage: frames that are missing, spoiled or overwritten by virtual address."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from process_anatomy.forge import Image
from process_anatomy.kernel.identify import Kernel, identify
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.paging import LA57, PAE, X64, X86, Mode, translate_one
from process_anatomy.memory.physical import CachedMemory
from structs.layout import Layout

Frames = Mapping[int, bytes]
PAGE = 0x1000
GARBAGE: list[Callable[[bytes], bytes]] = [
    lambda page: bytes(PAGE),
    lambda page: b"\xff" * PAGE,
    lambda page: page[::-1],
    lambda page: bytes(octet ^ 0x11 for octet in page),
]
"""Ways to spoil a page."""


def memory_of(frames: Frames, end: int) -> CachedMemory:
    """Physical memory with only these frames; all other pages are not in the image."""

    def read(address: int, size: int) -> bytes | None:
        return frames.get(address // PAGE)

    return CachedMemory(read, end)


def without(image: Image, missing: Iterable[int]) -> dict[int, bytes]:
    """The frames of an image without those that these numbers fall on, whatever the numbers."""
    frames, numbers = dict(image.physical), sorted(image.physical)
    for number in missing:
        frames.pop(numbers[number % len(numbers)], None)
    return frames


def spoiled(image: Image, damage: Mapping[int, int]) -> dict[int, bytes]:
    """The frames of an image, those that these numbers fall on spoiled: number to the place in :data:`GARBAGE`."""
    frames, numbers = dict(image.physical), sorted(image.physical)
    for number, maker in damage.items():
        frame = numbers[number % len(numbers)]
        frames[frame] = GARBAGE[maker](frames[frame])
    return frames


def kernel_of(image: Image, frames: Frames | None = None) -> Kernel:
    """The kernel in an image, or in what is left of it."""
    memory = memory_of(image.physical if frames is None else frames, image.memory_size)
    return identify(memory, image.truth["dtb"], mode=mode_of(image))


def mode_of(image: Image) -> Mode:
    """The format of an image's page tables."""
    if image.pointer_size != X86.pointer_size:
        return LA57 if "five_levels" in image.truth else X64
    return PAE if image.truth["pae"] else X86


class Editor:
    """Frames of an image that can be overwritten by virtual address."""

    def __init__(self, image: Image) -> None:
        self.frames = dict(image.physical)
        self.space = AddressSpace(memory_of(image.physical, image.memory_size), image.truth["dtb"], mode_of(image))
        self.build = kernel_of(image).build

    def set(self, layout: Layout, address: int, field: str, value: int, root: int | None = None) -> None:
        """Overwrite a field of a structure in kernel memory, or in a process's user memory."""
        place = self.build[layout].place(field)
        self.write(address + place.offset, value.to_bytes(place.size, "little"), root)

    def write(self, address: int, data: bytes, root: int | None = None) -> None:
        """Overwrite bytes of kernel memory, or of the user memory of the process with this page-table root."""
        for step, octet in enumerate(data):
            physical, _ = translate_one(self.space.memory, address + step, root or self.space.root, self.space.mode)
            page = bytearray(self.frames[physical // PAGE])
            page[physical % PAGE] = octet
            self.frames[physical // PAGE] = bytes(page)


def listed_truth(truth: Mapping[str, Any]) -> list[dict[str, Any]]:
    """An answer key's processes on the list of active ones, which is all that whoever walks that list sees."""
    return [p for p in truth["processes"] if p["in_active_list"]]


def process_truth(image: Image, name: str) -> dict[str, Any]:
    """The answer key's entry of a process."""
    return next(p for p in image.truth["processes"] if p["name"] == name)
