"""Handles with names, rights and targets: against answer keys, with filters and under damage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from process_anatomy.absent import Absent
from process_anatomy.errors import Error, RequestError
from process_anatomy.forge import LAB, Image, forge
from process_anatomy.forge.ground.actors import Scenario
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.objects import object_types
from process_anatomy.notes.explainer import Explainer
from process_anatomy.notes.handle_rows import handle_note
from process_anatomy.walk.handles import targets as handle_targets
from process_anatomy.walk.handles.opened import FEW, STRAYS, Handles, handles
from process_anatomy.walk.processes.listed import processes
from structs.handle import HANDLE_TABLE
from structs.object import DEVICE_OBJECT, OBJECT_HEADER, OBJECT_HEADER_NAME_INFO
from structs.registry import CM_KEY_BODY, CM_KEY_CONTROL_BLOCK
from structs.section import FILE_OBJECT
from structs.token import TOKEN
from tests.walk.damaged import GARBAGE, Editor, kernel_of, listed_truth, process_truth, spoiled, without

FOREIGN = ("win10-19041", "srv2019-17763", "srv2016-14393", "winxp-2600-pae", "win7-7601-x86-pae")
NARROW = ("winxp-2600-pae", "win7-7601-x86-pae")
Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab image."""
    return forge(LAB, 31)


@pytest.fixture
def edit(image: Image) -> Editor:
    """The lab image, ready to be damaged."""
    return Editor(image)


def walked(kernel: Kernel, *types: str) -> Handles:
    """The handles of all processes."""
    return handles(kernel, processes(kernel).rows, frozenset(types))


def value(fact: Any) -> Any:
    """A fact as an answer key has it."""
    return None if isinstance(fact, Absent) else fact


def found(kernel: Kernel, *types: str) -> Counter[Row]:
    """Owner, value, object, type, access and name of each handle."""
    return Counter(
        (row.process.pid, row.value, row.object, value(row.type), row.access, value(row.target.name))
        for row in walked(kernel, *types).rows
    )


def short(handle: dict[str, Any]) -> str | None:
    """The name of a handle's object; of a key without the registry's root, which some answer keys tell."""
    name: str | None = handle["name"]
    return name.removeprefix("\\REGISTRY\\") if name and handle["type"] == "Key" else name


def expected(truth: dict[str, Any], *types: str) -> Counter[Row]:
    """The same from an answer key."""
    return Counter(
        (p["pid"], h["handle"], h["object"], h["type"], h["access"], short(h))
        for p in listed_truth(truth)
        for h in p.get("handles", ())
        if not types or h["type"] in types
    )


@pytest.mark.parametrize("name", FOREIGN)
def test_every_handle_of_foreign_images_is_that_of_the_answer_key(
    name: str, opened: Callable[[str], Kernel], truth: Callable[[str], dict[str, Any]]
) -> None:
    """Object, type, access and name; no problem is made up."""
    kernel, answers = opened(name), truth(name)
    assert found(kernel) == expected(answers)
    whole = walked(kernel)
    assert whole.problems == ()
    valid = {row.name: row.valid_access for row in object_types(kernel).rows.values()}
    odd = [row for row in whole.rows if row.problems]  # two images were made with a right that no type has
    assert all(row.access & ~int(valid[row.type]) == 0x200 and name in NARROW for row in odd)
    paths = {row.target.full for row in whole.rows}
    assert name in NARROW or {"\\KnownDlls", "\\BaseNamedObjects\\ZonesCounterMutex"} <= paths
    users = {p["token"]["va"]: p["token"]["user"] for p in answers["processes"]}
    told = [row for row in whole.rows if row.type == "Token"]
    assert told
    assert all(str(row.target.full).endswith(f"({users[row.object]})") for row in told if row.object in users)


@pytest.mark.parametrize("build", ["x64-9600-16384", "x64-10240-16384", "x64-22621-382", "x64-26100-1742"])
def test_every_handle_of_forged_images_is_that_of_the_answer_key(build: str) -> None:
    """With the path through the directories, the key above a hive, the device, the link's goal, the section's file."""
    made = forge(LAB, 13, build)
    kernel = kernel_of(made)
    assert found(kernel) == expected(made.truth)
    rows = {(row.process.pid, row.value): row for row in walked(kernel).rows}
    told = [(p["pid"], h) for p in listed_truth(made.truth) for h in p["handles"] if h["path"]]
    assert len({h["type"] for _, h in told}) == 14
    for pid, handle in told:
        row = rows[pid, handle["handle"]]
        assert row.target.full == handle["path"]
        assert row.attributes == handle["attributes"]
    assert [row.problems for row in rows.values() if row.problems] == []


def test_handles_of_a_table_of_three_levels_are_named() -> None:
    """Values from 0x80000 on, which a table of two levels has no room for."""
    cast = tuple(replace(actor, sparse_handles=actor.name == "notepad.exe") for actor in LAB.cast)
    made = forge(Scenario("far", cast), 3)
    kernel = kernel_of(made)
    assert found(kernel) == expected(made.truth)
    assert max(row.value for row in walked(kernel).rows) > 0x80000


