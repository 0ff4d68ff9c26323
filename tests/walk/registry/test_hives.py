"""The hives, the profile list and the services: exactly what was forged, and reasons where memory is damaged."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.absent import Absent, Kind
from process_anatomy.forge import Image, forge
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.paging import translate_one
from process_anatomy.memory.physical import CachedMemory
from process_anatomy.volatility import open_path
from process_anatomy.walk.processes.listed import Process, processes
from process_anatomy.walk.registry.hives import HiveTable, hives, profiles, services
from structs import builds
from structs.layout import Layout
from structs.registry import CM_KEY_NODE, CMHIVE, HBASE_BLOCK
from tests.generations import NEWER, OLDER, lab
from tests.walk.damaged import kernel_of

PAGE = 0x1000
Frames = Mapping[int, bytes]


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab image, whose SOFTWARE hive is mapped in the process Registry."""
    return forge(seed=11)


def memory_of(image: Image, frames: Frames) -> CachedMemory:
    return CachedMemory(lambda address, size: frames.get(address // PAGE), image.memory_size)


def rows_of(kernel: Kernel) -> tuple[Process, ...]:
    return processes(kernel).rows


def hive_truth(image: Image, name: str) -> dict[str, Any]:
    return next(hive for hive in image.truth["hives"] if hive["hive_root_path"].endswith(name))


class Editor:
    """Frames of an image that can be overwritten or lost, by virtual address."""

    def __init__(self, image: Image) -> None:
        self.image, self.frames = image, dict(image.physical)
        self.memory, self.build = memory_of(image, image.physical), builds.load(image.truth["arguments"]["build"])
        registry = next(p for p in image.truth["processes"] if p["name"] == "Registry")
        self.roots = image.truth["dtb"], registry["dtb"]

    def physical(self, address: int) -> int:
        physical, _ = translate_one(self.memory, address, self.roots[address < 1 << 47])
        return physical

    def write(self, address: int, data: bytes) -> None:
        for step, octet in enumerate(data):
            physical = self.physical(address + step)
            page = bytearray(self.frames[physical // PAGE])
            page[physical % PAGE] = octet
            self.frames[physical // PAGE] = bytes(page)

    def set(self, layout: Layout, address: int, field: str, value: int) -> None:
        place = self.build[layout].place(field)
        self.write(address + place.offset, value.to_bytes(place.size, "little"))

    def lose(self, address: int) -> None:
        self.frames.pop(self.physical(address) // PAGE)

    def table(self) -> tuple[Kernel, tuple[Process, ...], HiveTable]:
        kernel = kernel_of(self.image, self.frames)
        rows = rows_of(kernel)
        return kernel, rows, hives(kernel, rows)


@pytest.fixture
def edit(image: Image) -> Editor:
    return Editor(image)


@pytest.mark.parametrize("build", NEWER + OLDER)
def test_hives_profiles_and_services_are_those_that_were_forged(build: str) -> None:
    image = lab(build)
    kernel = kernel_of(image)
    rows = rows_of(kernel)
    table = hives(kernel, rows)
    assert table.problems == ()
    rooted = "HiveRootPath" in kernel.build[CMHIVE]  # since Windows Vista
    expected = [
        (h["address"], h["file_user_name"] or (h["hive_root_path"] if rooted else ""), h["root_cell"], ())
        for h in image.truth["hives"]
    ]
    assert [
        (h.address, h.name if isinstance(h.name, str) else "", h.root_cell, h.problems) for h in table.rows
    ] == expected
    found = profiles(kernel, rows)
    assert (dict(found.paths), found.problems) == (image.truth["profiles"], ())
    served = services(kernel, rows)
    told = {
        name: {
            "account": row.account if isinstance(row.account, str) and row.account else None,
            "image_path": row.image_path,
        }
        for name, row in served.rows.items()
    }
    assert (told, served.problems) == (image.truth["services"], ())
    assert isinstance(served.rows["Ntfs"].account, Absent)
    assert served.rows["Ntfs"].account.kind is Kind.NOT_APPLICABLE
    assert all(name == row.name for name, row in served.rows.items())


def test_a_volatile_key_is_found_beside_the_stable_ones(image: Image) -> None:
    kernel = kernel_of(image)
    system = hives(kernel, rows_of(kernel)).rows[0]
    root, link = system.root(), system.open("currentcontrolset")
    assert not isinstance(root, Absent)
    assert [key.name for key in root.subkeys().rows] == ["ControlSet001", "Select", "CurrentControlSet"]
    assert not isinstance(link, Absent)
    assert link.cell >> 31
    assert link.data(["SymbolicLinkValue"]) == {"SymbolicLinkValue": "\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet001"}


@pytest.mark.parametrize("path", ["", "Select\\Nothing", "Nothing\\Select", "\\"])
def test_a_path_that_leads_nowhere_says_where_it_ends(path: str, image: Image) -> None:
    kernel = kernel_of(image)
    found = hives(kernel, rows_of(kernel)).rows[0].open(path)
    assert isinstance(found, Absent)
    assert found.reason.startswith("there is no key")


def test_without_the_process_registry_the_services_are_still_there_and_the_profiles_say_why_not(image: Image) -> None:
    kernel = kernel_of(image)
    rows = [row for row in rows_of(kernel) if row.name != "Registry"]
    assert set(services(kernel, rows).rows) == set(image.truth["services"])
    found = profiles(kernel, rows)
    assert found.paths == {}
    assert any("process Registry" in problem for problem in found.problems)


def test_a_page_of_a_hive_that_is_not_there_is_told(image: Image, edit: Editor) -> None:
    edit.lose(hive_truth(image, "SOFTWARE")["bins"])
    kernel, rows, table = edit.table()
    found = profiles(kernel, rows, table)
    assert found.paths == {}
    assert any("the image does not hold the page" in problem for problem in found.problems)
    assert set(services(kernel, rows, table).rows) == set(image.truth["services"])


@pytest.mark.parametrize("victim", ["SYSTEM", "SOFTWARE"])
@pytest.mark.parametrize("pointer", [0, 0x1000, 0xFFFF800000000008, 0xFFFFFFFFFFFFFFF8, 0x1234567890ABCDE0])
def test_a_wild_link_in_one_direction_loses_no_hive(victim: str, pointer: int, image: Image, edit: Editor) -> None:
    hive = hive_truth(image, victim)["address"]
    edit.set(CMHIVE, hive, "HiveList", pointer)
    table = edit.table()[2]
    assert {row.address for row in table.rows} == {h["address"] for h in image.truth["hives"]}
    assert table.problems


def test_a_list_that_loops_ends_and_says_so(image: Image, edit: Editor) -> None:
    hive = hive_truth(image, "SYSTEM")["address"]
    edit.set(CMHIVE, hive, "HiveList", hive + edit.build[CMHIVE].offset("HiveList"))
    table = edit.table()[2]
    assert len(table.rows) == 2
    assert table.problems


def test_without_the_lists_head_there_is_no_hive_and_a_reason(image: Image, edit: Editor) -> None:
    edit.write(image.truth["symbols"]["CmpHiveListHead"], bytes(16))
    kernel, rows, table = edit.table()
    assert table.rows == ()
    assert [problem.partition(":")[0] for problem in table.problems] == ["no hive was found"]
    assert profiles(kernel, rows, table).problems[0] == table.problems[0]
    assert services(kernel, rows, table).problems[0] == table.problems[0]


def test_a_hive_without_its_signature_is_no_hive(image: Image, edit: Editor) -> None:
    edit.set(CMHIVE, hive_truth(image, "SYSTEM")["address"], "Signature", 0xBEE0BEE1)
    kernel, rows, table = edit.table()
    assert [row.name for row in table.rows] == ["\\SystemRoot\\System32\\Config\\SOFTWARE"]
    assert any("is no hive" in problem for problem in table.problems)
    assert dict(profiles(kernel, rows, table).paths) == image.truth["profiles"]
    assert services(kernel, rows, table).problems[-1] == "the list of services was not found"


def test_a_hive_whose_names_are_gone_is_known_by_what_it_holds(image: Image, edit: Editor) -> None:
    address = hive_truth(image, "SYSTEM")["address"]
    edit.write(address + edit.build[CMHIVE].offset("HiveRootPath"), bytes(16))
    kernel, rows, table = edit.table()
    assert isinstance(table.rows[0].name, Absent)
    assert set(services(kernel, rows, table).rows) == set(image.truth["services"])


def test_a_header_that_is_gone_costs_a_word_and_no_key(image: Image, edit: Editor) -> None:
    build, address = edit.build, hive_truth(image, "SYSTEM")["address"]
    assert build[HBASE_BLOCK].offset("Signature") == 0
    edit.set(CMHIVE, address, "BaseBlock", 0)
    kernel, rows, table = edit.table()
    found = services(kernel, rows, table)
    assert set(found.rows) == set(image.truth["services"])
    assert any("the first cell is taken for the root" in problem for problem in found.problems)


def test_a_control_set_that_is_not_known_is_taken_for_the_first_and_told(image: Image, edit: Editor) -> None:
    kernel, _, table = edit.table()
    select = table.rows[0].open("Select")
    assert not isinstance(select, Absent)
    edit.set(CM_KEY_NODE, select.address, "ValueCount", 0)
    kernel, rows, table = edit.table()
    found = services(kernel, rows, table)
    assert set(found.rows) == set(image.truth["services"])
    assert any("ControlSet001 is taken" in problem for problem in found.problems)


def test_a_service_whose_key_is_spoiled_costs_only_itself(image: Image, edit: Editor) -> None:
    kernel, rows, table = edit.table()
    victim = services(kernel, rows, table).rows["LabHelper"]
    edit.set(CM_KEY_NODE, victim.address, "Signature", 0)
    found = services(*edit.table())
    assert set(found.rows) == set(image.truth["services"]) - {"LabHelper"}
    assert any("holds no key" in problem for problem in found.problems)


def test_values_of_a_service_that_cannot_be_read_are_absent_with_the_reason(image: Image, edit: Editor) -> None:
    kernel, rows, table = edit.table()
    victim = services(kernel, rows, table).rows["LabHelper"]
    edit.set(CM_KEY_NODE, victim.address, "ValueList", 0x7FFFFFF8)
    spoiled = services(*edit.table()).rows["LabHelper"]
    for fact in (spoiled.account, spoiled.image_path):
        assert isinstance(fact, Absent)
        assert fact.kind is Kind.UNREADABLE
        assert "behind the end of the hive" in fact.reason


@pytest.mark.parametrize("name", ["win10-19041.raw", "srv2019-17763.raw", "srv2016-14393.raw"])
def test_an_image_without_hives_gives_none_with_a_reason_and_soon(name: str, foreign: Callable[[str], Path]) -> None:
    kernel = open_path(foreign(name))
    rows = rows_of(kernel)
    hives(kernel, rows)
    started = time.process_time()
    table = hives(kernel, rows)
    assert time.process_time() - started < 0.5
    assert table.rows == ()
    assert table.problems[0].startswith("no hive was found: no pointer to one in")
    assert profiles(kernel, rows, table).paths == {}
    assert services(kernel, rows, table).rows == {}


ADDRESS = st.one_of(
    st.integers(0, (1 << 64) - 1),
    st.sampled_from([0, 8, 0x7FFFFFFFFFF8, 0xFFFF800000000000, 0xFFFFFFFFFFFFFFF8]),
)


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_any_damage_to_hives_and_their_maps_ends_soon_and_never_raises(data: st.DataObject, image: Image) -> None:
    edit = Editor(image)
    structure = edit.build[CMHIVE]
    own = [hive["address"] for hive in image.truth["hives"]]
    storage = structure.offset("Storage")
    targets = [
        *(hive + structure.offset(field) for hive in own for field in structure.places),
        *(hive + storage + step for hive in own for step in range(0, 0x280, 8)),
        *(hive["bins"] + step for hive in image.truth["hives"] for step in range(0, 0x800, 8)),
        image.truth["symbols"]["CmpHiveListHead"],
    ]
    inside = st.sampled_from([*own, *targets])
    for _ in range(data.draw(st.integers(1, 12))):
        word = data.draw(st.one_of(ADDRESS, inside))
        edit.write(data.draw(st.sampled_from(targets)) & ~7, word.to_bytes(8, "little"))
    kernel = kernel_of(image, edit.frames)
    rows = rows_of(kernel)
    started = time.process_time()
    table = hives(kernel, rows)
    found, served = profiles(kernel, rows, table), services(kernel, rows, table)
    assert time.process_time() - started < 10
    assert all(isinstance(each, str) for each in (*table.problems, *found.problems, *served.problems))
    assert all(isinstance(path, str | Absent) for path in found.paths.values())
