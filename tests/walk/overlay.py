"""An image with some pages changed or taken away in memory only: the image itself stays as it is."""

from __future__ import annotations

from process_anatomy.kernel.identify import Kernel, identify
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.paging import READABLE, translate_one
from process_anatomy.memory.physical import CachedMemory
from structs.layout import Build, Layout

PAGE = 0x1000


class Overlay:
    """Changes over the memory of a kernel.

    Args:
        whole: the kernel as it is, of a forged image or of a foreign one.

    Attributes:
        pages: number of a physical page to what it holds instead; ``None`` where it is taken away.
    """

    def __init__(self, whole: Kernel) -> None:
        assert isinstance(whole.space, AddressSpace)
        self.whole, self.space = whole, whole.space
        self.pages: dict[int, bytes | None] = {}

    @property
    def build(self) -> Build:
        """The layout that applies."""
        return self.whole.build

    @property
    def nowhere(self) -> int:
        """An address of system space where nothing is."""
        return self.space.system_start + PAGE

    def physical(self, address: int, root: int | None = None) -> int | None:
        """Where the octet at an address is; ``None`` where it is not in memory."""
        physical, state = translate_one(self.space.memory, address, root or self.space.root, self.space.mode)
        return physical if state <= READABLE else None

    def write(self, address: int, data: bytes, root: int | None = None) -> None:
        """Overwrite octets of kernel memory, or of a process's own by its page-table root; what is not there stays."""
        while data:
            taken = min(len(data), PAGE - address % PAGE)
            physical = self.physical(address, root)
            page = None if physical is None else self._read(physical & -PAGE, PAGE)
            if physical is not None and page is not None:
                inside = physical % PAGE
                self.pages[physical // PAGE] = page[:inside] + data[:taken] + page[inside + taken :]
            address, data = address + taken, data[taken:]

    def set(self, layout: Layout, address: int, field: str, value: int, root: int | None = None) -> None:
        """Overwrite a field of a structure."""
        place = self.build[layout].place(field)
        self.write(address + place.offset, value.to_bytes(place.size, "little"), root)

    def lose(self, address: int, root: int | None = None) -> None:
        """Take away the page that an address lies in."""
        physical = self.physical(address, root)
        if physical is not None:
            self.pages[physical // PAGE] = None

    def kernel(self) -> Kernel:
        """The kernel in what is left, identified anew."""
        return identify(CachedMemory(self._read, self.space.memory.end), self.space.root, mode=self.space.mode)

    def _read(self, address: int, size: int) -> bytes | None:
        number = address // PAGE
        return self.pages[number] if number in self.pages else self.space.memory.read(address, size)
