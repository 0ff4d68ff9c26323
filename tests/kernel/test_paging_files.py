"""The kernel's list of page files: found without symbols in every generation, and only where all of it fits."""

from __future__ import annotations

import json
import lzma
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from process_anatomy.kernel.paging_files import paging_files
from structs import paging_file
from structs.paging_file import MMPAGING_FILE
from structs.section import FILE_OBJECT
from tests.conftest import SHARED
from tests.page_files import BOTH, filed
from tests.walk.damaged import Editor, kernel_of

GENERATIONS = [
    "x86-2600-2180", "x86-3790-3959", "x64-3790-3959", "x86-6000-16386", "x64-6000-16386", "x86-7601-17514",
    "x64-7601-24540", "x86-9600-16384", "x64-9600-18340", "x86-10240-17770", "x64-10240-17770", "x64-14393-0",
    "x86-19041-508", BOTH, "x64-26100-1742",
]  # fmt: skip
"""A layout of each generation of the records."""


@pytest.mark.proves("forged")
@pytest.mark.parametrize("build", GENERATIONS)
def test_the_list_of_page_files_is_that_of_the_truth(build: str) -> None:
    """Numbers, paths and sizes; and the place that stands for the compression store, where there is one."""
    image = filed(build)
    listed = paging_files(kernel_of(image))
    files = {number: (one.name, one.pages) for number, one in listed.items() if not one.store}
    assert files == {file.number: (file.path, file.pages) for file in image.page_files}
    assert [number for number, one in listed.items() if one.store] == ([2] if build == BOTH else [])


def test_a_kernel_whose_records_are_not_known_or_not_there_has_no_list() -> None:
    """Windows 8, of which no fact was at hand, and a machine without the list."""
    assert paging_files(kernel_of(filed("x64-9200-16384"))) == {}
    assert paging_file.layouts("x64", 2600) is None


def _pointer(edit: Editor, at: int, name: str) -> int:
    layouts = paging_file.layouts("x64", 19041)
    assert layouts is not None
    data = edit.space.read(at + layouts[MMPAGING_FILE].offset(name), 8)
    assert data is not None
    return int.from_bytes(data, "little")


def _name_of_file(edit: Editor, at: int) -> int:
    """Where the characters of the file object's name are."""
    place = edit.build[FILE_OBJECT].offset("FileName") + 8
    data = edit.space.read(_pointer(edit, at, "File") + place, 8)
    assert data is not None
    return int.from_bytes(data, "little")


CHANGES: dict[str, Callable[[Editor, int], None]] = {
    "no file object": lambda edit, at: edit.set(FILE_OBJECT, _pointer(edit, at, "File"), "Type", 3),
    "a file of another name": lambda edit, at: edit.write(_name_of_file(edit, at), "\\notes.sys".encode("utf-16-le")),
    "sizes out of order": lambda edit, at: edit.write(at + 8, struct.pack("<Q", 1)),
    "a number that is not its place": lambda edit, at: edit.write(at + 204, b"\x0b"),
    "a name of an odd length": lambda edit, at: edit.write(at + 96, struct.pack("<H", 7)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_record_in_which_something_does_not_fit_is_not_in_the_list(change: str) -> None:
    """The others still are: they stand at the places of their own numbers."""
    image = filed(BOTH)
    edit = Editor(image)
    start = image.truth["symbols"]["MiSystemPartition"] + 6912 + 32
    first = edit.space.read(start, 8)
    assert first is not None
    CHANGES[change](edit, int.from_bytes(first, "little"))
    listed = paging_files(kernel_of(image, edit.frames))
    assert sorted(listed) == [1, 2, 3]
    assert listed[2].store


def test_two_lists_that_could_both_be_the_one_are_none() -> None:
    """A copy of the list elsewhere among the kernel's variables: nothing tells which is in use."""
    image = filed(BOTH)
    edit = Editor(image)
    start = image.truth["symbols"]["MiSystemPartition"] + 6912 + 32
    data = edit.space.read(start, 32)
    assert data is not None
    edit.write(start + 0x100, data)
    assert paging_files(kernel_of(image, edit.frames)) == {}


def test_places_are_those_of_the_kernels_own_symbols() -> None:
    """Of three kernels whose symbol tables are at hand."""
    tables = sorted((SHARED / "isf").rglob("*.json.xz"))
    if not tables:
        pytest.skip("../shared/isf is not there")
    compared = 0
    for path in tables:
        with lzma.open(path) as file:
            types = json.load(file)["user_types"]
        if "VirtualStorePagefile" not in types.get("_MMPAGING_FILE", {"fields": {}})["fields"]:
            continue
        layouts = paging_file.layouts("x64", 14393)
        assert layouts is not None
        own = layouts[MMPAGING_FILE]
        told = types["_MMPAGING_FILE"]
        assert own.sizeof == told["size"]
        for name in own.places:
            assert own.offset(name) == told["fields"][name]["offset"], name
            kind = told["fields"][name]["type"]
            bits = (kind["bit_position"], kind["bit_length"]) if kind["kind"] == "bitfield" else (None, None)
            assert (own.place(name).bit, own.place(name).bits) == bits, name
        compared += 1
    assert compared == 3


def test_numbers_lie_where_published_facts_have_them() -> None:
    """Of each kernel that the facts of another tool's database know."""
    compared = 0
    for path in sorted(Path(SHARED / "facts" / "layouts-partial").glob("x*.json")):
        facts = json.loads(path.read_text())
        told = facts["structs"].get("_MMPAGING_FILE")
        if told is None or facts["build"] is None:
            continue
        known = paging_file.layouts(facts["arch"], facts["build"])
        assert known is not None
        assert known[MMPAGING_FILE].offset("PageFileNumber") == told["fields"]["PageFileNumber"]["offset"], path.name
        compared += 1
    if not compared:
        pytest.skip("../shared/facts is not there")
    assert compared > 20
