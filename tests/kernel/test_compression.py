"""The compression store: found without symbols, proved, and read page for page as the forge's truth has them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.forge import LAB, Image, forge
from process_anatomy.forge.memory.compressors import lz4 as lz4_of
from process_anatomy.forge.memory.compressors import xpress as xpress_of
from process_anatomy.kernel import compression
from process_anatomy.kernel.compression import NONE, compression_store
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.compression import CompressionStore, Place, Store
from process_anatomy.memory.view import addresses_of
from structs import store
from structs.layout import Build
from structs.store import B_TREE, SMKM_STORE, SMKM_STORE_MGR, ST_PAGE_RECORD
from tests.compression import GENERATIONS, SHARE, kernel, pages, stored
from tests.walk.damaged import Editor, kernel_of

pytest.importorskip("pyfwnt", reason="the library that decompresses Xpress is not installed")
pytest.importorskip("lz4", reason="the library that decompresses LZ4 is not installed")

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


@pytest.mark.proves("forged")
@pytest.mark.parametrize("build", GENERATIONS)
def test_every_page_of_the_store_has_the_bytes_of_the_truth(build: str) -> None:
    """One by one, and all at once; those that nobody can have are absent, with their keys in the reason."""
    own, image = kernel(build), stored(build)
    truth = pages(image)
    assert len(truth) > 20
    assert {page["store"] for page in truth} == {1, 37, None}
    for page in truth:
        data = read(own, page)
        assert (None if data is None else zlib.crc32(data)) == page["crc32"]
        why = space_of(own).through(page["dtb"]).why(page["va"])
        assert (why == "") == (page["crc32"] is not None)
        assert not why or f"the page is in the compression store (key {page['key']:#x}): the store manager" in why
    roots = addresses_of([page["dtb"] for page in truth])
    octets, there = own.space.read_many(addresses_of([page["va"] for page in truth]), PAGE, roots)
    sums = [zlib.crc32(part.tobytes()) if known else None for part, known in zip(octets, there.tolist(), strict=True)]
    assert sums == [page["crc32"] for page in truth]


@pytest.mark.parametrize("build", ["x64-19041-3324", "x64-22621-382", "x64-26100-1742"])
def test_keys_and_the_place_of_the_manager_are_those_of_the_truth(build: str) -> None:
    """In the variable itself, or by the link in the list that the variable is the head of."""
    own, image = kernel(build), stored(build)
    manager = store_of(own)
    variable = image.truth["symbols"]["SmGlobals"]
    structure = manager.build[SMKM_STORE_MGR]
    if "PartitionLink" in structure:
        head = own.view.pointer(variable + (0x10 if manager.build.number >= 26100 else 0x08))
        assert head == manager.manager + structure.offset("PartitionLink")
    else:
        assert manager.manager == variable
    held = {page["key"] for page in pages(image) if page["crc32"] is not None}
    keys = manager.tree.keys.astype(np.uint64)
    assert set(keys[manager.holds(keys)].tolist()) == held
    assert manager.numbered == (manager.build.number < 26100)
    assert manager.numbered or manager.file == 2


@pytest.mark.parametrize("listed", [True, False])
def test_the_number_that_stands_for_the_store_is_that_of_the_list_or_of_the_entries(
    listed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where keys do not hold it: either is enough, and without both the store is not read."""
    image = stored("x64-26100-1742")
    for entries in (True, False):
        with monkeypatch.context() as patch:
            if not listed:
                patch.setattr(compression, "paging_files", lambda _: {})
            if not entries:
                patch.setattr(compression, "_number", lambda *_: None)
            found = compression_store(kernel_of(image))
        if listed or entries:
            assert isinstance(found, CompressionStore)
            assert found.file == 2
        else:
            assert found == "which page file's number stands for the compression store could not be told"


def test_a_kernel_without_a_store_is_asked_once_and_has_none() -> None:
    """A machine without compressed pages: nothing in its variables leads to a manager."""
    image = forge(build="x64-19041-0")
    assert compression_store(kernel_of(image)) == NONE
    assert store.layouts("x64", 10586) is None


