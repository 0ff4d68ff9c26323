"""What rules rest on: a table that is broken accuses nobody, and it is told once why a process was not judged."""

from __future__ import annotations

import lzma
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from process_anatomy import open_image
from process_anatomy.findings import RULES, Finding, Severity, findings, judged
from process_anatomy.findings.standing import FITNESS, Standing
from process_anatomy.forge import INTRUSION, LAB, Image, forge
from process_anatomy.forge.cast.clean import BROKERS
from process_anatomy.forge.ground.actors import Scenario
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.view import View
from process_anatomy.volatility import open_path
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.address_space.broken_trees import BY_TAG
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.handle import HANDLE_TABLE
from structs.object import POOL_HEADER
from structs.vad import MMVAD_SHORT
from tests.conftest import ROOT
from tests.walk.damaged import Editor, kernel_of, process_truth

VICTIM = "notepad.exe"
PAGE = 0x1000


@pytest.fixture(scope="module")
def clean() -> Image:
    return forge(BROKERS)


def node_with(image: Image, edit: Editor, wanted: Callable[[int, int], bool]) -> int:
    """A node of the victim's tree by its left and right branch."""
    for vad in process_truth(image, VICTIM)["vads"]:
        left, right = struct.unpack("<QQ", edit.space.read(vad["node"], 16) or bytes(16))
        if wanted(left, right):
            return int(vad["node"])
    raise AssertionError("there is no such node")


def skip_a_node(image: Image, edit: Editor) -> None:
    """The root leads past its right child, as a torn rotation leaves it."""
    root = process_truth(image, VICTIM)["vad_root"]
    _, right = struct.unpack("<QQ", edit.space.read(root, 16) or bytes(16))
    _, beyond = struct.unpack("<QQ", edit.space.read(right, 16) or bytes(16))
    assert beyond
    edit.set(MMVAD_SHORT, root, "Right", beyond)


def cut_a_branch(image: Image, edit: Editor) -> None:
    """A node that has lost a branch: what hung there is not told by any node that is left."""
    root = process_truth(image, VICTIM)["vad_root"]
    edit.set(MMVAD_SHORT, root, "Right", 0)


def count_more(image: Image, edit: Editor) -> None:
    """The process counts more nodes than its tree has."""
    victim = process_truth(image, VICTIM)
    edit.set(EPROCESS, victim["eprocess"], "VadCount", len(victim["vads"]) + 3)


def balance_falsely(image: Image, edit: Editor) -> None:
    """A leaf says that one of its branches is higher."""
    leaf = node_with(image, edit, lambda left, right: not left and not right)
    parent = int.from_bytes(edit.space.read(leaf + 16, 8) or b"", "little")
    edit.set(MMVAD_SHORT, leaf, "ParentValue", parent & ~3 | 1)


def name_another_parent(image: Image, edit: Editor) -> None:
    leaf = node_with(image, edit, lambda left, right: not left and not right)
    edit.set(MMVAD_SHORT, leaf, "ParentValue", process_truth(image, "explorer.exe")["vad_root"])


def lose_the_root(image: Image, edit: Editor) -> None:
    edit.set(EPROCESS, process_truth(image, VICTIM)["eprocess"], "VadRoot", 0x1234)


