"""The kernel's executable in memory: exports as pefile finds them, and hostile headers."""

from __future__ import annotations

import random
import struct
import uuid
from collections.abc import Mapping

import pefile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.kernel import image
from process_anatomy.kernel.image import KernelImage, Pdb
from tests.memory.patchwork import Patchwork

BASE = 0xFFFF_F802_1000_0000
GUID = uuid.UUID("606FF669-409B-00F7-FC8C-61A9C1670129")
EXPORTS, DEBUG = 0x1000, 0x4000
SIZE = 0x8000
E_LFANEW = 0x80
OPTIONAL = E_LFANEW + 24
DIRECTORIES = OPTIONAL + 112
NAMES = {
    "MmMapIoSpace": 0x5010,
    "NtBuildNumber": 0x5020,
    "PsInitialSystemProcess": 0x5030,
    "PsLoadedModuleList": 0x5040,
    "_setjmp": 0x5050,
}


def headers(directories: Mapping[int, tuple[int, int]], machine: int = 0x8664) -> bytearray:
    """A 64-bit image of one section; in the file it lies as in memory, so that pefile can read either."""
    page = bytearray(0x1000)
    page[:2] = b"MZ"
    struct.pack_into("<I", page, 0x3C, E_LFANEW)
    struct.pack_into("<4sHHIIIHH", page, E_LFANEW, b"PE\0\0", machine, 1, 0x5F5E_1000, 0, 0, 240, 0x2022)
    struct.pack_into("<HBBIIIII", page, OPTIONAL, 0x20B, 14, 0, 0x1000, 0x1000, 0, 0x5000, 0x1000)
    struct.pack_into(
        "<QIIHHHHHHIIII", page, OPTIONAL + 24, BASE, 0x1000, 0x1000, 10, 0, 10, 0, 10, 0, 0, SIZE, 0x1000, 0
    )
    struct.pack_into("<HHQQQQII", page, OPTIONAL + 68, 1, 0, 0x4_0000, 0x2000, 0x10_0000, 0x1000, 0, 16)
    for index, place in directories.items():
        struct.pack_into("<II", page, DIRECTORIES + 8 * index, *place)
    section = struct.pack(
        "<8sIIIIIIHHI", b".text", SIZE - 0x1000, 0x1000, SIZE - 0x1000, 0x1000, 0, 0, 0, 0, 0x6000_0020
    )
    page[DIRECTORIES + 128 : DIRECTORIES + 128 + len(section)] = section
    return page


def export_table(names: Mapping[str, int], file_name: str, dice: random.Random) -> bytes:
    """An export directory at EXPORTS: names sorted, ordinals in another order."""
    ordered = sorted(names)
    count = len(ordered)
    ordinals = list(range(count))
    dice.shuffle(ordinals)
    functions, name_table, ordinal_table = EXPORTS + 40, EXPORTS + 40 + 4 * count, EXPORTS + 40 + 8 * count
    strings = EXPORTS + 40 + 10 * count
    text = file_name.encode() + b"\0"
    pointers = []
    for name in ordered:
        pointers.append(strings + len(text))
        text += name.encode() + b"\0"
    targets = [0] * count
    for name, ordinal in zip(ordered, ordinals, strict=True):
        targets[ordinal] = names[name]
    header = struct.pack("<IIHHIIIIIII", 0, 0, 0, 0, strings, 1, count, count, functions, name_table, ordinal_table)
    words = struct.pack(f"<{2 * count}I", *targets, *pointers)
    return header + words + struct.pack(f"<{count}H", *ordinals) + text


def code_view(
    guid: uuid.UUID = GUID, age: int = 1, name: bytes = b"ntkrnlmp.pdb", kind: int = 2, count: int = 1
) -> bytes:
    """A debug directory at DEBUG and, behind it, its CodeView record."""
    record = b"RSDS" + guid.bytes_le + struct.pack("<I", age) + name + b"\0"
    entry = struct.pack("<IIHHIIII", 0, 0, 0, 0, kind, len(record), DEBUG + 0x200, DEBUG + 0x200)
    other = struct.pack("<IIHHIIII", 0, 0, 0, 0, 13, 0, DEBUG, DEBUG)
    return (other * (count - 1) + entry).ljust(0x200, b"\0") + record


