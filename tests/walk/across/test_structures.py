"""Structures of a process, found by following its pointers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from process_anatomy.absent import Absent
from process_anatomy.errors import RequestError
from process_anatomy.forge import LAB, Image, forge
from process_anatomy.kernel.small_dump import open_small_dump
from process_anatomy.memory.small_dump import SmallDump
from process_anatomy.notes.structure_rows import field_note
from process_anatomy.walk.across.structures import fields, has_own, of_process, type_text
from process_anatomy.walk.processes.listed import Process, processes
from structs import builds
from structs.eprocess import EPROCESS
from structs.members import Asked, types_of
from tests.walk.damaged import Editor, kernel_of


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab image."""
    return forge(LAB, 5)


def rows_of(image: Image) -> Iterator[Process]:
    """Every process of the lab."""
    yield from processes(kernel_of(image)).rows


def test_a_threads_fields_are_those_of_the_first_thread(image: Image) -> None:
    kernel = kernel_of(image)
    process = next(row for row in rows_of(image) if row.name == "notepad.exe")
    view, address = of_process(kernel, process, "_ETHREAD", None)
    truth = next(p for p in image.truth["processes"] if p["name"] == "notepad.exe")
    assert address == truth["threads"][0]["ethread"]
    found = {row.field: row.value for row in fields(view, Asked("_ETHREAD"), address)}
    assert found["UniqueThread"] == truth["threads"][0]["tid"]


def test_a_process_without_threads_has_no_thread_to_show(image: Image) -> None:
    """The list head is no thread."""
    edit = Editor(image)
    kernel = kernel_of(image)
    ended = next(row for row in rows_of(image) if row.name == "update.exe")
    head = ended.address + kernel.build[EPROCESS].offset("ThreadListHead")
    edit.write(head, 2 * head.to_bytes(8, "little"))
    with pytest.raises(RequestError, match="has no _ETHREAD: its list is empty"):
        of_process(kernel_of(image, edit.frames), ended, "_ETHREAD", None)


@pytest.mark.parametrize("address", [-1, 1 << 64, 1 << 200])
def test_what_is_no_address_is_refused(address: int, image: Image) -> None:
    process = next(rows_of(image))
    with pytest.raises(RequestError, match="is no address"):
        of_process(kernel_of(image), process, "_TOKEN", address)


@pytest.mark.parametrize("name", ["x64-26100-1742", "x86-9600-16384"])
def test_a_small_dump_refuses_the_symbol_table_of_another_kernel(name: str, shared: Path) -> None:
    dump = SmallDump((shared / "real" / "triage-x64-19041-022121-rizin.dmp").read_bytes())
    with pytest.raises(RequestError, match=f"the symbol table {name} does not fit this dump"):
        open_small_dump(dump, builds.load(name))


def test_fields_that_no_declaration_reads_have_the_value_that_stands_there(image: Image) -> None:
    """By the published offsets, read octet by octet; numbers, bits, links and strings."""
    kernel = kernel_of(image)
    process = next(row for row in rows_of(image) if row.name == "notepad.exe")
    facts = types_of(kernel.build)["_EPROCESS"]["fields"]
    count = 0
    for row in fields(kernel.view, Asked("_EPROCESS"), process.address):
        if row.member.declared or row.value is None:
            continue
        told = facts[row.member.path]
        data = kernel.space.read(process.address + told["offset"], told["size"])
        assert data is not None
        number = int.from_bytes(data, "little", signed=told["type"].startswith("i"))
        if "bit" in told:
            number = number >> told["bit"] & (1 << told["bits"]) - 1
        if isinstance(row.value, int):
            assert row.value == number, row.symbol
            count += 1
        elif isinstance(row.value, bytes):
            assert row.value == data
        else:
            assert row.value.Flink == int.from_bytes(data[:8], "little")
        assert row.here == process.address + told["offset"]
    assert count > 100


def test_a_part_of_a_process_is_found_from_the_process(image: Image) -> None:
    """Its _KPROCESS is where it starts; its _MMSUPPORT_FULL within it."""
    kernel = kernel_of(image)
    process = next(rows_of(image))
    assert of_process(kernel, process, "_KPROCESS", None)[1] == process.address
    inside = types_of(kernel.build)["_EPROCESS"]["fields"]["Vm"]["offset"]
    assert of_process(kernel, process, "_MMSUPPORT_FULL", None)[1] == process.address + inside
    assert not has_own(kernel.build, "_FILE_OBJECT")


def test_without_an_address_the_layout_is_shown_without_values(image: Image) -> None:
    kernel = kernel_of(image)
    rows = list(fields(kernel.view, Asked("_FILE_OBJECT"), None))
    assert {row.place.offset for row in rows if row.place} >= {0, 0x58}
    assert {(row.value, row.here) for row in rows if row.place} == {(None, None)}
    assert all(field_note(row).key == "field-row/layout" for row in rows if row.place)


def test_what_is_not_there_says_so_whether_or_not_a_declaration_reads_it(image: Image) -> None:
    kernel = kernel_of(image)
    for row in fields(kernel.view, Asked("_EPROCESS"), 0xFFFF900000001000, 2):
        if row.place is not None:
            assert isinstance(row.value, Absent), row.symbol
            assert "no page is mapped here" in row.problem


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("u32", "UInt32"),
        ("i8", "Int8"),
        ("u8[15]", "UInt8[15]"),
        ("_LIST_ENTRY*", "_LIST_ENTRY*"),
        ("enum:_POOL_TYPE", "enum _POOL_TYPE"),
        ("_MMPTE.u", "<unnamed>"),
        ("_X.u[4]", "<unnamed>[4]"),
    ],
)
def test_types_read_as_symbols_have_them(kind: str, words: str) -> None:
    assert type_text(kind) == words
