"""Hibernation files of every generation give the pages that were written; damaged and hostile ones what they have."""

from __future__ import annotations

import json
import lzma
import struct
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.forge.memory import compressors
from process_anatomy.memory import hibernation_blocks, hibernation_sets
from process_anatomy.memory.decompression import xpress, xpress_huffman
from process_anatomy.memory.hibernation import HibernationError, read_hibernation
from process_anatomy.memory.hibernation_blocks import begins_with_codes, unpack
from process_anatomy.memory.packed import KEPT, Blocks, Packed, PackedMemory
from structs.hibernation import EITHER, HIBERBOOT, RESTORE_SETS, header_length
from tests.hibernated import BUILDS, PAGE, reader, small, write

HEADER = RESTORE_SETS[header_length(22621, 8)]
Memory = dict[int, bytes]


@cache
def written(build: int = 22621, arch: str = "x64", frames: int = 270) -> tuple[bytes, Memory]:
    """A hibernation file, without the room behind its last set, and the pages that it holds."""
    image = small(build, arch, frames)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "hiberfil.sys"
        write(image, path)
        return path.read_bytes().rstrip(b"\0") + bytes(PAGE), image.physical


def held(data: bytes) -> Memory:
    """The pages of a file that can be unpacked."""
    packed = read_hibernation(reader(data), len(data)).packed
    found = {page: packed.page(page) for page in packed.pages.tolist()}
    return {page: content for page, content in found.items() if isinstance(content, bytes)}


def changed(data: bytes, at: int, form: str, value: int) -> bytes:
    """A file with another number in it."""
    content = bytearray(data)
    struct.pack_into(form, content, at, value)
    return bytes(content)


@pytest.mark.parametrize(("build", "arch"), BUILDS)
def test_a_file_of_each_generation_gives_every_page(build: int, arch: str) -> None:
    data, pages = written(build, arch)
    found = read_hibernation(reader(data), len(data))
    assert held(data) == pages
    assert (found.lost, found.doubts, found.pointer_size) == (0, (), {"x64": 8, "x86": 4}[arch])


@pytest.mark.parametrize(
    "table",
    ["105E35CDD9BB308C18A176AB5BB37CE3-1", "606FF669409B00F7FC8C61A9C1670129-1", "A7449C875EBB4212836E5D82F31221E8-1"],
)
def test_headers_are_as_the_public_symbols_have_them(table: str, shared: Path) -> None:
    """Of 1607, 1809 and 2004, whose symbol tables are at hand."""
    path = shared / "isf" / "windows" / "ntkrnlmp.pdb" / f"{table}.json.xz"
    types = json.loads(lzma.decompress(path.read_bytes()))["user_types"]
    image = types["PO_MEMORY_IMAGE"]
    at = {name: field["offset"] for name, field in image["fields"].items()}
    places = RESTORE_SETS[image["size"]]
    perf = types["_PO_HIBER_PERF"]["fields"]["KernelPagesProcessed"]["offset"]
    assert (places.loader_pages, places.boot_page) == (at["NumPagesForLoader"], at["FirstBootRestorePage"])
    assert (places.kernel_page, places.kernel_pages) == (at["FirstKernelRestorePage"], at["PerfInfo"] + perf)
    assert (places.highest_page, places.secure_page) == (at["HighestPhysicalPage"], at["FirstSecureRestorePage"])
    assert places.highest_page - HIBERBOOT == at["Hiberboot"]


def test_a_file_of_fast_startup_and_one_with_secure_pages_say_so() -> None:
    """Who looks for a user's programs has to know; pages are as in any other."""
    whole, pages = written()
    data = changed(changed(whole, HEADER.highest_page - HIBERBOOT, "<B", 3), HEADER.secure_page, "<Q", 0x99)
    found = read_hibernation(reader(data), len(data))
    assert held(data) == pages
    assert [doubt.split(":")[0] for doubt in found.doubts] == [
        "the hibernation file is of a shutdown with fast startup",
        "pages of the secure kernel (VBS) are in the hibernation file too",
    ]


