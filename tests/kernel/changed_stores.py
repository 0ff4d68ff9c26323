"""Forged images whose compression stores are changed, and what is said of their pages."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

from process_anatomy.forge import Image
from process_anatomy.kernel.compression import compression_store
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.compression import CompressionStore, Store
from structs.layout import Build
from structs.store import SMKM_STORE
from tests.compression import kernel, pages, stored
from tests.walk.damaged import Editor, kernel_of

PAGE = 0x1000
BUILD = "x64-19041-3324"


def space_of(kernel: Kernel) -> AddressSpace:
    assert isinstance(kernel.space, AddressSpace)
    return kernel.space


def store_of(kernel: Kernel) -> CompressionStore:
    found = compression_store(kernel)
    assert isinstance(found, CompressionStore), found
    return found


def first_store(kernel: Kernel) -> Store:
    manager = store_of(kernel)
    found = manager.store(manager.indexes[0])
    assert isinstance(found, Store)
    return found


def read(kernel: Kernel, page: dict[str, Any]) -> bytes | None:
    return space_of(kernel).through(page["dtb"]).read(page["va"], PAGE)


def edited(change: Callable[[Editor, Store, CompressionStore], None], build: str = BUILD) -> tuple[Kernel, Image]:
    """The kernel of an image whose store was changed, and the image."""
    own, image = kernel(build), stored(build)
    edit = Editor(image)
    change(edit, first_store(own), store_of(own))
    return kernel_of(image, edit.frames), image


def field(edit: Editor, address: int, layouts: Build, name: str, value: bytes) -> None:
    """Write into a field of a store."""
    edit.write(address + layouts[SMKM_STORE].offset(name), value)


def outcomes(kernel: Kernel, image: Image) -> dict[int | None, set[str]]:
    """What is said of the pages of each store: ``right``, or why they cannot be had; never other bytes."""
    found: dict[int | None, set[str]] = {}
    for page in pages(image):
        data = read(kernel, page)
        if data is not None:
            assert zlib.crc32(data) == page["crc32"], f"wrong bytes for key {page['key']:#x}"
        why = "right" if data is not None else space_of(kernel).through(page["dtb"]).why(page["va"])
        assert why, "absent without a reason"
        found.setdefault(page["store"], set()).add(why)
    return found
