"""Hibernation files of Windows 7 give the pages that were written, without a header too; hostile ones what they can."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.memory.hibernation import HibernationError, HibernationFile, is_hibernation, read_hibernation
from process_anatomy.memory.hibernation_tables import FIRST_PAGES
from structs.hibernation import BLOCK_MARK, TABLES
from tests.hibernated import PAGE, reader, small, write

ARCHITECTURES = ["x64", "x86"]
FIRST_TABLE = 3
Memory = dict[int, bytes]


@cache
def written(arch: str = "x64", apart: int = 1) -> tuple[bytes, Memory]:
    """A file, without the room behind its last block, and its pages, every page ``apart`` from the next."""
    image = small(7601, arch)
    if apart > 1:
        image.physical = {number * apart: bytes([number % 16]) * PAGE for number in range(1, 1200)}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "hiberfil.sys"
        write(image, path)
        return path.read_bytes().rstrip(b"\0") + bytes(PAGE), image.physical


def found(data: bytes) -> HibernationFile:
    """What a file holds."""
    return read_hibernation(reader(data), len(data))


def held(file: HibernationFile) -> Memory:
    """The pages that can be unpacked."""
    pages = {page: file.packed.page(page) for page in file.packed.pages.tolist()}
    return {page: content for page, content in pages.items() if isinstance(content, bytes)}


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("apart", [1, 3], ids=["one table", "several tables"])
def test_a_file_gives_every_page(arch: str, apart: int) -> None:
    data, pages = written(arch, apart)
    file = found(data)
    assert held(file) == pages
    assert (file.lost, file.doubts) == (0, ())
    assert file.windows.startswith("Windows 7")
    following = struct.unpack_from("<Q" if arch == "x64" else "<I", data, FIRST_TABLE * PAGE)[0]
    assert (following > FIRST_TABLE) == (apart > 1)


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("apart", [1, 3])
def test_a_file_whose_header_is_wiped_gives_the_same_pages_and_says_so(arch: str, apart: int) -> None:
    """Which processor it is of, the first table shows."""
    data, pages = written(arch, apart)
    file = found(bytes(PAGE) + data[PAGE:])
    assert held(file) == pages
    assert file.pointer_size == {"x64": 8, "x86": 4}[arch]
    assert "its header is wiped" in file.doubts[0]


def test_zeros_without_a_block_are_no_hibernation_file() -> None:
    """Nor are they with a block that no table can stand before."""
    assert not is_hibernation(reader(bytes(FIRST_PAGES * PAGE)))
    assert not is_hibernation(reader(bytes((FIRST_PAGES + 1) * PAGE) + BLOCK_MARK))
    assert is_hibernation(reader(bytes(5 * PAGE) + BLOCK_MARK))
    with pytest.raises(HibernationError, match=r"its header is wiped\), and memory is no longer in it"):
        found(bytes(5 * PAGE) + BLOCK_MARK + bytes(PAGE))


@pytest.mark.parametrize("following", [FIRST_TABLE, 1, 1 << 40, (1 << 64) - 1])
def test_a_chain_that_leads_anywhere_else_ends(following: int) -> None:
    """Into itself, before it, or out of the file: the pages of the first table are read."""
    data, pages = written("x64", 3)
    content = bytearray(data)
    struct.pack_into("<Q", content, FIRST_TABLE * PAGE, following)
    file = found(bytes(content))
    assert held(file) == dict(list(pages.items())[:255])
    assert any("is no table of pages" in doubt for doubt in file.doubts) == (following != FIRST_TABLE)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_table_that_promises_all_of_memory_gives_what_is_packed(arch: str) -> None:
    data, pages = written(arch)
    content = bytearray(data)
    last = {"x64": 1 << 32, "x86": (1 << 32) - 1}[arch]
    form = "<QI4xQQ" if arch == "x64" else "<IIII"
    struct.pack_into(form, content, FIRST_TABLE * PAGE, 0, 1, 1, last)
    file = found(bytes(content))
    assert len(held(file)) == len(pages)
    assert file.lost == (last - 1 - len(pages)) * PAGE
    assert "breaks off" in file.doubts[0]


@given(st.integers(PAGE, 1 << 20), st.sampled_from([1, 3]))
@settings(max_examples=40, deadline=None)
def test_a_cut_file_gives_the_pages_before_the_cut_and_says_what_is_gone(size: int, apart: int) -> None:
    data, pages = written("x64", apart)
    size = min(size, len(data) - PAGE - 1)
    try:
        file = found(data[:size])
    except HibernationError:
        assert size < (FIRST_TABLE + 1) * PAGE + 0x2000
        return
    assert held(file).items() < pages.items()
    assert len(file.doubts) >= 1
    assert f"{size:#x}" in file.doubts[0]


@given(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=40), st.sampled_from([1, 3]))
@settings(max_examples=60, deadline=None)
def test_damage_anywhere_costs_pages_and_never_more(place: int, octets: bytes, apart: int) -> None:
    """Every page that can still be read has its size; nothing is raised but what the reader may raise."""
    whole, _ = written("x64", apart)
    place %= len(whole)
    data = (whole[:place] + octets + whole[place + len(octets) :])[: len(whole)]
    try:
        pages = held(found(data))
    except HibernationError:
        pages = {}
    assert {len(content) for content in pages.values()} <= {PAGE}


def test_the_header_of_vista_which_is_as_large_is_not_taken_for_one_of_7() -> None:
    """It has another number where that of the first table is."""
    data, _ = written()
    content = bytearray(data)
    struct.pack_into("<QQ", content, TABLES[0x128].first_table, 0x1234, FIRST_TABLE)
    with pytest.raises(HibernationError, match="page 0x1234 of the hibernation file is no table of pages"):
        found(bytes(content))