def test_only_objects_of_the_types_asked_for_are_looked_at(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names in any case; what a filter throws away is not decoded."""
    kernel = kernel_of(image)
    assert found(kernel, "Token", "key") == expected(image.truth, "Token", "Key")

    def never(*_: Any) -> Any:
        raise AssertionError("decoded what the filter throws away")

    monkeypatch.setattr(handle_targets, "READERS", {n: never for n in handle_targets.READERS if n != "Thread"})
    monkeypatch.setattr(handle_targets, "_named", never)
    monkeypatch.setitem(handle_targets.READERS, "Thread", handle_targets._threads)  # type: ignore[misc]
    assert found(kernel, "Thread") == expected(image.truth, "Thread")


def test_a_type_that_this_windows_does_not_have_is_refused_with_those_it_has(image: Image) -> None:
    """One line, which lists the types."""
    with pytest.raises(RequestError, match=r"no object type is called 'Sprocket'; this Windows has: ALPC Port, "):
        walked(kernel_of(image), "Process", "Sprocket")


def of_type(image: Image, name: str) -> dict[str, Any]:
    """A handle of the shell to an object of a type, from the answer key, with a path where one has."""
    listed = [h for h in process_truth(image, "explorer.exe")["handles"] if h["type"] == name]
    return next((h for h in reversed(listed) if h["path"]), listed[-1])


def rows_of(kernel: Kernel, address: int) -> list[Any]:
    """The handles that lead to an object."""
    return [row for row in walked(kernel).rows if row.object == address]


def test_directories_that_contain_each_other_end(image: Image, edit: Editor) -> None:
    """The name is kept, the path is absent with the reason."""
    handle = of_type(image, "Mutant")
    kernel = kernel_of(image)
    place = kernel.build[OBJECT_HEADER_NAME_INFO].sizeof + kernel.build[OBJECT_HEADER].offset("Body")
    holder = edit.space.read(handle["object"] - place, 8)
    assert holder is not None
    directory = int.from_bytes(holder, "little")
    edit.set(OBJECT_HEADER_NAME_INFO, directory - place, "Directory", directory)
    rows = rows_of(kernel_of(image, edit.frames), handle["object"])
    assert [row.target.name for row in rows] == [handle["name"]]
    assert isinstance(rows[0].target.full, Absent)
    assert "loop" in rows[0].problems[0]


def test_a_directory_that_is_none_is_noticed(image: Image, edit: Editor) -> None:
    """A pointer to an object of another type."""
    handle = of_type(image, "Semaphore")
    kernel = kernel_of(image)
    place = kernel.build[OBJECT_HEADER_NAME_INFO].sizeof + kernel.build[OBJECT_HEADER].offset("Body")
    edit.set(OBJECT_HEADER_NAME_INFO, handle["object"] - place, "Directory", kernel.system)
    row = rows_of(kernel_of(image, edit.frames), handle["object"])[0]
    assert row.target.name == handle["name"]
    assert row.problems == (f"{kernel.system:#x} is no directory",)


@pytest.mark.parametrize("where", ["self", "user", "type"])
def test_a_key_whose_chain_is_damaged_has_a_reason(where: str, image: Image, edit: Editor) -> None:
    """A loop, a user address, and a body that is none."""
    key = of_type(image, "Key")["object"]
    block = edit.space.read(key + edit.build[CM_KEY_BODY].offset("KeyControlBlock"), 8)
    assert block is not None
    at = int.from_bytes(block, "little")
    if where == "type":
        edit.set(CM_KEY_BODY, key, "Type", 1)
    else:
        edit.set(CM_KEY_CONTROL_BLOCK, at, "ParentKcb", at if where == "self" else 0x1000)
    row = rows_of(kernel_of(image, edit.frames), key)[0]
    words = {"self": "loop", "user": "is no address of a key", "type": "no open key: its type is 0x1"}
    assert isinstance(row.target.name, Absent)
    assert words[where] in row.problems[0]


def test_a_file_without_a_readable_device_keeps_its_name(image: Image, edit: Editor) -> None:
    """The device is told as a problem, the name within it is kept."""
    handle = of_type(image, "File")
    edit.set(FILE_OBJECT, handle["object"], "DeviceObject", 0x1000)
    row = rows_of(kernel_of(image, edit.frames), handle["object"])[0]
    assert handle["path"].endswith(str(value(row.target.name) or ""))
    assert "no kernel address" in row.problems[0]


def test_a_device_that_is_none_is_noticed(image: Image, edit: Editor) -> None:
    """Its type says so."""
    handle = next(h for h in process_truth(image, "explorer.exe")["handles"] if "contoso-agent" in (h["path"] or ""))
    data = edit.space.read(handle["object"] + edit.build[FILE_OBJECT].offset("DeviceObject"), 8)
    assert data is not None
    edit.set(DEVICE_OBJECT, int.from_bytes(data, "little"), "Type", 9)
    row = rows_of(kernel_of(image, edit.frames), handle["object"])[0]
    assert (row.target.name, row.problems) == ("\\contoso-agent", ("the file's device is none: its type is 9",))


def test_a_handle_to_something_that_is_no_object_stays_a_row(image: Image, edit: Editor) -> None:
    """Its header names no type that there is."""
    handle = of_type(image, "Mutant")
    header = handle["object"] - edit.build[OBJECT_HEADER].offset("Body")
    stored = edit.space.read(header + edit.build[OBJECT_HEADER].offset("TypeIndex"), 1)
    assert stored is not None
    edit.set(OBJECT_HEADER, header, "TypeIndex", stored[0] ^ 0x80)
    row = rows_of(kernel_of(image, edit.frames), handle["object"])[0]
    assert isinstance(row.type, Absent)
    assert "its type would be number" in row.problems[0]
    assert row.value == handle["handle"]


def test_rights_that_a_type_does_not_have_are_told(image: Image, edit: Editor) -> None:
    """An entry that was written by hand."""
    handle = of_type(image, "Token")
    kernel = kernel_of(image)
    entry = next(row.entry for row in walked(kernel).rows if row.value == handle["handle"] and row.process.pid == 3920)
    edit.write(entry + 8, (0x1F01FF).to_bytes(4, "little"))
    row = next(r for r in walked(kernel_of(image, edit.frames)).rows if r.entry == entry)
    assert row.problems == ("it grants 0x100000, rights that objects of its type do not have",)
    assert row.rights.startswith("TOKEN_ASSIGN_PRIMARY,")


def test_all_handles_of_a_page_are_doubted_where_one_in_five_leads_to_no_object(image: Image, edit: Editor) -> None:
    """The page may be of another time; one stray alone is the fault of its own object, and only told of itself."""
    whole = walked(kernel_of(image)).rows
    pid = next(p for p, count in Counter(row.process.pid for row in whole).items() if FEW < count <= STRAYS * FEW)
    mine = [row for row in whole if row.process.pid == pid]
    doubted = []
    for stray in mine[:FEW]:
        edit.write(stray.entry, (0x1000 << 20 | 1).to_bytes(8, "little"))  # a pointer to user memory
        rows = walked(kernel_of(image, edit.frames)).rows
        doubted.append([row.value for row in rows if row.process.pid == pid and row.problems])
        assert not any(row.problems for row in rows if row.process.pid != pid)
    assert doubted == [[mine[0].value], [row.value for row in mine]]


def test_handles_of_a_page_that_two_tables_have_are_doubted_in_both(image: Image, edit: Editor) -> None:
    """Whose they are cannot be told."""
    victim, other = process_truth(image, "explorer.exe"), process_truth(image, "notepad.exe")
    code = edit.space.read(other["object_table"] + edit.build[HANDLE_TABLE].offset("TableCode"), 8)
    assert code is not None
    edit.set(HANDLE_TABLE, victim["object_table"], "TableCode", int.from_bytes(code, "little"))
    rows = walked(kernel_of(image, edit.frames)).rows
    both = {victim["pid"], other["pid"]}
    assert both <= {row.process.pid for row in rows}
    assert {row.process.pid for row in rows if any("has its entries at" in line for line in row.problems)} == both
    assert all(row.problems for row in rows if row.process.pid in both)


def test_a_token_that_is_none_is_noticed(image: Image, edit: Editor) -> None:
    """Its type is neither primary nor impersonation."""
    handle = of_type(image, "Token")
    edit.set(TOKEN, handle["object"], "TokenType", 7)
    row = rows_of(kernel_of(image, edit.frames), handle["object"])[0]
    assert row.problems == ("no token: its type would be 7",)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=st.dictionaries(st.integers(0, 1 << 16), st.sampled_from(range(len(GARBAGE))), min_size=1, max_size=12))
def test_garbage_never_breaks_the_walk_of_handles(damage: dict[int, int], image: Image) -> None:
    """Random bytes over random pages: it ends, and every row can be explained."""
    frames = spoiled(image, damage)
    try:
        kernel = kernel_of(image, frames)
    except Error:
        return  # the kernel itself could not be identified, and said so
    whole = walked(kernel)
    explain = Explainer("full")
    assert all(explain(handle_note, row) for row in whole.rows)
    assert all(isinstance(row.type, str) or row.problems for row in whole.rows)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(missing=st.sets(st.integers(0, 1 << 16), min_size=1, max_size=25))
@example(missing={4526})  # the header of a file's device is gone, but not its body
def test_missing_pages_never_give_a_wrong_handle(missing: set[int], image: Image) -> None:
    """Each row is one of the answer key's, or has facts that are absent, with the reason told."""
    frames = without(image, missing)
    try:
        kernel = kernel_of(image, frames)
    except Error:
        return
    known = {
        (p["eprocess"], h["handle"]): h for p in image.truth["processes"] for h in p["handles"]
    }  # fmt: skip
    for row in walked(kernel).rows:
        handle = known[row.process.address, row.value]
        assert (row.object, row.access) == (handle["object"], handle["access"])
        if isinstance(row.type, Absent):
            assert row.problems
        else:
            assert row.type == handle["type"]
            assert value(row.target.name) == handle["name"] or row.problems
            if handle["path"] and not row.problems:
                assert row.target.full == handle["path"]
