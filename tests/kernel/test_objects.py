"""Object types, the cookie of object headers and the headers themselves, found without symbols."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from process_anatomy.absent import Absent
from process_anatomy.forge import LAB, Image, forge
from process_anatomy.kernel import objects
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.objects import object_headers, object_types
from process_anatomy.kernel.variables import Variables, variables
from process_anatomy.memory.view import addresses_of
from structs.object import (
    OBJECT_HEADER,
    OBJECT_HEADER_NAME_INFO,
    OBJECT_HEADER_QUOTA_INFO,
    OBJECT_TYPE,
)
from tests.walk.damaged import Editor, kernel_of

FOREIGN = ("win10-19041", "srv2019-17763", "srv2016-14393", "winxp-2600-pae", "win7-7601-x86-pae")


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab image."""
    return forge(LAB, 23)


@pytest.fixture
def edit(image: Image) -> Editor:
    """The lab image, ready to be damaged."""
    return Editor(image)


def all_handles(truth: dict[str, Any]) -> list[dict[str, Any]]:
    """Every handle of an answer key."""
    return [handle for process in truth["processes"] for handle in process.get("handles", ())]


@pytest.mark.parametrize("name", FOREIGN)
def test_types_and_cookie_of_foreign_images_are_those_of_the_answer_key(
    name: str, opened: Callable[[str], Kernel], truth: Callable[[str], dict[str, Any]]
) -> None:
    """The table lies where the symbol says, holds all types at their index, and the cookie is the kernel's.

    Up to Windows Vista types count from 1, and the table begins with the first.
    """
    kernel, answers = opened(name), truth(name)
    types = object_types(kernel)
    symbols, first = answers["symbols"], min(answers["object_types"].values())
    pointers = 4 if answers.get("arch") == "x86" else 8
    beginning = symbols.get("ObTypeIndexTable") or symbols["ObpObjectTypes"] - pointers * (2 - first)
    assert types.table == beginning
    assert types.cookie == answers["object_header_cookie"]
    assert {row.name: index for index, row in types.rows.items()} == answers["object_types"]
    assert types.problems == ()
    handles = all_handles(answers)
    headers = object_headers(kernel, addresses_of([handle["object"] for handle in handles]))
    assert headers.type_names() == [handle["type"] for handle in handles]


@pytest.mark.parametrize("name", FOREIGN)
def test_the_table_is_found_without_any_exported_type(name: str, opened: Callable[[str], Kernel]) -> None:
    """Types whose indexes count up lead to the same table."""
    kernel = opened(name)
    assert objects._table(kernel, variables(kernel), {}) == object_types(kernel).table


@pytest.mark.parametrize("build", ["x64-9600-16384", "x64-10240-16384", "x64-26100-1742"])
def test_types_are_found_in_every_generation_of_headers(build: str) -> None:
    """Windows 8.1 does not mix the type index with anything; Windows 10 and 11 do."""
    made = forge(LAB, 5, build)
    types = object_types(kernel_of(made))
    assert types.cookie == (made.truth["object_header_cookie"] or None)
    assert {row.name: index for index, row in types.rows.items()} == made.truth["object_types"]


def test_an_object_that_is_none_has_a_reason_instead_of_a_type(image: Image) -> None:
    """User addresses, odd ones, the ends of memory, and kernel memory that holds something else."""
    kernel = kernel_of(image)
    process = image.truth["processes"][3]
    wild = [0, 0x10, 0x7FFE0000, 0xFFFFFFFFFFFFFFF8, 0xFFFF800000000000, process["eprocess"] + 3]
    headers = object_headers(kernel, addresses_of([*wild, process["eprocess"] + 0x40, process["eprocess"]]))
    names = headers.type_names()
    assert all(isinstance(name, Absent) and name.reason for name in names[: len(wild)])
    assert names[-1] == "Process"
    assert not headers.are("Process")[: len(wild)].any()


def test_optional_headers_stand_where_the_mask_says(image: Image) -> None:
    """A named event has its name in front of its quota; one without a name has none."""
    kernel = kernel_of(image)
    handles = [h for h in all_handles(image.truth) if h["type"] == "Event"]
    named = next(h["object"] for h in handles if h["name"])
    plain = next(h["object"] for h in handles if not h["name"])
    headers = object_headers(kernel, addresses_of([named, plain]))
    place = headers.optional(OBJECT_HEADER_NAME_INFO)
    assert place[0] == headers.addresses[0] - kernel.build[OBJECT_HEADER_NAME_INFO].sizeof
    assert place[1] == 0
    quota = headers.optional(OBJECT_HEADER_QUOTA_INFO)
    behind = headers.info_mask >> 3 & 1 == 1
    assert (quota[behind] <= headers.addresses[behind]).all()


def test_the_place_in_the_table_counts_and_not_what_a_type_says_of_itself(image: Image, edit: Editor) -> None:
    """Headers name the place; the contradiction is told."""
    table = object_types(kernel_of(image))
    victim = table.rows[table.index_of("Event")]
    edit.set(OBJECT_TYPE, victim.address, "Index", 77)
    found = object_types(kernel_of(image, edit.frames))
    assert found.cookie == table.cookie
    assert found.rows == table.rows
    assert any("says that it is 77" in problem for problem in found.problems)


def test_one_spoiled_type_costs_only_itself(image: Image, edit: Editor) -> None:
    """Its objects have no type, with the reason; all others keep theirs, and the cookie is still known."""
    table = object_types(kernel_of(image))
    victim = table.rows[table.index_of("Mutant")]
    edit.set(OBJECT_TYPE, victim.address, "Name", 0)
    kernel = kernel_of(image, edit.frames)
    found = object_types(kernel)
    assert found.cookie == table.cookie
    assert found.rows == {index: row for index, row in table.rows.items() if index != victim.index}
    assert any(f"object type {victim.index}:" in problem for problem in found.problems)


def test_a_changed_header_of_system_does_not_spoil_the_cookie(image: Image, edit: Editor) -> None:
    """The headers of the types themselves outvote it, and the doubt is told."""
    kernel = kernel_of(image)
    header = kernel.system - kernel.build[OBJECT_HEADER].offset("Body")
    edit.set(OBJECT_HEADER, header, "TypeIndex", 0)
    found = object_types(kernel_of(image, edit.frames))
    assert found.cookie == image.truth["object_header_cookie"]
    assert any("known objects bear out the type cookie" in problem for problem in found.problems)


def test_without_a_table_the_exported_types_remain(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel's variables cannot be read, exported types still name their objects."""
    kernel = kernel_of(image)
    none = Variables(np.zeros((0, 512), dtype=np.uint64), addresses_of([]), 3, "")
    monkeypatch.setattr(objects, "variables", lambda _: none)
    monkeypatch.setattr(objects, "type_code", lambda _: None)  # else the kernel's own code has it
    types = object_types(kernel)
    assert isinstance(types.table, Absent)
    assert types.problems
    headers = object_headers(kernel, addresses_of([kernel.system]))
    assert headers.type_names() == ["Process"]


def test_another_kernel_of_the_same_view_searches_again(image: Image) -> None:
    """What was found is kept with the kernel that it was found in, and with no copy of it."""
    kernel = kernel_of(image)
    assert object_types(kernel) is object_types(kernel)
    assert object_types(replace(kernel)) is not object_types(kernel)