@pytest.mark.parametrize(("build", "share"), [("x64-10240-16384", SHARE), ("x86-10586-0", SHARE), (BUILD, 1.5)])
def test_what_has_no_store_that_is_known_is_not_forged_with_one(build: str, share: float) -> None:
    """An older Windows, another processor, and more than all of the pages."""
    cast = tuple(actor for actor in LAB.cast if actor.pid in {4, 388})
    with pytest.raises(ValueError, match=r"no compression store|no share"):
        forge(replace(LAB, cast=cast, compressed=share), build=build)


def test_pages_that_are_alike_share_a_record_and_chance_is_stored_as_it_is() -> None:
    """What the forge puts there on purpose is there: shared records, raw pages, records that lead to others."""
    manager = store_of(kernel(BUILD))
    stores = [found for found in map(manager.store, manager.indexes) if isinstance(found, Store)]
    assert [found.problem for found in stores] == ["", ""]
    numbers = [int(number) for found in stores for number in found.tree.values]
    assert len(set(numbers)) < len(numbers)
    records = [(found, found._record(int(number))) for found in stores for number in found.tree.values]
    firsts = [int.from_bytes(record[:4], "little") for _, record in records if isinstance(record, bytes)]
    assert store.RECORD_ELSEWHERE in firsts
    places = [found.place(int(key)) for found in stores for key in found.tree.keys]
    assert PAGE in {place.size for place in places if not isinstance(place, str)}
    rows = {number >> 8 for number in numbers}
    assert len({row.bit_length() for row in rows}) > 1, "chunks of one array only"


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


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SmkmStore", struct.pack("<Q", 0), "is no store"),
        ("PageRecordsPerChunkMask", struct.pack("<I", 0xFF00), "is no store"),
        ("PageRecordSize", struct.pack("<I", 0), "is no store"),
        ("RegionIndexMask", struct.pack("<I", 77), "is no store"),
        ("CompressionAlgorithm", struct.pack("<H", 4), "algorithm 4, which is not known"),
        ("OwnerProcess", struct.pack("<Q", 0xFFFF_F800_0000_0000), "cannot be read"),
        ("CompressedRegionPtrArray", struct.pack("<Q", 0), "no page proves it"),
        ("PagesTree", struct.pack("<Q", 0), "no page proves it"),
        ("ChunkPtrArray", bytes(256), "no page proves it"),
        ("PageHeaderSize", struct.pack("<I", 3), "is not proved"),
    ],
)
def test_a_store_that_is_not_what_it_should_be_is_not_read_and_the_other_still_is(
    name: str, value: bytes, said: str
) -> None:
    """Each page of the store has the reason; nothing is decompressed from the wrong place."""

    def change(edit: Editor, victim: Store, manager: CompressionStore) -> None:
        field(edit, victim.address, manager.build, name, value)

    own, image = edited(change)
    told = outcomes(own, image)
    assert told[37] == {"right"}
    assert all(said in why for why in told[1]), told[1]


def test_an_owner_that_is_another_process_is_not_believed_by_what_its_pages_hold() -> None:
    """System's own address space has no regions there: none of the store's pages can be had."""

    def change(edit: Editor, victim: Store, manager: CompressionStore) -> None:
        field(edit, victim.address, manager.build, "OwnerProcess", struct.pack("<Q", kernel(BUILD).system))

    own, image = edited(change)
    assert all("no page proves it" in why for why in outcomes(own, image)[1])


def test_counters_in_the_lowest_bits_of_a_region_do_not_matter() -> None:
    """As the kernel leaves them while a region is locked."""

    def change(edit: Editor, victim: Store, manager: CompressionStore) -> None:
        for number in range(2):
            region = kernel(BUILD).view.pointer(victim._regions + 8 * number)
            assert region is not None
            edit.write(victim._regions + 8 * number, struct.pack("<Q", region | 0x8003))

    own, image = edited(change)
    assert outcomes(own, image)[1] == {"right"}


def test_a_tree_that_loops_or_lost_its_order_ends_and_says_so() -> None:
    """A node that is its own child, and a leaf whose keys go back: keys that no search can reach are not found."""

    def change(edit: Editor, victim: Store, manager: CompressionStore) -> None:
        own, head = kernel(BUILD), manager.build[B_TREE]
        root = own.view.pointer(manager.manager + manager.build[SMKM_STORE_MGR].offset("KeyToStoreTree"))
        assert root is not None
        edit.write(root + head.offset("LeftChild"), struct.pack("<Q", root))

    own, image = edited(change)
    told = {why for some in outcomes(own, image).values() for why in some}
    assert any("its tree loops" in why for why in told), told
    assert "right" in told, "the other children are still there"


