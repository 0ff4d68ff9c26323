"""Damaged memory: every walk ends, says what was wrong, keeps all undamaged rows and never makes up a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from process_anatomy.absent import Absent
from process_anatomy.errors import Error
from process_anatomy.forge import LAB, Image, forge
from process_anatomy.kernel.candidates import kernel_images
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.paging import translate_one
from process_anatomy.notes.explainer import Explainer
from process_anatomy.notes.process_rows import process_note
from process_anatomy.notes.security_rows import (
    ace_note,
    attribute_note,
    creation_note,
    dacl_note,
    group_note,
    privilege_note,
    token_note,
)
from process_anatomy.notes.structure_rows import field_note
from process_anatomy.notes.vad_rows import vad_note
from process_anatomy.walk.across.creation import creations
from process_anatomy.walk.across.structures import fields as structure_fields
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.address_space.broken_trees import BY_TAG
from process_anatomy.walk.address_space.vads import VadTable, vads
from process_anatomy.walk.processes.kin import Kin
from process_anatomy.walk.processes.listed import Process, ProcessTable, processes
from process_anatomy.walk.security.acls import Acl
from process_anatomy.walk.security.groups import groups
from process_anatomy.walk.security.logons import LogonSession
from process_anatomy.walk.security.privileges import privileges
from process_anatomy.walk.security.tokens import Token
from structs.eprocess import EPROCESS
from structs.members import Asked
from structs.vad import MMVAD_SHORT
from tests.walk.damaged import GARBAGE, PAGE, Editor, kernel_of, listed_truth, process_truth, spoiled, without


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab image."""
    return forge(LAB, 11)


@pytest.fixture
def edit(image: Image) -> Editor:
    """The lab image, ready to be damaged."""
    return Editor(image)


def addresses(table: VadTable, pid: int) -> set[int]:
    """Nodes reported for a process."""
    return {row.address for row in table.rows if row.process.pid == pid}


def tree(kernel: Kernel, pid: int) -> VadTable:
    """The VADs of one process."""
    return vads(kernel, [row for row in processes(kernel).rows if row.pid == pid])


def test_a_child_that_points_back_to_the_root_ends_its_branch_only(image: Image, edit: Editor) -> None:
    """All nodes are reported once, and the node with the loop says so."""
    victim = process_truth(image, "explorer.exe")
    leaf = leaf_of(image, edit, victim)
    edit.set(MMVAD_SHORT, leaf, "Left", victim["vad_root"])
    table = tree(kernel_of(image, edit.frames), victim["pid"])
    assert addresses(table, victim["pid"]) == {v["node"] for v in victim["vads"]}
    assert len(table.rows) == len(victim["vads"])
    told = [row for row in table.rows if row.problems]
    assert [row.address for row in told] == [leaf]
    assert "was reached before" in told[0].problems[0]


def test_a_node_that_is_its_own_child_is_told(image: Image, edit: Editor) -> None:
    """The shortest loop."""
    victim = process_truth(image, "notepad.exe")
    leaf = leaf_of(image, edit, victim)
    edit.set(MMVAD_SHORT, leaf, "Right", leaf)
    table = tree(kernel_of(image, edit.frames), victim["pid"])
    assert len(table.rows) == len(victim["vads"])
    assert any("its right child" in problem for row in table.rows for problem in row.problems)


@pytest.mark.parametrize("pointer", [0x10, 0x7FFE0000, 0x1234567890ABCDEF, 0xFFFFFFFFFFFFFFF8, 0xFFFF800000000001])
def test_a_wild_child_costs_only_itself(pointer: int, image: Image, edit: Editor) -> None:
    """User addresses, non-canonical ones, ends of memory and odd ones."""
    victim = process_truth(image, "notepad.exe")
    leaf = leaf_of(image, edit, victim)
    edit.set(MMVAD_SHORT, leaf, "Left", pointer)
    table = tree(kernel_of(image, edit.frames), victim["pid"])
    assert {v["node"] for v in victim["vads"]} <= addresses(table, victim["pid"])
    told = [problem for row in table.rows for problem in row.problems]
    assert told, "the wild pointer is not told"


def test_a_wild_root_is_told(image: Image, edit: Editor) -> None:
    """No tree, one problem of the table, its nodes by their pool tags alone, and all other trees are whole."""
    victim = process_truth(image, "notepad.exe")
    edit.set(EPROCESS, victim["eprocess"], "VadRoot", 0x1000)
    kernel = kernel_of(image, edit.frames)
    table = vads(kernel, processes(kernel).rows)
    assert addresses(table, victim["pid"]) == {v["node"] for v in victim["vads"]}
    assert {row.process.pid for row in table.rows if row.problems} == {victim["pid"]}
    assert {row.problems for row in table.rows if row.process.pid == victim["pid"]} == {(BY_TAG,)}
    assert any("VAD root 0x1000 is no kernel address" in problem for problem in table.problems)
    assert len(table.rows) == sum(len(p["vads"]) for p in listed_truth(image.truth))


