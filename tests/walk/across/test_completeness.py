"""Completeness: what of each process could be read, beside what was taken out of the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from process_anatomy.forge import LAB, Image, forge
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.paging import translate_one
from process_anatomy.walk.across.completeness import (
    ADDRESS_SPACE,
    COMPONENTS,
    EXECUTABLE,
    HANDLES,
    NONE,
    NOT,
    PART,
    PROCESS_ID,
    SECURITY,
    THREADS,
    WHOLE,
    Completeness,
)
from process_anatomy.walk.across.tables import Tables
from structs.eprocess import EPROCESS
from structs.handle import HANDLE_TABLE
from structs.object import POOL_HEADER
from tests.walk.damaged import PAGE, Editor, kernel_of, listed_truth, process_truth

FOREIGN = ["win10-19041", "srv2019-17763", "srv2016-14393", "winxp-2600-pae", "win7-7601-x86-pae"]


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab image."""
    return forge(LAB, 17)


def rows_of(image: Image, edit: Editor | None = None) -> dict[int, Completeness]:
    """By process id."""
    kernel = kernel_of(image, edit.frames if edit else None)
    return {int(row.process.pid): row for row in Tables(kernel).completeness.rows}  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FOREIGN)
def test_counts_of_foreign_images_are_those_of_the_answer_key(
    name: str, opened: Callable[[str], Kernel], truth: Callable[[str], dict[str, Any]]
) -> None:
    """VAD nodes, handles and threads are whole; processes that have ended or run no program have none."""
    kernel, answers = opened(name), truth(name)
    table = Tables(kernel).completeness
    assert not table.problems
    by_address = {p["eprocess"]: p for p in answers["processes"]}
    assert len(table.rows) == len(by_address)
    for row in table.rows:
        process, parts = by_address[row.process.address], row.components
        assert parts[ADDRESS_SPACE].state == (NONE if process["exited"] else WHOLE)
        assert parts[ADDRESS_SPACE].found == parts[ADDRESS_SPACE].expected == len(process.get("vads", ()))
        assert parts[HANDLES].state == (NONE if process["exited"] else WHOLE)
        assert parts[HANDLES].found == len(process.get("handles", ()))
        assert parts[THREADS].state == (WHOLE if process["threads"] else NONE)
        assert parts[THREADS].found == len(process["threads"])
        assert parts[SECURITY].state == parts[PROCESS_ID].state == WHOLE
        assert (parts[EXECUTABLE].state == NONE) is (not process["peb"])


def test_what_the_forge_leaves_out_is_told(image: Image) -> None:
    """A process that is paged out has its VADs and no pages; a trimmed one has its PEB and no program."""
    rows = rows_of(image)
    paged_out, trimmed = rows[1900].components, rows[868].components
    assert paged_out[ADDRESS_SPACE].state == PART
    assert paged_out[ADDRESS_SPACE].obstacles == ("none of its pages is in memory",)
    assert paged_out[EXECUTABLE].state == NOT
    assert trimmed[ADDRESS_SPACE].state == WHOLE
    assert trimmed[EXECUTABLE].state == PART
    assert "56 of 56 pages of the program are not in memory" in trimmed[EXECUTABLE].obstacles
    for process in listed_truth(image.truth):
        if "program" in process:
            assert rows[process["pid"]].components[EXECUTABLE].found == process["program"]["pages_in_memory"]


def test_vad_nodes_that_are_not_in_memory_are_counted(image: Image) -> None:
    """Children of a node that is gone are gone with it where no pool tag tells them; the kernel counts how many.

    Where pool tags tell them they are read, and the tree is broken all the same.
    """
    edit = Editor(image)
    victim = process_truth(image, "explorer.exe")
    root = victim["vad_root"]
    children = [int.from_bytes(edit.space.read(root + at, 8) or b"", "little") for at in (0, 8)]
    edit.write(root, (0).to_bytes(8, "little"))
    lost = subtree(edit, children[0])
    count = len(victim["vads"])
    part = rows_of(image, edit)[victim["pid"]].components[ADDRESS_SPACE]
    assert (part.state, part.found, part.expected) == (PART, count, count)
    assert f"broken, {count - lost} of {count} nodes, {lost} more found" in part.obstacles[0]
    for vad in victim["vads"]:
        edit.set(POOL_HEADER, vad["node"] - edit.build[POOL_HEADER].sizeof, "PoolTag", 0)
    part = rows_of(image, edit)[victim["pid"]].components[ADDRESS_SPACE]
    assert part.state == PART
    assert (part.found, part.expected) == (count - lost, count)
    assert part.obstacles[0] == f"{lost} of {count} VAD nodes could not be read"


def subtree(edit: Editor, node: int) -> int:
    """How many nodes a subtree has."""
    if not node:
        return 0
    return 1 + sum(subtree(edit, int.from_bytes(edit.space.read(node + at, 8) or b"", "little")) for at in (0, 8))


def test_a_handle_table_without_its_page_is_not_read(image: Image) -> None:
    """Its count is still known, so that the number of lost handles is."""
    edit = Editor(image)
    victim = process_truth(image, "notepad.exe")
    code = edit.space.read(victim["object_table"] + edit.build[HANDLE_TABLE].offset("TableCode"), 8) or b""
    physical, _ = translate_one(edit.space.memory, int.from_bytes(code, "little") & ~7, edit.space.root)
    del edit.frames[physical // PAGE]
    part = rows_of(image, edit)[victim["pid"]].components[HANDLES]
    count = len(victim["handles"])
    assert (part.state, part.found, part.expected) == (NOT, 0, count)
    assert part.obstacles[0] == f"{count} of {count} handles could not be read"


def test_wild_pointers_cost_only_their_component(image: Image) -> None:
    """Each component is told on its own, with the reason, and all other processes are as before."""
    before = rows_of(image)
    for field, component in (
        ("VadRoot", ADDRESS_SPACE), ("Token", SECURITY), ("ObjectTable", HANDLES), ("Peb", EXECUTABLE),
    ):  # fmt: skip
        edit = Editor(image)
        victim = process_truth(image, "explorer.exe")
        edit.set(EPROCESS, victim["eprocess"], field, 0x12345670)
        after = rows_of(image, edit)
        part = after[victim["pid"]].components[component]
        assert part.state in (PART, NOT), field
        assert part.obstacles
        assert {pid: row.components for pid, row in after.items() if pid != victim["pid"]} == {
            pid: row.components for pid, row in before.items() if pid != victim["pid"]
        }


def test_every_obstacle_belongs_to_a_component_that_is_not_whole(image: Image) -> None:
    """And every gap has an obstacle."""
    for row in rows_of(image).values():
        assert tuple(row.components) == COMPONENTS
        for part in row.components.values():
            assert bool(part.obstacles) is (part.state in (PART, NOT))
            assert part.found <= part.expected