def record_at(victim: Store, number: int) -> int:
    """Where the page record with a number lies."""
    row = (number >> 8).bit_length() - 1
    chunk = kernel(BUILD).view.pointer(victim._arrays[row] + 16 * ((number >> 8) ^ 1 << row))
    assert chunk is not None
    return chunk + victim._header + victim._size * (number & 0xFF)


def plain_record(victim: Store) -> int:
    """The number of a record that leads to no other."""
    for number in victim.tree.values.tolist():
        record = victim._record(number)
        if isinstance(record, bytes) and int.from_bytes(record[:4], "little") != store.RECORD_ELSEWHERE:
            return int(number)
    raise AssertionError("every record leads to another")


RECORDS: dict[str, Callable[[Store, int], bytes]] = {
    "lead round in a circle": lambda _, number: struct.pack("<II", store.RECORD_ELSEWHERE, number),
    "where none can": lambda _, number: struct.pack("<II", store.RECORD_ELSEWHERE, number | 0xFF),
    "bytes do not fit the region": lambda victim, _: struct.pack("<II", victim._region_mask, 0x800),
    "is not in its store's process": lambda victim, _: struct.pack("<II", 95 << victim._region_shift, 0x800),
    "its 1 bytes are not compressed with Xpress": lambda *_: struct.pack("<II", 0, 1),
}
"""What is said of a page to what its record is changed to."""


@pytest.mark.parametrize("said", RECORDS)
def test_a_record_that_cannot_be_one_is_told_and_costs_its_own_pages_alone(said: str) -> None:
    """Records that lead round in a circle, sizes and places that do not fit."""

    def change(edit: Editor, victim: Store, manager: CompressionStore) -> None:
        number = plain_record(victim)
        assert manager.build[ST_PAGE_RECORD].offset("CompressedSize") == 4
        edit.write(record_at(victim, number), RECORDS[said](victim, number))

    own, image = edited(change)
    told = outcomes(own, image)
    assert any(said in why for why in told[1]), told[1]
    assert "right" in told[1]
    assert told[37] == {"right"}


@pytest.mark.parametrize("build", [BUILD, "x64-26100-1742"])
@pytest.mark.parametrize("size", [PAGE - 1, PAGE + 1, 60_000])
def test_what_would_not_give_exactly_a_page_gives_its_reason(build: str, size: int) -> None:
    """A few bytes that would become one less than a page, one more, or many pages."""
    compress, words = (lz4_of, "LZ4") if build != BUILD else (xpress_of, "Xpress")
    bomb = compress(b"A" * size)

    def change(edit: Editor, victim: Store, manager: CompressionStore) -> None:
        key = next(k for k in victim.tree.keys.tolist() if len(bomb) < compressed_place(victim, k).size < PAGE)
        place = compressed_place(victim, key)
        edit.write(place.address, bomb.ljust(place.size, b"\0"), victim._process.root)

    own, image = edited(change, build)
    told = outcomes(own, image)[1] - {"right"}
    assert len(told) == 1
    assert any(text in next(iter(told)) for text in (f"not compressed with {words}", "and not 4096 when they"))


def compressed_place(victim: Store, key: int) -> Place:
    """Where a page is kept."""
    place = victim.place(key)
    assert isinstance(place, Place)
    return place


