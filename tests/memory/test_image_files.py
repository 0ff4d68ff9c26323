"""Which bytes of a file are which memory, of flawless files and of hostile ones."""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from process_anatomy.memory.image_files import RUN_LIMIT, apart, bitmap_runs, elf32_runs, lime_runs
from process_anatomy.memory.physical import PAGE, Run

Reader = Callable[[int, int], bytes | None]


def reader(data: bytes) -> Reader:
    """Reads a file's bytes, as a layer does."""

    def read(address: int, size: int) -> bytes | None:
        part = data[address : address + size]
        return part if len(part) == size else None

    return read


def core(segments: list[tuple[int, int, int, int]], kind: int = 4, count: int | None = None) -> bytes:
    """A 32-bit ELF file: type, and of each segment its type, offset, physical address and size."""
    told = len(segments) if count is None else count
    head = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\1\1\1", kind, 3, 1, 0, 52, 0x400, 0, 52, 32, told, 40, 1, 0)
    table = b"".join(
        struct.pack("<8I", type_, offset, 0, address, size, size, 7, 0) for type_, offset, address, size in segments
    )
    return (head + table).ljust(0x400, b"\0") + bytes(28) + struct.pack("<I", len(segments))


def lime(*ranges: tuple[int, int]) -> bytes:
    """A LiME file of ranges: first address and bytes."""
    return b"".join(struct.pack("<4sIQQQ", b"EMiL", 1, at, at + size - 1, 0) + bytes(size) for at, size in ranges)


def bitmap(pages: set[int], bits: int, place: int = PAGE) -> bytes:
    """A bitmap dump without its dump header: the pages that it holds, and for how many it has a bit."""
    octets = bytearray(-(-bits // 8))
    for page in pages:
        octets[page // 8] |= 1 << page % 8
    head = b"SDMPDUMP".ljust(0x20, b"\0") + struct.pack("<QQQ", 2 * PAGE, len(pages), bits)
    return bytes(place) + head + octets


@given(st.sets(st.integers(0, 299), min_size=1), st.integers(300, 333))
def test_each_page_of_a_bitmap_dump_lies_after_those_with_lower_bits(pages: set[int], bits: int) -> None:
    runs = bitmap_runs(reader(bitmap(pages, bits)), PAGE)
    places = {
        (run.start + offset) // PAGE: run.offset + offset for run in runs for offset in range(0, run.length, PAGE)
    }
    assert places == {page: 2 * PAGE + number * PAGE for number, page in enumerate(sorted(pages))}
    assert all(one.start + one.length < other.start for one, other in pairwise(runs))


@given(st.integers(0, PAGE + 0x38 + 37))
def test_a_bitmap_that_is_cut_off_gives_no_page(size: int) -> None:
    """However many bits its header promises."""
    assert bitmap_runs(reader(bitmap({1, 2, 299}, 300)[:size]), PAGE) == []


def test_a_core_file_holds_its_loaded_segments_by_address() -> None:
    """Notes are no memory, and the order of the file is not that of addresses."""
    file = core([(4, 0x200, 0, 0x80), (1, 0x3000, 0x100000, 0x5000), (1, 0x1000, 0, 0x2000), (1, 0, 0x9000, 0)])
    assert elf32_runs(reader(file)) == [Run(0, 0x2000, 0x1000), Run(0x100000, 0x5000, 0x3000)]


def test_a_core_file_with_many_segments_tells_their_number_elsewhere() -> None:
    """0xFFFF stands for a number in the first section header."""
    file = core([(1, 0x1000, 0, 0x2000)], count=0xFFFF)
    assert elf32_runs(reader(file)) == [Run(0, 0x2000, 0x1000)]


def test_a_program_is_no_core_file() -> None:
    """Only core files hold a machine's memory."""
    assert elf32_runs(reader(core([(1, 0x1000, 0, 0x2000)], kind=2))) == []


def test_ranges_of_lime_end_where_no_header_follows() -> None:
    """What follows the last range is counted and not read."""
    file = lime((0x1000, 0x2000), (0x10000, 0x1000))
    runs = [Run(0x1000, 0x2000, 32), Run(0x10000, 0x1000, 0x2000 + 64)]
    assert lime_runs(reader(file), len(file)) == (runs, 0)
    assert lime_runs(reader(file + b"end of file"), len(file) + 11) == (runs, 11)
    assert lime_runs(reader(file + bytes(100)), len(file) + 100) == (runs, 100)


def test_a_range_that_begins_within_another_is_left_out() -> None:
    """Each address is read from one place."""
    assert apart([Run(0x2000, 0x1000, 9), Run(0, 0x3000, 1), Run(0x3000, 1, 5)]) == [
        Run(0, 0x3000, 1),
        Run(0x3000, 1, 5),
    ]


@given(st.binary(max_size=200), st.sampled_from([b"", b"EMiL\1\0\0\0", b"\x7fELF\1\1\1"]))
def test_no_bytes_make_reading_the_ranges_fail(tail: bytes, start: bytes) -> None:
    """Whatever stands in a header, there is an end, and no run is empty or lies over another."""
    data = start + tail
    for runs in (elf32_runs(reader(data)), lime_runs(reader(data), len(data))[0]):
        assert len(runs) <= RUN_LIMIT
        assert all(run.length > 0 for run in runs)
        assert all(a.start + a.length <= b.start for a, b in pairwise(runs))
