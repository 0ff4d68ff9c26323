"""What a PE image says of itself: any bytes give facts or reasons, tables without an end are refused."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.absent import Absent, Kind
from process_anatomy.kernel.image import PeImage
from process_anatomy.memory.space import SYSTEM_START, Addresses, Mask, Octets
from process_anatomy.walk.program.portable import IMPORT_LIMIT, LIBRARY_LIMIT, SECTION_LIMIT, pe_facts

BASE = 0x140000000
PAGE = 0x1000


class Flat:
    """A space of a few bytes at :data:`BASE`; what it does not hold is missing."""

    pointer_size, system_start, room = 8, SYSTEM_START[8], 1 << 24

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, address: int, size: int) -> bytes | None:
        """Bytes, or ``None``."""
        start = address - BASE
        return self.data[start : start + size] if 0 <= start <= len(self.data) - size else None

    def root_in(self, dtb: int) -> int:
        """As it is."""
        return dtb

    def through(self, root: int) -> Flat:
        """One space for all."""
        return self

    def read_many(self, addresses: Addresses, size: int, roots: Addresses | None = None) -> tuple[Octets, Mask]:
        """Not asked for here."""
        return np.zeros((len(addresses), size), dtype=np.uint8), np.zeros(len(addresses), dtype=np.bool_)

    def why(self, address: int, size: int = 1) -> str:
        """The same reason always."""
        return "not there"


def laid_out(directories: dict[int, tuple[int, int]], content: bytes, sections: int = 1) -> PeImage:
    """An image with the content behind its header."""
    header = bytearray(PAGE)
    header[:2] = b"MZ"
    header[0x3C:0x40] = (0x80).to_bytes(4, "little")
    header[0x80:0x84] = b"PE\0\0"
    struct.pack_into("<HHIIIHH", header, 0x84, 0x8664, sections, 1, 0, 0, 0xF0, 0x22)
    struct.pack_into("<H", header, 0x98, 0x20B)
    struct.pack_into("<II", header, 0x98 + 0x38, 0x10000, 0x400)
    struct.pack_into("<I", header, 0x98 + 0x6C, 16)
    for index, (rva, size) in directories.items():
        struct.pack_into("<II", header, 0x98 + 0x70 + 8 * index, rva, size)
    return PeImage(Flat(bytes(header) + content), BASE)


def test_endless_import_tables_are_refused() -> None:
    """Descriptors without an end, and functions without an end."""
    descriptor = struct.pack("<IIIII", 0x8000, 0, 0, 0x7000, 0x8000)
    names = bytes(0x6000) + b"a.dll\0".ljust(0x1000, b"\0")
    facts = pe_facts(laid_out({1: (0x1000, 40)}, descriptor * (LIBRARY_LIMIT + 9) + names))
    assert isinstance(facts.imports, Absent)
    thunks = struct.pack("<Q", 1 << 63 | 7) * (IMPORT_LIMIT + 9)
    content = (descriptor + bytes(20)).ljust(0x6000, b"\0") + b"a.dll\0".ljust(0x1000, b"\0") + thunks
    facts = pe_facts(laid_out({1: (0x1000, 40)}, content))
    assert isinstance(facts.imphash, Absent)
    assert any("imports" in problem for problem in facts.problems)


def test_absurd_counts_end_early() -> None:
    """Sections, debug entries, resources."""
    everywhere = dict.fromkeys(range(16), (4096, 4294967295))
    facts = pe_facts(laid_out(everywhere, b"\xff" * 0x4000, sections=0xFFFF))
    assert len(facts.sections) <= SECTION_LIMIT
    assert any("sections" in problem for problem in facts.problems)


def test_a_fact_on_a_missing_page_is_absent_with_the_address() -> None:
    """Never zero, never an empty table."""
    directories = {0: (0x5000, 40), 1: (0x5000, 40), 2: (0x5000, 40), 6: (0x5000, 28)}
    facts = pe_facts(laid_out(directories, b""))
    for fact in (facts.imports, facts.imphash, facts.exports, facts.pdb, facts.version):
        assert isinstance(fact, Absent)
        assert (fact.kind, f"{BASE + 0x5000:#x}" in fact.reason) == (Kind.UNREADABLE, True)


@settings(max_examples=100, deadline=None)
@given(
    content=st.binary(min_size=64, max_size=0x2000),
    places=st.dictionaries(st.integers(0, 15), st.tuples(st.integers(0, 0x2800), st.integers(0, 1 << 32 - 1))),
)
def test_any_bytes_behind_a_header_give_facts_or_reasons(content: bytes, places: dict[int, tuple[int, int]]) -> None:
    """Nothing is raised, nothing hangs."""
    facts = pe_facts(laid_out({index: (rva, size & 0xFFFFFFFF) for index, (rva, size) in places.items()}, content))
    assert facts.machine == "x64"


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.integers(0x80, 0x300), st.integers(0, 255), max_size=40), st.binary(max_size=0x200))
def test_any_header_is_an_image_or_is_refused(changes: dict[int, int], start: bytes) -> None:
    """`PeImage` raises `ValueError` alone, over a valid header with changes and over noise."""
    whole = laid_out({1: (0x1000, 40), 2: (0x1000, 40), 6: (0x1000, 28)}, bytes(PAGE), sections=4).space
    header = bytearray(whole.read(BASE, 2 * PAGE) or b"")
    for place, octet in changes.items():
        header[place] = octet
    for data in (bytes(header), b"MZ".ljust(0x3C, b"\0") + b"\x40\0\0\0PE\0\0" + start.ljust(PAGE, b"\0")):
        try:
            pe_facts(PeImage(Flat(data), BASE))
        except ValueError:
            continue
