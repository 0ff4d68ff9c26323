"""Structures of a process, found by following its pointers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from process_anatomy.errors import RequestError
from process_anatomy.forge import LAB, Image, forge
from process_anatomy.kernel.small_dump import open_small_dump
from process_anatomy.memory.small_dump import SmallDump
from process_anatomy.walk.across.structures import fields, layout_named, of_process
from process_anatomy.walk.processes.listed import Process, processes
from structs import builds
from structs.eprocess import EPROCESS
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
    view, address = of_process(kernel, process, layout_named("_ETHREAD"), None)
    truth = next(p for p in image.truth["processes"] if p["name"] == "notepad.exe")
    assert address == truth["threads"][0]["ethread"]
    found = {row.field: row.value for row in fields(view, layout_named("_ETHREAD"), address)}
    assert found["UniqueThread"] == truth["threads"][0]["tid"]


def test_a_process_without_threads_has_no_thread_to_show(image: Image) -> None:
    """The list head is no thread."""
    edit = Editor(image)
    kernel = kernel_of(image)
    ended = next(row for row in rows_of(image) if row.name == "update.exe")
    head = ended.address + kernel.build[EPROCESS].offset("ThreadListHead")
    edit.write(head, 2 * head.to_bytes(8, "little"))
    with pytest.raises(RequestError, match="has no _ETHREAD: its list is empty"):
        of_process(kernel_of(image, edit.frames), ended, layout_named("_ETHREAD"), None)


@pytest.mark.parametrize("address", [-1, 1 << 64, 1 << 200])
def test_what_is_no_address_is_refused(address: int, image: Image) -> None:
    process = next(rows_of(image))
    with pytest.raises(RequestError, match="is no address"):
        of_process(kernel_of(image), process, layout_named("_TOKEN"), address)


@pytest.mark.parametrize("name", ["x64-26100-1742", "x86-9600-16384"])
def test_a_small_dump_refuses_the_symbol_table_of_another_kernel(name: str, shared: Path) -> None:
    dump = SmallDump((shared / "real" / "triage-x64-19041-022121-rizin.dmp").read_bytes())
    with pytest.raises(RequestError, match=f"the symbol table {name} does not fit this dump"):
        open_small_dump(dump, builds.load(name))