def kernel(
    names: Mapping[str, int] = NAMES, file_name: str = "ntoskrnl.exe", debug: bytes | None = None, entries: int = 1
) -> bytearray:
    """A whole image."""
    exports = export_table(names, file_name, random.Random(1))
    assert len(exports) <= DEBUG - EXPORTS
    whole = headers({0: (EXPORTS, len(exports)), 6: (DEBUG, 28 * entries)}).ljust(SIZE, b"\0")
    whole[EXPORTS : EXPORTS + len(exports)] = exports
    record = code_view() if debug is None else debug
    whole[DEBUG : DEBUG + len(record)] = record
    return whole


def loaded(whole: bytes) -> KernelImage:
    return KernelImage(Patchwork({BASE: bytes(whole)}), BASE)


def exports_by_pefile(whole: bytes) -> dict[str, int]:
    parsed = pefile.PE(data=bytes(whole), fast_load=True)
    parsed.parse_data_directories(pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_EXPORT"])
    found = {symbol.name.decode(): BASE + symbol.address for symbol in parsed.DIRECTORY_ENTRY_EXPORT.symbols}
    parsed.close()
    return found


IDENTIFIERS = st.text("ABCDEFabcxyz_0129", min_size=1, max_size=70)


@settings(max_examples=12, deadline=None)
@given(st.dictionaries(IDENTIFIERS, st.integers(0x5000, SIZE - 1), min_size=1, max_size=40), st.lists(IDENTIFIERS))
def test_each_export_is_found_where_pefile_finds_it_and_no_other_name(names: dict[str, int], others: list[str]) -> None:
    whole = kernel(names)
    found = loaded(whole)
    by_pefile = exports_by_pefile(whole)
    assert names.keys() == by_pefile.keys()
    assert by_pefile == {name: found.export(name) for name in names}
    for other in {*others, "", "A" * 300, *(name[:-1] for name in names), *(name + "x" for name in names)} - set(names):
        assert found.export(other) is None


def test_a_binary_search_reads_only_a_few_names() -> None:
    names = {f"Export{n:04}": 0x5000 + n for n in range(400)}
    found = loaded(kernel(names))
    assert found.export("Export0123") == BASE + 0x5000 + 123
    before = found.space.reads
    assert found.export("Export0321") == BASE + 0x5000 + 321
    assert found.space.reads - before <= 9 * 3 + 2


def test_pages_of_the_image_that_are_missing_do_no_harm() -> None:
    whole = kernel()
    space = Patchwork({BASE: bytes(whole[:0x2000])})
    found = KernelImage(space, BASE)
    assert found.export("PsInitialSystemProcess") == BASE + 0x5030
    assert found.is_kernel()
    assert found.pdb is None


def test_an_export_table_that_is_missing_gives_no_exports() -> None:
    whole = kernel()
    found = KernelImage(Patchwork({BASE: bytes(whole[:0x1000]), BASE + DEBUG: bytes(whole[DEBUG:])}), BASE)
    assert found.export("PsInitialSystemProcess") is None
    assert found.export_name == ""
    assert found.pdb is not None
    assert found.is_kernel()


def test_size_and_machine_are_those_of_the_headers() -> None:
    found = loaded(kernel())
    assert (found.size, found.machine) == (SIZE, "x64")
    for number, name in ((0x14C, "x86"), (0xAA64, "ARM64"), (0x1234, "0x1234")):
        whole = kernel()
        whole[:0x1000] = headers({}, number)
        assert name == loaded(whole).machine


@pytest.mark.parametrize(
    ("file_name", "pdb", "expected"),
    [
        ("ntoskrnl.exe", b"anything.pdb", True),
        ("NTKRNLMP.EXE", b"anything.pdb", True),
        ("ntkrnlpa.exe", b"anything.pdb", True),
        ("ntkrpamp.exe", b"anything.pdb", True),
        ("hal.dll", b"ntkrnlmp.pdb", False),
        ("ntoskrnl.exe.dll", b"ntkrnlmp.pdb", False),
        ("", b"ntkrnlmp.pdb", True),
        ("", b"NtKrnlMp.pdb", True),
        ("", b"hal.pdb", False),
        ("", b"", False),
    ],
)
def test_the_kernel_is_known_by_its_export_name_else_by_its_pdb(file_name: str, pdb: bytes, expected: bool) -> None:
    assert expected == loaded(kernel(file_name=file_name, debug=code_view(name=pdb))).is_kernel()


# the PDB


@settings(max_examples=12, deadline=None)
@given(st.uuids(), st.integers(0, (1 << 32) - 1), st.integers(1, 16))
def test_the_pdb_is_told_as_the_symbol_server_names_it(guid: uuid.UUID, age: int, entries: int) -> None:
    whole = kernel(debug=code_view(guid, age, count=entries), entries=entries)
    assert Pdb("ntkrnlmp.pdb", guid.hex.upper(), age) == loaded(whole).pdb
    parsed = pefile.PE(data=bytes(whole), fast_load=True)
    parsed.parse_data_directories(pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_DEBUG"])
    by_pefile = next(e.entry for e in parsed.DIRECTORY_ENTRY_DEBUG if e.struct.Type == 2)
    assert guid.hex.upper() == by_pefile.Signature_String.upper()[:32]
    assert age == by_pefile.Age
    parsed.close()


def test_of_a_pdbs_path_the_file_name_is_kept() -> None:
    found = loaded(kernel(debug=code_view(name=b"d:\\build\\out\\ntkrnlmp.pdb"))).pdb
    assert found is not None
    assert found.name == "ntkrnlmp.pdb"


@pytest.mark.parametrize(
    "debug",
    [
        b"",
        code_view(kind=3),
        code_view().replace(b"RSDS", b"NB10"),
        code_view()[:0x200],
        struct.pack("<IIHHIIII", 0, 0, 0, 0, 2, 0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF),
    ],
)
def test_a_debug_directory_without_a_code_view_record_names_no_pdb(debug: bytes) -> None:
    assert loaded(kernel(debug=debug)).pdb is None


def test_a_record_that_cannot_be_read_does_not_hide_the_next() -> None:
    lost = struct.pack("<IIHHIIII", 0, 0, 0, 0, 2, 24, 0x7000_0000, 0)
    found = loaded(kernel(debug=lost + code_view()[: 0x200 - 28] + code_view()[0x200:], entries=2))
    assert Pdb("ntkrnlmp.pdb", GUID.hex.upper(), 1) == found.pdb


def test_only_so_many_debug_entries_are_looked_at() -> None:
    whole = kernel(debug=b"")
    struct.pack_into("<II", whole, DIRECTORIES + 8 * 6, DEBUG, 0xFFFF_FFFF)
    found = loaded(whole)
    before = found.space.reads
    assert found.pdb is None
    assert found.space.reads - before <= 32


# hostile headers

COUNTS = [0, 1, 0x1_0000, 0x7FFF_FFFF, 0xFFFF_FFFF]
PLACES = [0, 1, EXPORTS, SIZE - 2, SIZE, 0x7FFF_FFF0, 0xFFFF_FFFF]


@settings(max_examples=120, deadline=None)
@given(
    count=st.sampled_from(COUNTS),
    tables=st.tuples(*[st.sampled_from([*PLACES, EXPORTS + 40])] * 4),
    name=st.sampled_from([*NAMES, "", "zzzz", "\ufffd"]),
)
def test_whatever_the_export_directory_says_a_search_reads_little(
    count: int, tables: tuple[int, ...], name: str
) -> None:
    whole = kernel()
    struct.pack_into("<I", whole, EXPORTS + 12, tables[0])
    struct.pack_into("<5I", whole, EXPORTS + 20, count, count, *tables[1:])
    found = loaded(whole)
    before = found.space.reads
    answer = found.export(name)
    assert answer is None or BASE < answer < BASE + (1 << 32)
    assert len(found.export_name) <= image.NAME_LIMIT + 64
    assert found.space.reads - before <= 18 * 12


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("size", [0, 1, 28, 0xFFFF_FFFF])
def test_directories_that_lie_anywhere_are_answered(place: int, size: int) -> None:
    whole = kernel()
    struct.pack_into("<II", whole, DIRECTORIES, place, size)
    struct.pack_into("<II", whole, DIRECTORIES + 8 * 6, place, size)
    found = loaded(whole)
    expected = BASE + 0x5020 if place == EXPORTS and size else None
    assert expected == found.export("NtBuildNumber")
    assert found.pdb is None


def test_a_name_without_an_end_is_cut() -> None:
    whole = kernel()
    whole[0x6000:SIZE] = b"A" * (SIZE - 0x6000)
    struct.pack_into("<I", whole, EXPORTS + 12, 0x6000)
    assert image.NAME_LIMIT <= len(loaded(whole).export_name) < image.NAME_LIMIT + 64
    struct.pack_into("<I", whole, EXPORTS + 12, SIZE - 10)
    assert loaded(whole).export_name == "A" * 10


def test_an_export_that_is_zero_is_not_found() -> None:
    assert loaded(kernel(NAMES | {"Nothing": 0})).export("Nothing") is None


def test_an_export_directory_index_past_the_headers_count_is_no_directory() -> None:
    whole = kernel()
    struct.pack_into("<I", whole, OPTIONAL + 108, 1)
    found = loaded(whole)
    assert found.export("NtBuildNumber") == BASE + 0x5020
    assert found.pdb is None


def test_an_export_that_is_forwarded_to_another_image_has_no_address_here() -> None:
    names = NAMES | {"Forwarded": EXPORTS + 40}
    whole = kernel(names)
    parsed = pefile.PE(data=bytes(whole))
    (forwarded,) = [symbol for symbol in parsed.DIRECTORY_ENTRY_EXPORT.symbols if symbol.forwarder is not None]
    assert forwarded.name == b"Forwarded"
    assert loaded(whole).export("Forwarded") is None


@pytest.mark.parametrize(
    "page",
    [
        bytes(0x1000),
        b"MZ".ljust(0x1000, b"\0"),
        b"ZM".ljust(0x1000, b"\0"),
        b"\x7fELF".ljust(0x1000, b"\0"),
        b"MZ".ljust(0x3C, b"\0") + b"\xff" * (0x1000 - 0x3C),
        bytes(headers({})[:E_LFANEW]).ljust(0x1000, b"\0"),
        bytes(headers({})).replace(b"PE\0\0", b"NE\0\0"),
    ],
)
def test_a_page_without_a_portable_executable_is_refused(page: bytes) -> None:
    with pytest.raises(ValueError, match=f"^no image at {BASE:#x}"):
        loaded(page)


@pytest.mark.parametrize("size", [0, 2, 0x40, OPTIONAL, DIRECTORIES, 0xFFF])
def test_a_header_of_which_a_part_is_missing_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"^no image at {BASE:#x}$"):
        loaded(headers({})[:size])


def answers(whole: bytes) -> None:
    """Ask an image everything."""
    try:
        found = loaded(whole)
    except ValueError:
        return
    assert found.machine
    assert found.size >= 0
    assert isinstance(found.export_name, str)
    assert isinstance(found.pdb, (Pdb, type(None)))
    assert found.is_kernel() in (True, False)
    for name in NAMES:
        answer = found.export(name)
        assert answer is None or answer >= BASE


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.one_of(st.sampled_from(range(DIRECTORIES + 168)), st.sampled_from(range(EXPORTS, EXPORTS + 200))),
        st.one_of(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]), st.integers(0, 255)),
        max_size=12,
    )
)
def test_damaged_headers_are_refused_or_answered(damage: dict[int, int]) -> None:
    whole = kernel()
    for at, byte in damage.items():
        whole[at] = byte
    answers(whole)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=0x400), st.integers(2, 0x200))
def test_any_bytes_behind_mz_are_refused_or_answered(noise: bytes, at: int) -> None:
    whole = kernel()
    whole[at : at + len(noise)] = noise
    answers(whole[:SIZE])
