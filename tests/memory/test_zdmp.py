"""Compressed crash dumps give the dump that was compressed; damaged and hostile ones what they have, or a reason."""

from __future__ import annotations

import struct
import zlib
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.forge.memory import compressors
from process_anatomy.memory import zdmp
from process_anatomy.memory.decompression import lznt1
from process_anatomy.memory.packed import PackedError, PackedMemory
from process_anatomy.memory.physical import PAGE, Run
from process_anatomy.memory.zdmp import read_zdmp
from structs.zdmp import FIRST_BLOCK
from tests.hibernated import reader, small

BLOCK = 4 * PAGE


def compressed(dump: bytes, size: int = BLOCK, type_: int = 1, form: int = 2, version: int = 0x100) -> bytes:
    """A dump in blocks, as the published source of z2dmp has them."""
    out = struct.pack("<4sIQIHH", b"ZDMP", version, len(dump), size, type_, form).ljust(FIRST_BLOCK, b"\0")
    for at in range(0, len(dump), BLOCK):
        packed = compressors.lznt1(dump[at : at + BLOCK])
        packed = packed if len(packed) < BLOCK else dump[at : at + BLOCK]
        out += struct.pack("<4sII", b"ZBLK", len(packed), zlib.crc32(packed)) + packed
    return out


@cache
def dump() -> bytes:
    """Pages of all kinds; the last block is not full."""
    return b"".join(list(small().physical.values())[-90:])


@cache
def whole() -> bytes:
    """All of it, compressed."""
    return compressed(dump())


def unpacked(data: bytes) -> list[bytes | str]:
    """Each page of the dump, or why it is not there."""
    packed = read_zdmp(reader(data), len(data)).packed
    return [packed.page(page) for page in packed.pages.tolist()]


def test_every_page_of_the_dump_is_given() -> None:
    """Zeros follow the end of the last block."""
    data = whole()
    assert b"".join(map(bytes, unpacked(data))) == dump() + bytes(-len(dump()) % BLOCK)  # type: ignore[arg-type]
    assert read_zdmp(reader(data), len(data)).doubts == ()


@given(st.binary(max_size=600), st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_what_the_forge_packs_is_unpacked_again(data: bytes, times: int) -> None:
    """By a library that is not ours."""
    data = (data or b"\0") * times
    assert lznt1(compressors.lznt1(data), len(data)) == data


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"type_": 3}, "is encrypted"),
        ({"type_": 0}, "of a form that is not known"),
        ({"form": 3}, "of a form that is not known"),
        ({"version": 0x200}, "of a form that is not known"),
        ({"size": 0}, "is damaged"),
        ({"size": PAGE + 1}, "is damaged"),
        ({"size": 1 << 30}, "is damaged"),
    ],
)
def test_a_header_that_is_not_as_known_is_told_in_one_line(changes: dict[str, int], words: str) -> None:
    data = compressed(bytes(BLOCK), **changes)
    with pytest.raises(PackedError, match=words):
        read_zdmp(reader(data), len(data))


@given(st.integers(0, 1 << 18))
@settings(max_examples=40, deadline=None)
def test_a_cut_file_gives_the_blocks_before_the_cut_and_says_how_much_is_gone(size: int) -> None:
    data = whole()
    size %= len(data)
    if size < FIRST_BLOCK + 12 + struct.unpack_from("<I", data, FIRST_BLOCK + 4)[0]:
        with pytest.raises(PackedError, match=r"it ends with|ends within its header"):
            read_zdmp(reader(data[:size]), size)
        return
    found = read_zdmp(reader(data[:size]), size)
    pages = [found.packed.page(page) for page in found.packed.pages.tolist()]
    assert pages == [dump()[at : at + PAGE] for at in range(0, len(pages) * PAGE, PAGE)]
    assert f"holds {len(pages) * PAGE:,} of {len(dump()):,} bytes" in found.doubts[0]


def test_a_block_with_a_wrong_checksum_costs_its_pages_and_no_other() -> None:
    data = bytearray(whole())
    data[FIRST_BLOCK + 20] ^= 1
    pages = unpacked(bytes(data))
    why = f"its block at {FIRST_BLOCK:#x} of the file cannot be unpacked: its checksum is wrong"
    assert pages[: BLOCK // PAGE] == [why] * 4
    assert all(isinstance(page, bytes) for page in pages[BLOCK // PAGE :])


@given(st.integers(0, 1 << 18), st.binary(min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_damage_anywhere_costs_pages_and_never_more(place: int, octets: bytes) -> None:
    data = whole()
    place %= len(data)
    data = (data[:place] + octets + data[place + len(octets) :])[: len(data)]
    try:
        pages = unpacked(data)
    except PackedError:
        pages = []
    assert {len(page) for page in pages if isinstance(page, bytes)} <= {PAGE}


def test_a_small_file_that_claims_a_huge_dump_is_read_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of one octet that stand for 16 MB each."""
    monkeypatch.setattr(zdmp, "MOST_PAGES", 1 << 14)
    block = struct.pack("<4sII", b"ZBLK", 1, zlib.crc32(b"\0")) + b"\0"
    head = struct.pack("<4sIQIHH", b"ZDMP", 0x100, 1 << 50, 1 << 24, 1, 2).ljust(FIRST_BLOCK, b"\0")
    found = read_zdmp(reader(head + block * 1000), FIRST_BLOCK + 13 * 1000)
    assert len(found.packed.pages) == 1 << 14
    assert "more than 67,108,864 bytes are not read" in found.doubts[0]
    page = found.packed.page(0)
    assert isinstance(page, str) or page == bytes(PAGE)


def test_memory_over_the_dump_is_read_by_its_runs_and_knows_what_is_gone() -> None:
    """Addresses of memory are not places in the dump."""
    data = whole()
    packed = read_zdmp(reader(data), len(data)).packed
    runs = [Run(0x40000, 2 * PAGE, PAGE), Run(PAGE, PAGE, 5 * PAGE), Run(1 << 32, PAGE, packed.end)]
    memory = PackedMemory(packed, runs)
    assert memory.read(0x40000, 2 * PAGE) == dump()[PAGE : 3 * PAGE]
    assert memory.read(PAGE + 8, 16) == dump()[5 * PAGE + 8 : 5 * PAGE + 24]
    assert [memory.read(address, 1) for address in (0, 2 * PAGE, 0x42000, 1 << 32, 1 << 40)] == [None] * 5
    assert memory.stretches() == [(PAGE, 2 * PAGE), (0x40000, 0x42000), (1 << 32, (1 << 32) + PAGE)]
    assert memory.lost == PAGE