def loop_page_tables(image: Image, edit: Editor) -> None:
    """An empty entry of the top table leads to a table that another entry leads to."""
    root = process_truth(image, VICTIM)["dtb"]
    page = bytearray(edit.frames[root // PAGE])
    entries = struct.unpack_from("<256Q", page)
    free, used = entries.index(0), next(entry for entry in entries if entry & 1)
    struct.pack_into("<Q", page, 8 * free, used)
    edit.frames[root // PAGE] = bytes(page)


def loop_to_the_top(image: Image, edit: Editor) -> None:
    """An empty entry of the top table leads to the top table."""
    root = process_truth(image, VICTIM)["dtb"]
    page = bytearray(edit.frames[root // PAGE])
    free = struct.unpack_from("<256Q", page).index(0)
    struct.pack_into("<Q", page, 8 * free, root & ~(PAGE - 1) | 0x67)
    edit.frames[root // PAGE] = bytes(page)


TREES = [skip_a_node, cut_a_branch, count_more, balance_falsely, name_another_parent, lose_the_root]
TABLES = [loop_page_tables, loop_to_the_top]


def told(image: Image, edit: Editor) -> list[Finding]:
    return findings(Tables(kernel_of(image, edit.frames), hidden=True))


@pytest.mark.parametrize("damage", [*TREES, *TABLES], ids=lambda damage: damage.__name__)
def test_a_broken_tree_or_page_tables_accuse_nobody(damage: Callable[[Image, Editor], None], clean: Image) -> None:
    """Nothing above smear, which is low; and it is told once why the process was not judged."""
    edit = Editor(clean)
    damage(clean, edit)
    found = told(clean, edit)
    assert [f for f in found if f.severity > Severity.INFO and f.rule != "smear"] == []
    pid = process_truth(clean, VICTIM)["pid"]
    (reason,) = [f for f in found if f.rule == "not-judged" and f.process and f.process.pid == pid]
    word = "its page tables loop" if damage in TABLES else "its VAD tree is broken"
    assert sum(word in line for line in reason.evidence) == 1


def test_a_broken_tree_is_told_with_how_many_of_its_nodes_were_found(clean: Image) -> None:
    edit = Editor(clean)
    cut_a_branch(clean, edit)
    tables = Tables(kernel_of(clean, edit.frames))
    victim = process_truth(clean, VICTIM)
    own = [row for row in tables.vads.rows if row.process.pid == victim["pid"]]
    found = sum(BY_TAG not in row.problems for row in own)
    assert len(own) == len(victim["vads"])
    words = tables.vads.broken[victim["eprocess"]]
    assert f"its VAD tree is broken, {found} of {len(victim['vads'])} nodes" in words
    assert 0 < found < len(victim["vads"])
    assert tables.vads.broken.keys() == {victim["eprocess"]}


def test_other_tables_conclude_nothing_from_what_a_broken_tree_lacks(clean: Image) -> None:
    """No module is said to have no image, and no thread to start in no range; no pool tag tells the lost nodes."""
    edit = Editor(clean)
    skip_a_node(clean, edit)
    for vad in process_truth(clean, VICTIM)["vads"]:
        edit.set(POOL_HEADER, vad["node"] - edit.build[POOL_HEADER].sizeof, "PoolTag", 0)
    tables = Tables(kernel_of(clean, edit.frames))
    pid = process_truth(clean, VICTIM)["pid"]
    lost = [row for row in tables.modules.rows if row.process.pid == pid and row.vad is None]
    assert lost
    assert {row.state for row in lost} == {"unreadable"}
    starts = [row for row in tables.starts if row.facts.thread.process.pid == pid]
    assert "nothing" not in {start.kind for row in starts for start in (row.start, row.win32)}
    assert any("could not be read whole" in line for row in starts for line in row.problems)


def test_what_a_tree_shows_when_whole_is_told_and_not_when_it_is_broken() -> None:
    """The intruder's own findings over memory wait until its tree can be believed; those over others stay."""
    image = forge(INTRUSION)
    edit = Editor(image)
    implant = process_truth(image, "implant.exe")
    before = {f.rule for f in told(image, edit) if f.process and f.process.pid == implant["pid"]}
    edit.set(EPROCESS, implant["eprocess"], "VadCount", len(implant["vads"]) + 1)
    after = told(image, edit)
    left = {f.rule for f in after if f.process and f.process.pid == implant["pid"] and f.severity > Severity.INFO}
    assert {"injected-code", "uncovered-code", "unlisted-module"} <= before
    assert left == {"thread-hidden-from-debugger"}
    assert {f.rule for f in after} >= {"hollowed-program", "module-without-image", "injected-image"}


def test_a_list_of_threads_that_is_cut_or_holds_another_s_accuses_nobody(clean: Image) -> None:
    for break_it in ("cut", "foreign"):
        edit = Editor(clean)
        victim = process_truth(clean, VICTIM)
        thread = victim["threads"][0]["ethread"]
        if break_it == "cut":
            edit.set(ETHREAD, thread, "ThreadListEntry", 0)
        else:
            edit.set(ETHREAD, thread, "UniqueProcess", 8)
        tables = Tables(kernel_of(clean, edit.frames))
        assert "list of threads" in tables.threads.broken[victim["eprocess"]]
        assert [f for f in findings(tables) if f.severity > Severity.LOW] == []


def test_a_handle_table_of_another_gives_nobody_power() -> None:
    """The handles of a table that names another process may be that one's."""
    image = forge(INTRUSION)
    edit = Editor(image)
    peek = process_truth(image, "peek.exe")
    assert "lsass-memory" in {f.rule for f in told(image, edit) if f.process and f.process.pid == peek["pid"]}
    edit.set(HANDLE_TABLE, peek["object_table"], "UniqueProcessId", 8)
    found = {f.rule for f in told(image, edit) if f.process and f.process.pid == peek["pid"]}
    assert "lsass-memory" not in found
    assert {"smear", "not-judged"} <= found


def unseen(*views: str) -> Scenario:
    cast = tuple(replace(actor, unseen_by=views) if actor.pid == 1900 else actor for actor in LAB.cast)
    return replace(LAB, cast=cast)


@pytest.mark.parametrize("views", [("forward",), ("backward",)])
def test_who_is_missing_in_one_direction_of_a_torn_list_is_not_hidden(views: tuple[str, ...]) -> None:
    found = findings(Tables(kernel_of(forge(unseen(*views))), hidden=True))
    rules = {f.rule for f in found if f.process and f.process.pid == 1900}
    assert "half-hidden-process" not in {f.rule for f in found}
    assert "smear" in rules


def test_who_is_missing_in_the_table_of_ids_as_well_is() -> None:
    found = findings(Tables(kernel_of(forge(unseen("forward", "cid"))), hidden=True))
    assert [f.process.pid for f in found if f.rule == "half-hidden-process" and f.process] == [1900]


def test_a_list_that_is_cut_hides_nobody_and_says_so_once() -> None:
    """Both directions end at a link that is lost; who lies beyond is not called hidden."""
    image = forge(LAB)
    edit = Editor(image)
    links = edit.build[EPROCESS].offset("ActiveProcessLinks")
    edit.write(process_truth(image, "osk.exe")["eprocess"] + links, bytes(16))
    found = told(image, edit)
    assert not {"hidden-process", "half-hidden-process"} & {f.rule for f in found}
    (image_wide,) = [f for f in found if f.rule == "not-judged" and f.process is None]
    assert "the list of active processes is cut" in image_wide.evidence[0]
    lines = judged(Tables(kernel_of(image, edit.frames), hidden=True)).lines
    assert sum("the list of active processes is cut" in line for line in lines) == 1


def test_every_rule_rests_on_tables_that_are_known() -> None:
    resting = {rule.id for rule in RULES.values() if rule.rests}
    assert all(set(rule.rests) <= FITNESS.keys() for rule in RULES.values())
    assert {"uncovered-code", "module-without-image", "hollowed-program", "half-hidden-process"} <= resting
    assert all(RULES[rule].rests == () for rule in ("smear", "not-judged"))


def test_rules_over_whole_tables_are_told_to_have_judged(clean: Image) -> None:
    edit = Editor(clean)
    count_more(clean, edit)
    tables = Tables(kernel_of(clean, edit.frames))
    judgement = judged(tables, rules=["uncovered-code", "module-without-image"])
    assert judgement.lines == (
        f"2 rules were run over {judgement.processes} running processes",
        "not judged by 2 of the rules, in 1 of the processes: its VAD tree is broken",
    )
    whole = judged(Tables(kernel_of(clean)), rules=["uncovered-code", "module-without-image"])
    assert len(whole.lines) == 1


def test_a_table_that_no_rule_asks_for_is_not_walked_for_its_standing(clean: Image) -> None:
    tables = Tables(kernel_of(clean))
    standing = Standing(tables)
    assert standing.reason(tables.processes[0].address, ("threads",)) is None
    assert "threads" in vars(tables)
    assert not {"vads", "pages", "modules", "handle_tables"} & vars(tables).keys()


def test_the_smeared_tree_of_an_attacker_accuses_nobody(shared: Path, tmp_path: Path) -> None:
    """One VAD node that is skipped (15 of 20 nodes are left): it was eleven high findings, none of them right."""
    for name in ("base-19041.raw", "base-19041.truth.json"):
        (tmp_path / name).write_bytes(lzma.decompress((shared / "cases" / f"{name}.xz").read_bytes()))
    attack = shared / "cases" / "attacks" / "c17_smeared_tree.py"
    command = [sys.executable, attack, tmp_path / "base-19041.raw", tmp_path / "smeared.raw"]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True)
    found = findings(Tables(open_path(tmp_path / "smeared.raw"), hidden=True))
    assert {f.rule for f in found if f.severity > Severity.INFO} == {"smear"}
    lines = [line for f in found if f.rule == "not-judged" for line in f.evidence]
    assert any("15 of 20 nodes" in line for line in lines)


def test_an_answer_without_findings_says_that_rules_ran() -> None:
    """Nothing found and nothing judged are told apart, in the problems of the answer; the rows stay as they are."""
    answer = open_image(ROOT / "samples" / "lab-win11-22621.dmp").view("findings", rule="ended-but-running")
    assert list(answer) == []
    assert any(line.startswith("one rule was run over ") for line in answer.problems)


def read_otherwise(kernel: Kernel, structure: str, first: str, second: str) -> Kernel:
    """The same kernel through a layout that has two fields in each other's places."""
    build = kernel.build
    fields = dict(build.places[structure])
    fields[first], fields[second] = fields[second], fields[first]
    other = replace(build, places={**build.places, structure: fields}, _bound={})
    return Kernel(View(kernel.space, other), kernel.number, kernel.base, kernel.size, kernel.pdb, kernel.system)


def test_nothing_is_concluded_from_ranges_that_the_layout_does_not_fit() -> None:
    """An intruded machine, its VADs of another make: rules that rest on them are silent, the others judge as ever."""
    kernel = kernel_of(forge(INTRUSION))
    told = {each.rule for each in findings(Tables(kernel, hidden=True), Severity.LOW)}
    judgement = judged(
        Tables(read_otherwise(kernel, "_MMVAD_SHORT", "StartingVpn", "EndingVpn"), hidden=True), Severity.LOW
    )
    left = {each.rule for each in judgement.findings}
    resting = {name for name, rule in RULES.items() if set(rule.rests) & {"vads", "pages", "modules", "threads"}}
    assert told & resting
    assert not left & resting
    assert left == told - resting
    assert any("the layout does not fit this image: _MMVAD_SHORT" in line for line in judgement.lines)


def test_nothing_at_all_is_concluded_through_a_layout_that_is_not_of_this_kernel() -> None:
    """Where processes themselves are misread, no rule judges, and it is said."""
    kernel = kernel_of(forge(INTRUSION))
    judgement = judged(Tables(read_otherwise(kernel, "_ETHREAD", "Process", "Teb")))
    assert judgement.findings == ()
    assert any("the layout does not fit this image: _ETHREAD" in line for line in judgement.lines)