@given(st.binary(max_size=1000), st.integers(0, 20))
@settings(max_examples=50, deadline=None)
def test_what_the_forge_packs_is_unpacked_again(data: bytes, times: int) -> None:
    """By a library that is not ours; the lengths of its codes are a whole code."""
    data = (data or b"\0") * (times + 1)
    data = data[: 1 << 16]
    packed = compressors.xpress_huffman(data)
    assert begins_with_codes(packed)
    assert xpress_huffman(packed, len(data)) == data
    assert xpress(compressors.xpress(data), len(data)) == data


@pytest.mark.parametrize("way", [compressors.xpress, compressors.xpress_huffman])
def test_a_block_of_the_method_that_sources_differ_on_is_read_as_what_it_is(way: object) -> None:
    data = b"".join(small().physical.values())[: 1 << 16]
    assert callable(way)
    assert unpack(way(data), EITHER, len(data)) == data


def test_a_block_that_does_not_look_like_what_it_is_is_tried_as_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder may leave parts of a code unused."""
    data = b"".join(small().physical.values())[: 1 << 16]
    monkeypatch.setattr(hibernation_blocks, "begins_with_codes", lambda _: False)
    assert unpack(compressors.xpress_huffman(data), EITHER, len(data)) == data
    monkeypatch.setattr(hibernation_blocks, "begins_with_codes", lambda _: True)
    assert unpack(compressors.xpress(data), EITHER, len(data)) == data


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_cut_file_gives_the_pages_before_the_cut_and_says_how_many_are_gone(data: st.DataObject) -> None:
    whole, pages = written()
    size = data.draw(st.integers(PAGE, len(whole) - PAGE - 1))
    first_set_ends = 0x7004 + (int.from_bytes(whole[0x7000:0x7004], "little") >> 8 & 0x3FFFFF) + 8 * whole[0x7000]
    if size < first_set_ends:
        with pytest.raises(HibernationError, match=f"the file ends at {size:#x}"):
            read_hibernation(reader(whole[:size]), size)
        return
    found = read_hibernation(reader(whole[:size]), size)
    assert found.lost == (len(pages) - len(found.packed.pages)) * PAGE > 0
    assert f"the file ends at {size:#x}" in found.doubts[0]
    assert held(whole[:size]).items() <= pages.items()


@given(st.integers(0, 1 << 16), st.binary(min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_damage_anywhere_costs_pages_and_never_more(place: int, bytes_: bytes) -> None:
    """Every page that can still be read has its size; nothing is raised but what the reader may raise."""
    whole, _ = written()
    place %= len(whole)
    data = (whole[:place] + bytes_ + whole[place + len(bytes_) :])[: len(whole)]
    try:
        pages = held(data)
    except HibernationError:
        pages = {}
    assert {len(content) for content in pages.values()} <= {PAGE}


@given(st.binary(max_size=2 * PAGE))
def test_whatever_stands_behind_the_signature_is_read_or_declined(data: bytes) -> None:
    with pytest.raises(HibernationError):
        read_hibernation(reader(b"HIBR" + data), 4 + len(data))


def test_a_header_that_promises_more_than_there_is_loses_only_that() -> None:
    """However much it promises: the row of sets ends where no set follows."""
    whole, pages = written()
    data = changed(whole, HEADER.kernel_pages, "<Q", 1 << 62)
    found = read_hibernation(reader(data), len(data))
    assert held(data) == pages
    assert found.lost == ((1 << 62) - len(pages) // 2) * PAGE
    assert "4,611,686,018,427,387,904 pages that the kernel restores" in found.doubts[0]


def test_a_set_that_leads_into_the_other_is_read_twice_and_no_page_is_invented() -> None:
    """Both rows of sets begin at the same place: there is no loop, for each set lies behind the one before."""
    whole, pages = written()
    data = changed(whole, HEADER.kernel_page, "<Q", 7)
    assert held(data).items() <= pages.items()


@pytest.mark.parametrize(
    ("word", "table"),
    [
        (0, 0),
        (17 | 100 << 8, 1),
        (1, 0x10),
        (1 | 0x3FFFFF << 8, 0x10),
        (2 | 100 << 8, 0x1F),
        (1 | 100 << 8, (1 << 40) << 4),
        (1 | 100 << 8, 0x4000 << 4),
    ],
    ids=["empty", "too many ranges", "no bytes", "more than pages", "too many pages", "no page", "above the highest"],
)
def test_what_is_no_set_ends_the_row(word: int, table: int) -> None:
    whole, _ = written()
    data = changed(changed(whole, 0x7000, "<I", word), 0x7004, "<Q", table)
    data = changed(data, 0x700C, "<Q", 0x1F) if word & 0xFF == 2 else data
    found = read_hibernation(reader(data), len(data))
    assert "0 are in the hibernation file" in found.doubts[0]
    assert "0x7000" in found.doubts[0]


@pytest.mark.parametrize(
    ("mark", "words"), [(b"WAKE", "was resumed"), (b"wake", "was resumed"), (b"RSTR", "was resuming")]
)
def test_a_file_that_was_resumed_from_gives_what_is_still_in_it(mark: bytes, words: str) -> None:
    """And says so; where it was wiped it says that."""
    whole, pages = written()
    data = mark + whole[4:]
    found = read_hibernation(reader(data), len(data))
    assert held(data) == pages
    assert words in found.doubts[0]
    wiped = data[:PAGE] + bytes(len(data) - PAGE)
    with pytest.raises(HibernationError, match=f"{words}.*no longer in it"):
        read_hibernation(reader(wiped), len(wiped))


def test_a_small_file_that_claims_much_memory_is_read_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets of one octet that stand for 16 pages each; however many follow, only so many are taken."""
    monkeypatch.setattr(hibernation_sets, "MOST_BLOCKS", 100)
    whole, _ = written()
    data = changed(whole[:0x7000], HEADER.loader_pages, "<Q", 16000)
    data += b"".join(struct.pack("<IQB", 1 | 1 << 8, number << 8 | 15, 0) for number in range(1000))
    found = read_hibernation(reader(data), len(data))
    assert len(found.packed.pages) == 1600
    assert "more than 100 sets are not read" in found.doubts[0]
    assert held(data) == {}


