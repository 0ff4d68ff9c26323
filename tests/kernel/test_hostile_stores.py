"""Records, regions, trees and compressed bytes that cannot be: each costs its own pages, with the reason."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import pytest

from process_anatomy.forge.memory.compressors import lz4 as lz4_of
from process_anatomy.forge.memory.compressors import xpress as xpress_of
from process_anatomy.kernel.compression import NONE, compression_store
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.compression import CompressionStore, Place, Store
from structs import store
from structs.store import SMKM_STORE_MGR, ST_PAGE_RECORD
from tests.compression import kernel, pages, stored
from tests.kernel.changed_stores import BUILD, PAGE, edited, outcomes, read, space_of, store_of
from tests.walk.damaged import Editor, kernel_of

pytest.importorskip("pyfwnt", reason="the library that decompresses Xpress is not installed")
pytest.importorskip("lz4", reason="the library that decompresses LZ4 is not installed")


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