@pytest.mark.parametrize("step", [0, 0x10000])
def test_regions_that_overlap_give_pages_or_reasons_and_the_other_store_its_own(step: int) -> None:
    """The second region lies where the first does, or begins in the middle of it."""

    def change(edit: Editor, victim: Store, manager: CompressionStore) -> None:
        first = kernel(BUILD).view.pointer(victim._regions)
        assert first is not None
        edit.write(victim._regions + 8, struct.pack("<Q", first + step))

    own, image = edited(change)
    reasons = 0
    for page in pages(image):
        data = read(own, page)
        why = "" if data is not None else space_of(own).through(page["dtb"]).why(page["va"])
        assert why or (data is not None and len(data) == PAGE)
        assert page["store"] != 37 or (data is not None and zlib.crc32(data) == page["crc32"])
        reasons += page["store"] == 1 and bool(why)
    assert reasons, "nothing lay in the second region"


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [(4, 0x0001_03FF, "has the number 1023, which none has"), (4, 0x0001_0020, "would lie at 0x0, where none can")],
)
def test_a_number_of_a_store_that_is_not_there_is_told(at: int, value: int, said: str) -> None:
    """An entry of the manager's tree that names one of a row that is not there, or none in a row that is."""
    own, image = kernel(BUILD), stored(BUILD)
    manager, edit = store_of(own), Editor(image)
    page = next(page for page in pages(image) if page["store"] == 1)
    tree = own.view.pointer(manager.manager + manager.build[SMKM_STORE_MGR].offset("KeyToStoreTree"))
    assert tree is not None
    edit.write(entry_of(own, tree, page["key"]) + at, struct.pack("<I", value))
    spoiled = kernel_of(image, edit.frames)
    assert read(spoiled, page) is None
    assert said in space_of(spoiled).through(page["dtb"]).why(page["va"])


def entry_of(own: Kernel, node: int, key: int) -> int:
    """Where the entry of a key lies in a B+tree."""
    while True:
        data = own.space.read(node, PAGE)
        assert data is not None
        count, leaf = int.from_bytes(data[:2], "little"), data[3]
        if leaf:
            return next(node + at for at in range(16, PAGE, 8) if data[at : at + 4] == key.to_bytes(4, "little"))
        below = [struct.unpack_from("<QQ", data, 16 + 16 * number) for number in range(count)]
        node = next((child for first, child in reversed(below) if first <= key), struct.unpack_from("<Q", data, 8)[0])


@pytest.mark.parametrize("count", [0, 511, 0xFFFF])
def test_a_node_that_counts_more_entries_than_it_can_have_or_none_is_told(count: int) -> None:
    """The topmost node of the manager's tree, and with it all pages."""

    def change(edit: Editor, victim: Store, manager: CompressionStore) -> None:
        tree = kernel(BUILD).view.pointer(manager.manager + manager.build[SMKM_STORE_MGR].offset("KeyToStoreTree"))
        assert tree is not None
        edit.write(tree, struct.pack("<H", count))

    own, image = edited(change)
    found = compression_store(own)
    assert found == NONE
    assert {read(own, page) for page in pages(image)} == {None}


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_damage_anywhere_in_the_structures_gives_right_bytes_or_reasons(data: st.DataObject) -> None:
    """Bytes of stores, trees, records and lists are changed: no exception, no page without bytes or a reason.

    A changed record or region may lead to other compressed bytes that are a page as well: that a page is the right one,
    nothing in the store can tell.  So only that each answer is a page or a reason is asked.
    """
    own, image = kernel(BUILD), stored(BUILD)
    manager, edit = store_of(own), Editor(image)
    stores = [found for found in map(manager.store, manager.indexes) if isinstance(found, Store)]
    starts = [manager.manager, own.view.pointer(manager.manager + 0x1C0) or 0]
    for found in stores:
        starts += [found.address, found._root, found._regions, *(array for array in found._arrays if array)]
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.sampled_from(starts))
        at = start + data.draw(st.integers(0, 0x400))
        if own.space.read(at, 8) is not None:
            edit.write(at, data.draw(st.binary(min_size=1, max_size=8)))
    spoiled = kernel_of(image, edit.frames)
    for page in pages(image)[::4]:
        got = read(spoiled, page)
        assert got is None or len(got) == PAGE
        assert got is not None or space_of(spoiled).through(page["dtb"]).why(page["va"])


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=0, max_size=4200), st.booleans())
def test_any_bytes_decompress_to_a_page_or_to_a_reason(data: bytes, old: bool) -> None:
    """Hostile input: what a decompressor is given has no say in how much it makes."""
    from process_anatomy.memory.decompression import lz4, xpress

    page = (xpress if old else lz4)(data)
    assert isinstance(page, str) or len(page) == PAGE