def test_a_page_that_is_held_twice_is_the_one_that_is_restored_last() -> None:
    content = bytes(PAGE) + b"\1" * PAGE
    one = np.array([0, PAGE], dtype=np.int64)
    blocks = Blocks(one, np.full(2, PAGE), np.zeros(2, dtype=np.uint8), np.arange(3))
    packed = Packed(reader(content), blocks, np.array([5, 5], dtype=np.uint64), unpack)
    assert packed.pages.tolist() == [5]
    assert packed.page(5) == b"\1" * PAGE


def test_unpacked_blocks_are_kept_within_bounds_and_pages_are_in_batches_as_alone() -> None:
    whole, pages = written()
    found = read_hibernation(reader(whole), len(whole))
    memory = PackedMemory(found.packed)
    numbers = np.array([*pages, 0x3FFF], dtype=np.uint64)
    places = memory.locate(numbers * np.uint64(PAGE), PAGE)
    assert places[-1] == -1
    octets = memory.octets()
    assert all(
        octets[at : at + PAGE].tobytes() == pages[page] for page, at in zip(pages, places.tolist(), strict=False)
    )
    assert {page for first, end in memory.stretches() for page in range(first // PAGE, end // PAGE)} == set(pages)
    assert found.packed._kept_bytes == sum(map(len, found.packed._kept.values())) <= KEPT


def test_a_block_that_cannot_be_unpacked_says_why_and_costs_no_other() -> None:
    whole, pages = written()
    found = read_hibernation(reader(whole), len(whole)).packed
    block = next(number for number, method in enumerate(found.blocks.method.tolist()) if method == 2)
    start, size = int(found.blocks.offset[block]), int(found.blocks.size[block])
    data = whole[:start] + bytes(size) + whole[start + size :]
    packed = read_hibernation(reader(data), len(data)).packed
    lost = {page: why for page in pages if isinstance(why := packed.page(page), str)}
    assert len(lost) == found.blocks.first[block + 1] - found.blocks.first[block]
    assert all(why.startswith(f"its block at {start:#x} of the file cannot be unpacked: ") for why in lost.values())
    assert list(packed.failed) == [block]
