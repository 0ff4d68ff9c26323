"""The compression store: found without symbols, proved, and read page for page as the forge's truth has them."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.forge import LAB, forge
from process_anatomy.kernel import compression
from process_anatomy.kernel.compression import NONE, compression_store
from process_anatomy.memory.compression import CompressionStore, Store
from process_anatomy.memory.view import addresses_of
from structs import store
from structs.store import B_TREE, SMKM_STORE_MGR
from tests.compression import GENERATIONS, SHARE, kernel, pages, stored
from tests.kernel.changed_stores import BUILD, PAGE, edited, field, outcomes, read, space_of, store_of
from tests.walk.damaged import Editor, kernel_of

pytest.importorskip("pyfwnt", reason="the library that decompresses Xpress is not installed")
pytest.importorskip("lz4", reason="the library that decompresses LZ4 is not installed")


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