def test_a_stolen_branch_stays_with_its_owner(image: Image, edit: Editor) -> None:
    """Both trees show it; the thief's row names another parent than it was reached from."""
    victim, other = process_truth(image, "notepad.exe"), process_truth(image, "explorer.exe")
    leaf = leaf_of(image, edit, victim)
    edit.set(MMVAD_SHORT, leaf, "Left", leaf_of(image, edit, other))
    kernel = kernel_of(image, edit.frames)
    table = vads(kernel, processes(kernel).rows)
    for process in listed_truth(image.truth):
        assert {v["node"] for v in process["vads"]} <= addresses(table, process["pid"])
    told = [row.process.pid for row in table.rows for problem in row.problems if "as its parent" in problem]
    assert told == [victim["pid"]]


def leaf_of(image: Image, edit: Editor, process: dict[str, Any]) -> int:
    """A node of the process's tree without children."""
    for vad in process["vads"]:
        data = edit.space.read(vad["node"], 16)
        if data == bytes(16):
            return int(vad["node"])
    raise AssertionError("every node has a child")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_child_pointers_never_lose_what_is_still_reachable(data: st.DataObject, image: Image) -> None:
    """Whatever the damage, nodes whose way from the root is undamaged are reported with their own range."""
    edit = Editor(image)
    victim = process_truth(image, "explorer.exe")
    nodes = sorted(v["node"] for v in victim["vads"])
    damaged = data.draw(st.sets(st.sampled_from(nodes), min_size=1, max_size=6))
    for node in damaged:
        side = data.draw(st.sampled_from(["Left", "Right"]))
        pointer = data.draw(st.one_of(st.sampled_from(nodes), st.integers(0, (1 << 64) - 1), st.just(0)))
        edit.set(MMVAD_SHORT, node, side, pointer)
    parents = {v["node"]: v["parent"] for v in victim["vads"]}

    def whole(node: int) -> bool:
        while node in parents:
            node = parents[node]
            if node in damaged:
                return False
            if node == 0:
                return True
        return True

    table = tree(kernel_of(image, edit.frames), victim["pid"])
    ranges = {row.address: (row.start, row.end) for row in table.rows}
    for vad in victim["vads"]:
        if whole(vad["node"]) and vad["node"] not in damaged:
            assert ranges[vad["node"]] == (vad["start"], vad["end"])
    assert len(table.rows) == len(ranges)


@pytest.mark.parametrize("name", ["smss.exe", "explorer.exe", "CalculatorApp.exe"])
@pytest.mark.parametrize("side", ["Flink", "Blink"])
@pytest.mark.parametrize("pointer", [0, 0x41414141, 0xFFFF_9999_0000_1000, "self", "System"])
def test_a_broken_link_costs_no_process(name: str, side: str, pointer: Any, image: Image, edit: Editor) -> None:
    """What one direction cannot reach, the other does; the break is told on a row."""
    victim = process_truth(image, name)
    link = victim["eprocess"] + edit.build[EPROCESS].offset("ActiveProcessLinks")
    start = process_truth(image, "System")["eprocess"] + edit.build[EPROCESS].offset("ActiveProcessLinks")
    value = {"self": link, "System": start}.get(pointer, pointer) if isinstance(pointer, str) else pointer
    edit.write(link + (8 if side == "Blink" else 0), value.to_bytes(8, "little"))
    table = processes(kernel_of(image, edit.frames))
    assert {row.pid for row in table.rows} == {p["pid"] for p in listed_truth(image.truth)}
    assert any(row.problems for row in table.rows)


def facts_of(row: Any) -> dict[str, Any]:
    """A record's facts without what tells of the walk itself."""
    hidden = {"process", "thread", "problems", "seen_by", "depth", "parent"}
    names = row._fields if isinstance(row, tuple) else [f.name for f in fields(row)]
    return {name: getattr(row, name) for name in names if name not in hidden}


def everything(kernel: Kernel) -> tuple[ProcessTable, VadTable, list[Token]]:
    """All walks, and all explanations of their rows."""
    table = processes(kernel)
    trees = vads(kernel, table.rows)
    found = Tables(kernel).security
    contexts = list(found.tokens)
    explain = Explainer("full")
    kin = Kin(table.rows)
    for process in table.rows:
        assert explain(process_note, process, kin, None, kernel.crash)
    for vad in trees.rows:
        assert explain(vad_note, vad, explain.library)
    for row in privileges(contexts):
        assert explain(token_note, row) if isinstance(row, Token) else explain(privilege_note, row, explain.library)
    for member in groups(contexts, found.claims):
        assert explain(token_note, member) if isinstance(member, Token) else explain(group_note, member, "")
    for attribute in found.claims.attributes:
        assert explain(attribute_note, attribute, 0, explain.library)
    for token in contexts:
        assert explain(dacl_note, token)
        for ace in token.dacl.entries if isinstance(token.dacl, Acl) else ():
            assert explain(ace_note, token, ace, "")
    for creation in creations(kernel, table.rows, table.rows, contexts):
        assert explain(creation_note, creation)
        assert creation.evidence or creation.parent.state in ("none", "unknown")
    for field in structure_fields(kernel.view, Asked("_EPROCESS"), table.rows[0].address):
        assert explain(field_note, field)
    return table, trees, contexts


