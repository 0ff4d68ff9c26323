"""Finding the kernel's image among others: decoys, aliases, and page tables that map the same memory over and over."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable

import pytest

from process_anatomy.errors import NotWindows
from process_anatomy.forge import LAB, Image, forge
from process_anatomy.kernel import candidates, identify
from process_anatomy.kernel.candidates import image_starts, kernel_images
from process_anatomy.kernel.image import KernelImage
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.paging import translate_one
from structs.eprocess import EPROCESS
from tests.walk.damaged import PAGE, Editor, kernel_of, memory_of

TABLE, BIG = 0x63, 0x80
"""Flags of an entry for a table, and the one that makes it a large page."""
FRAME = 0x0000_FFFF_FFFF_F000
EXPORTS, NAME = 0x800, 0x900


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab image."""
    return forge(LAB, 11)


class Tables:
    """The page tables of the kernel image range, to be written to."""

    def __init__(self, image: Image) -> None:
        self.image, self.edit = image, Editor(image)
        self.frames = self.edit.frames
        self.base = image.truth["kernel_base"]
        self._free = iter(sorted(set(range(1, image.memory_size // PAGE)) - set(self.frames)))
        self.upper = self.entry(image.truth["dtb"] // PAGE, self.base >> 39 & 0x1FF)

    def entry(self, frame: int, index: int) -> int:
        """The frame that an entry of a table leads to."""
        return (int.from_bytes(self.frames[frame][8 * index : 8 * index + 8], "little") & FRAME) // PAGE

    def set(self, frame: int, index: int, value: int) -> None:
        """Write an entry of a table."""
        page = bytearray(self.frames[frame])
        struct.pack_into("<Q", page, 8 * index, value)
        self.frames[frame] = bytes(page)

    def add(self, content: bytes = b"") -> int:
        """Put content into a free frame."""
        frame = next(self._free)
        self.frames[frame] = content.ljust(PAGE, b"\0")
        return frame

    def space(self) -> AddressSpace:
        """The kernel's address space as it is now."""
        return AddressSpace(memory_of(self.frames, self.image.memory_size), self.image.truth["dtb"])


def header(tables: Tables, name: bytes | None) -> bytes:
    """The kernel's own header with an export directory in the same page, or one that leads nowhere."""
    physical, _ = translate_one(tables.edit.space.memory, tables.base, tables.image.truth["dtb"])
    page = bytearray(tables.frames[physical // PAGE])
    entry = struct.unpack_from("<I", page, 0x3C)[0] + 24 + 112
    struct.pack_into("<II", page, entry, 0x10_0000 if name is None else EXPORTS, 0x100)
    page[EXPORTS : EXPORTS + 40] = struct.pack("<12xI24x", NAME)
    page[NAME : NAME + 32] = (name or b"").ljust(32, b"\0")
    return bytes(page)


@pytest.mark.parametrize("name", [b"hal.dll", b"ntdecoy.exe", b"ntoskrnl.exe", b"", None])
def test_hundreds_of_decoys_below_the_kernel_do_not_hide_it(name: bytes | None, image: Image) -> None:
    """With another name, one that begins alike, the kernel's own, none, and an unreadable one."""
    tables = Tables(image)
    assert tables.base >> 30 & 0x1FF, "no room below the kernel"
    decoy = tables.add(header(tables, name))
    last = tables.add(struct.pack("<Q", decoy * PAGE | TABLE) * 512)
    tables.set(tables.upper, 0, tables.add(struct.pack("<Q", last * PAGE | TABLE)) * PAGE | TABLE)
    assert len(image_starts(tables.space())) > 512
    assert kernel_of(image, tables.frames).base == tables.base


def test_headers_with_another_name_are_never_looked_at_closely(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are sifted in batches: the only image that is opened is the kernel's."""
    opened: list[int] = []

    class Counted(KernelImage):
        def __init__(self, space: AddressSpace, base: int) -> None:
            opened.append(base)
            super().__init__(space, base)

    tables = Tables(image)
    monkeypatch.setattr(candidates, "KernelImage", Counted)
    last = tables.add(struct.pack("<Q", tables.add(header(tables, b"hal.dll")) * PAGE | TABLE) * 512)
    tables.set(tables.upper, 0, tables.add(struct.pack("<Q", last * PAGE | TABLE)) * PAGE | TABLE)
    assert [found.base for found in kernel_images(tables.space())] == [tables.base]
    assert opened == [tables.base]


def spoil_back_link(tables: Tables) -> None:
    """System's way back to the head."""
    system = tables.image.truth["processes"][0]["eprocess"]
    place = system + tables.edit.build[EPROCESS].offset("ActiveProcessLinks") + 8
    tables.edit.write(place, (0x4141414141414141).to_bytes(8, "little"))


@pytest.mark.parametrize("damage", [None, spoil_back_link])
def test_an_alias_of_the_kernel_at_a_lower_address_is_not_its_base(
    damage: Callable[[Tables], None] | None, image: Image
) -> None:
    """The same pages lead to the same System, but the list's head has its address in the true image."""
    tables = Tables(image)
    real = tables.entry(tables.upper, tables.base >> 30 & 0x1FF)
    tables.set(tables.upper, 0, real * PAGE | TABLE)
    if damage is not None:
        damage(tables)
    assert len(list(kernel_images(tables.space()))) == 2
    assert kernel_of(image, tables.frames).base == tables.base


DECOYS = 32


def decoys_alone(image: Image, system: int) -> Tables:
    """Dozens of images of the kernel, and all lead to something else than System; no list is where it should be."""
    tables = Tables(image)
    real = tables.entry(tables.upper, tables.base >> 30 & 0x1FF)
    for index in range(DECOYS):
        tables.set(tables.upper, index, real * PAGE | TABLE)
    symbols = image.truth["symbols"]
    tables.edit.write(symbols["PsInitialSystemProcess"], system.to_bytes(8, "little"))
    tables.edit.write(symbols["PsActiveProcessHead"], bytes(16))
    return tables


def test_kernels_without_a_system_cost_no_layout_each(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has not its name is System through no layout; what cannot be read is told with the reason."""
    tried: list[str] = []
    inner = identify.unfit
    monkeypatch.setattr(identify, "unfit", lambda *given: tried.append(given[1].name) or inner(*given))
    other = next(process["eprocess"] for process in image.truth["processes"] if process["name"] == "explorer.exe")
    for system, told in ((other, "has not System's name"), (0xFFFF_9000_0000_0000, "cannot be read")):
        tables = decoys_alone(image, system)
        with pytest.raises(NotWindows, match=f"should be its System process at {system:#x} {told}"):
            kernel_of(image, tables.frames)
    assert len(tried) < 4  # the other end of the list, where it leads to something


def test_only_a_few_of_many_kernels_are_tried_with_every_layout(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the name is there and nothing else: of the others, the layout that facts name alone."""
    patience: list[bool] = []
    monkeypatch.setattr(identify, "LADDERS", 1)
    inner = identify._chosen
    monkeypatch.setattr(identify, "_chosen", lambda *given: patience.append(given[-1]) or inner(*given))
    tables = decoys_alone(image, image.truth["processes"][0]["eprocess"])
    spoilt = tables.edit.build[EPROCESS].offset("UniqueProcessId")
    tables.edit.write(image.truth["processes"][0]["eprocess"] + spoilt, b"\x07")
    with pytest.raises(NotWindows, match="fits no layout"):
        kernel_of(image, tables.frames)
    assert len(patience) > DECOYS
    assert 0 < sum(map(bool, patience)) < 5 < DECOYS


def test_where_no_image_holds_the_heads_address_the_first_that_leads_to_system_is_taken(
    image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that cannot be followed costs nothing but the choice."""
    monkeypatch.setattr(identify, "holds_list_head", lambda kernel, rings: False)
    assert kernel_of(image).base == image.truth["kernel_base"]


def test_large_pages_that_map_the_same_memory_over_and_over_cost_no_memory(image: Image) -> None:
    """A quarter of a million large pages, 512 GB of address space, over one stretch of 2 MB."""
    tables = Tables(image)
    directory = tables.add(struct.pack("<Q", TABLE | BIG) * 512)
    for index in range(512):
        if not tables.entry(tables.upper, index):
            tables.set(tables.upper, index, directory * PAGE | TABLE)
    space = tables.space()
    tracemalloc.start()
    try:
        found = [one.base for one in kernel_images(space)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == [tables.base]
    assert peak < 400 << 20


@pytest.mark.parametrize("offset", [0, 5, 511])
def test_headers_in_large_pages_are_found_at_every_address_that_maps_them(offset: int, image: Image) -> None:
    """Two large pages over one stretch of memory give two addresses."""
    tables = Tables(image)
    groups = {frame // 512 for frame in tables.frames}
    group = next(g for g in range(1, image.memory_size // PAGE // 512) if g not in groups)
    tables.frames[group * 512 + offset] = header(tables, b"ntoskrnl.exe")
    large = struct.pack("<QQ", *[group * 512 * PAGE | TABLE | BIG] * 2)
    tables.set(tables.upper, 0, tables.add(large) * PAGE | TABLE)
    top = tables.base >> 39 << 39
    found = set(image_starts(tables.space()).tolist())
    assert {top + offset * PAGE, top + (512 + offset) * PAGE, tables.base} <= found
    assert kernel_of(image, tables.frames).base == tables.base