@pytest.fixture(scope="module")
def undamaged(image: Image) -> Callable[[], tuple[ProcessTable, VadTable, list[Token]]]:
    """All walks of the whole image (a function, so that a failing example does not print them)."""
    whole = everything(kernel_of(image))
    return lambda: whole


@settings(max_examples=10, deadline=None)
@given(missing=st.sets(st.integers(0, 1 << 16), min_size=1, max_size=25))
def test_missing_pages_never_give_a_wrong_value(
    missing: set[int], image: Image, undamaged: Callable[[], tuple[ProcessTable, VadTable, list[Token]]]
) -> None:
    """With pages missing from the image, each fact is what it was, or absent with a reason."""
    frames = without(image, missing)
    try:
        kernel = kernel_of(image, frames)
    except Error:
        return  # the kernel itself could not be identified, and said so
    assert kernel.build.number == image.truth["build"]
    before = [{key(row): row for row in rows} for rows in tables_of(undamaged())]
    for rows, known in zip(tables_of(everything(kernel)), before, strict=True):
        for row in rows:
            original = facts_of(known[key(row)])
            for name, value in facts_of(row).items():
                assert bears_out(value, original[name]), name


def bears_out(value: Any, original: Any) -> bool:
    """Whether a fact is what it was, or absent with a reason, as a whole or in part."""
    if isinstance(value, Absent):
        return bool(value.reason) or isinstance(original, Absent)
    if isinstance(value, tuple) and isinstance(original, tuple):
        return len(value) == len(original) and all(map(bears_out, value, original))
    if isinstance(value, LogonSession):
        return all(bears_out(getattr(value, f.name), getattr(original, f.name)) for f in fields(value))
    return bool(value == original)


def key(row: Any) -> tuple[int, int]:
    """What identifies a row: its process and its address."""
    if isinstance(row, Process):
        return row.address, row.address
    thread = getattr(row, "thread", None)
    return (thread or row.process).address, row.address


def tables_of(whole: tuple[ProcessTable, VadTable, list[Token]]) -> tuple[Any, Any, Any]:
    """The rows of the three tables."""
    return whole[0].rows, whole[1].rows, [row for row in whole[2] if isinstance(row.address, int)]


@settings(max_examples=10, deadline=None)
@given(damage=st.dictionaries(st.integers(0, 1 << 16), st.sampled_from(range(len(GARBAGE))), min_size=1, max_size=12))
def test_garbage_never_breaks_a_walk(damage: dict[int, int], image: Image) -> None:
    """Random bytes over random places: every walk ends and every row can be explained."""
    frames = spoiled(image, damage)
    try:
        kernel = kernel_of(image, frames)
    except Error:
        return  # the kernel itself could not be identified, and said so
    table, trees, _ = everything(kernel)
    assert len(table.rows) <= 2 * len(listed_truth(image.truth))
    assert len({key(row) for row in trees.rows}) == len(trees.rows)


def test_a_decoy_kernel_image_before_the_real_one_hides_nothing(image: Image, edit: Editor) -> None:
    """A page that looks like a kernel's header at a lower address is tried, and the real kernel found after it."""
    real = kernel_of(image)
    found = [base for base in (row.base for row in kernel_images(edit.space)) if base != real.base]
    assert found == []
    header, _ = translate_one(edit.space.memory, real.base, edit.space.root)
    root = edit.space.root
    entries = [real.base >> shift & 0x1FF for shift in (39, 30, 21)]
    assert entries[1] > 0, "no room below the kernel"
    upper = int.from_bytes(edit.frames[root // PAGE][8 * entries[0] : 8 * entries[0] + 8], "little")
    free = sorted(set(range(1, image.memory_size // PAGE)) - set(edit.frames))[:2]
    tables = {free[0]: {0: free[1]}, free[1]: {0: header // PAGE}}
    for frame, content in tables.items():
        page = bytearray(PAGE)
        for index, target in content.items():
            page[8 * index : 8 * index + 8] = (target * PAGE | 0x63).to_bytes(8, "little")
        edit.frames[frame] = bytes(page)
    directory = (upper & 0xFFFF_FFFF_F000) // PAGE
    page = bytearray(edit.frames[directory])
    page[0:8] = (free[0] * PAGE | 0x63).to_bytes(8, "little")
    edit.frames[directory] = bytes(page)
    assert kernel_of(image, edit.frames).base == real.base
