"""VAD nodes that a broken tree lost are found by their pool tags, and no node joins a tree that is not its own."""

from __future__ import annotations

import lzma
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.forge import Image
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.paging import translate_one
from process_anatomy.volatility import open_path
from process_anatomy.walk.across.selfcheck import selfcheck
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.address_space import lost_nodes
from process_anatomy.walk.address_space.broken_trees import BY_LINK, BY_TAG
from process_anatomy.walk.address_space.pool_nodes import Node, node_at
from process_anatomy.walk.address_space.vads import Vad, VadTable, vads
from process_anatomy.walk.processes.listed import processes
from structs.eprocess import EPROCESS
from structs.object import POOL_HEADER
from structs.vad import MMVAD_SHORT
from tests.conftest import ROOT
from tests.generations import lab
from tests.in_process import rows_of
from tests.walk.damaged import PAGE, Editor, kernel_of, listed_truth, process_truth

BALANCED = [
    "x86-3790-1830", "x64-3790-1830", "x64-6000-16386", "x86-7601-24000", "x64-9200-16384", "x86-9600-16384",
    "x86-19041-0", "x64-9600-16384", "x64-14393-0", "x64-22621-382", "x64-26100-1742",
]  # fmt: skip
"""Layouts whose trees keep a balance: of every kind of tree, with and without PAE."""
VICTIM, OTHER = "notepad.exe", "explorer.exe"


@pytest.fixture(params=BALANCED)
def image(request: pytest.FixtureRequest) -> Image:
    return lab(request.param)


def trees(kernel: Kernel, names: Iterable[str | int] = (), lost: bool = True) -> VadTable:
    """The trees of the processes with these names or ids; of all where none is named."""
    wanted = set(names)
    listed = processes(kernel).rows
    return vads(kernel, [row for row in listed if not wanted or {row.name, row.pid} & wanted], lost)


def told(rows: Iterable[Vad]) -> dict[tuple[object, int], tuple[object, ...]]:
    """What rows say, by process and address; without their problems."""
    return {
        (r.process.pid, r.address): (r.depth, r.start, r.end, r.tag, r.protection, r.parent, r.vad_type) for r in rows
    }


def nodes_of(image: Image, process: dict[str, Any]) -> dict[int, Node]:
    """The nodes of a process, by address, as they are where nothing is damaged."""
    return {node.address: node for node in node_at(kernel_of(image), [v["node"] for v in process["vads"]])}


def by_tag(table: VadTable) -> list[Vad]:
    return [row for row in table.rows if BY_TAG in row.problems]


def pages_of(image: Image, edit: Editor) -> list[int]:
    """Numbers of the frames that nodes begin in."""
    nodes = (v["node"] for p in listed_truth(image.truth) for v in p.get("vads", ()))
    found = (translate_one(edit.space.memory, node, edit.space.root, edit.space.mode)[0] for node in nodes)
    return sorted({place // PAGE for place in found})


def test_a_branch_whose_link_is_zero_is_found_whole(image: Image) -> None:
    """Every row is as in the tree that is whole, at its depth and in its order; those that were lost say so."""
    whole = trees(kernel_of(image), [VICTIM])
    victim = process_truth(image, VICTIM)
    root = nodes_of(image, victim)[victim["vad_root"]]
    for side, field in enumerate(("Left", "Right")):
        edit = Editor(image)
        edit.set(MMVAD_SHORT, root.address, field, 0)
        damaged = kernel_of(image, edit.frames)
        table = trees(damaged, [VICTIM])
        assert list(told(table.rows).items()) == list(told(whole.rows).items())
        left = told(trees(damaged, [VICTIM], lost=False).rows)
        assert {row.address for row in by_tag(table)} == {at for _, at in told(whole.rows).keys() - left.keys()}
        assert root.children[side] in {row.address for row in by_tag(table)}
        (words,) = table.broken.values()
        assert f"its VAD tree is broken, {len(left)} of {len(whole.rows)} nodes, {len(by_tag(table))} more" in words


def test_nodes_below_pages_that_are_gone_are_found(image: Image) -> None:
    """Some pages of nodes of all processes are not in the image: more nodes are found, and none of another process."""
    edit = Editor(image)
    for frame in pages_of(image, edit)[1::4]:
        del edit.frames[frame]
    kernel = kernel_of(image, edit.frames)
    stated = {(p["pid"], v["node"]): v["start"] for p in listed_truth(image.truth) for v in p.get("vads", ())}
    table, before = trees(kernel), trees(kernel, lost=False)
    right = {(r.process.pid, r.address) for r in table.rows if stated.get((r.process.pid, r.address)) == r.start}
    first = {(r.process.pid, r.address) for r in before.rows if stated.get((r.process.pid, r.address)) == r.start}
    there = {key for key in stated if kernel.space.read(key[1], 0x20) is not None}
    assert first < right
    assert 2 * len(right - first) >= len(there - first), "of those that were lost and are there, half at least"
    assert {(r.process.pid, r.address) for r in table.rows} <= stated.keys()
    assert {r.process.address for r in by_tag(table)} <= table.broken.keys()


@pytest.mark.parametrize("build", ["x86-2600-2180", "x86-2600-5512"])
def test_nodes_of_a_splay_tree_are_found_below_a_page_that_is_gone(build: str) -> None:
    """A splay tree has no balance and no count: what hangs below a node that cannot be read is found."""
    image = lab(build)
    stated = {(p["pid"], v["node"]): v["start"] for p in listed_truth(image.truth) for v in p.get("vads", ())}
    edit = Editor(image)
    for frame in pages_of(image, edit)[::4]:
        del edit.frames[frame]
    kernel = kernel_of(image, edit.frames)
    found = by_tag(trees(kernel))
    assert found
    assert all(stated[row.process.pid, row.address] == row.start for row in found)


def test_two_trees_that_are_broken_at_once_take_nothing_from_each_other(image: Image) -> None:
    """Both lose a branch, and one links a branch of the other instead: each has its own nodes back, and no others."""
    whole = told(trees(kernel_of(image), [VICTIM, OTHER]).rows)
    first, second = (nodes_of(image, process_truth(image, name)) for name in (VICTIM, OTHER))
    root, other = (process_truth(image, name)["vad_root"] for name in (VICTIM, OTHER))
    stolen = second[second[other].children[0]]
    below = next(child for child in stolen.children if child)
    edit = Editor(image)
    edit.set(MMVAD_SHORT, root, "Right", stolen.address)
    edit.set(MMVAD_SHORT, stolen.address, "Left" if stolen.children[0] == below else "Right", 0)
    damaged = kernel_of(image, edit.frames)
    table = trees(damaged, [VICTIM, OTHER])
    own = {name: process_truth(image, name)["pid"] for name in (VICTIM, OTHER)}
    found = told(table.rows)
    taken = {at for pid, at in found if pid == own[VICTIM] and at not in first}
    reached = told(trees(damaged, [VICTIM], lost=False).rows)
    assert taken == {at for _, at in reached if at not in first}, "what its links led to, and nothing more"
    assert {key: facts for key, facts in found.items() if key[1] not in taken or key[0] == own[OTHER]} == whole
    assert below in {row.address for row in by_tag(table) if row.process.pid == own[OTHER]}
    alone = told(trees(damaged, [VICTIM]).rows)
    assert alone == {key: facts for key, facts in found.items() if key[0] == own[VICTIM]}


def twins(image: Image) -> tuple[dict[str, Any], dict[int, Node], list[Node]]:
    """A process, its nodes, and those of them whose two children have none."""
    for process in listed_truth(image.truth):
        nodes = nodes_of(image, process) if process.get("vads") else {}
        found = [n for n in nodes.values() if all(c in nodes and not any(nodes[c].children) for c in n.children)]
        if len(found) > 1:
            return process, nodes, found
    raise AssertionError("no tree has two such nodes")


def test_a_node_that_was_freed_is_not_taken(image: Image) -> None:
    """Its links lead to the tree as before; but what it names as its parent misses nothing, though one is counted."""
    victim, nodes, (parent, lost, *_) = twins(image)
    freed = parent.children[0]
    edit = Editor(image)
    edit.set(MMVAD_SHORT, parent.address, "Left", 0)
    edit.set(MMVAD_SHORT, parent.address, "ParentValue", parent.parent | 1)
    edit.set(MMVAD_SHORT, lost.address, "Right", 0)
    table = trees(kernel_of(image, edit.frames), [victim["pid"]])
    assert {row.address for row in by_tag(table)} == {lost.children[1]}
    assert {row.address for row in table.rows} == nodes.keys() - {freed}


@pytest.mark.parametrize("spoil", ["free", "across"])
def test_a_free_block_and_a_range_that_is_taken_are_not_taken_for_nodes(image: Image, spoil: str) -> None:
    """A block that its pool header calls free, and a node whose range lies across another's."""
    victim, nodes, (parent, *_) = twins(image)
    lost = nodes[parent.children[1]]
    edit = Editor(image)
    edit.set(MMVAD_SHORT, parent.address, "Right", 0)
    if spoil == "free":
        header = edit.build[POOL_HEADER]
        address = lost.address - header.sizeof
        record = header.struct.parse(edit.space.read(address, header.sizeof) or b"")
        edit.write(address, header.struct.build({**record, "PoolType": 0}))
    else:
        edit.set(MMVAD_SHORT, lost.address, "StartingVpn", parent.start >> 12 & 0xFFFF_FFFF)
        if "StartingVpnHigh" in edit.build[MMVAD_SHORT]:
            edit.set(MMVAD_SHORT, lost.address, "StartingVpnHigh", parent.start >> 44)
    table = trees(kernel_of(image, edit.frames), [victim["pid"]])
    assert {row.address for row in table.rows} == nodes.keys() - {lost.address}
    assert table.broken


def test_a_tree_whose_root_is_lost_is_found(image: Image) -> None:
    """The node of the table that the root names (to Windows 8), or the process that nodes of sections name (since)."""
    whole = trees(kernel_of(image), [VICTIM])
    edit = Editor(image)
    edit.set(EPROCESS, process_truth(image, VICTIM)["eprocess"], "VadRoot", 0)
    table = trees(kernel_of(image, edit.frames), [VICTIM])
    assert list(told(table.rows).items()) == list(told(whole.rows).items())
    assert {row.problems for row in table.rows} == {(BY_TAG,)}
    assert table.broken


def test_a_node_that_cannot_be_read_below_one_that_was_found_is_told() -> None:
    """It is shown as one that its parent names; those below it are found too."""
    image = lab("x64-22621-382")
    nodes = nodes_of(image, process_truth(image, OTHER))
    root = process_truth(image, OTHER)["vad_root"]
    lost = next(nodes[child] for child in nodes[root].children if child in nodes)
    gone = next(child for child in lost.children if any(nodes[child].children))
    edit = Editor(image)
    edit.set(MMVAD_SHORT, root, "Left" if nodes[root].children[0] == lost.address else "Right", 0)
    edit.write(gone, bytes(edit.build[MMVAD_SHORT].sizeof))
    table = trees(kernel_of(image, edit.frames), [OTHER])
    (row,) = [row for row in table.rows if row.address == gone]
    assert BY_LINK in row.problems
    assert {row.address for row in table.rows} == nodes.keys()


def refuse(kernel: Kernel) -> Any:
    raise AssertionError("nobody lost a node")


def test_nothing_is_looked_for_where_all_trees_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does the check of the layout look, whatever is broken."""
    monkeypatch.setattr(lost_nodes, "pool_nodes", refuse)
    image = lab("x64-22621-382")
    assert trees(kernel_of(image)).broken == {}
    edit = Editor(image)
    edit.set(MMVAD_SHORT, process_truth(image, VICTIM)["vad_root"], "Right", 0)
    kernel = kernel_of(image, edit.frames)
    selfcheck(kernel)
    with pytest.raises(AssertionError, match="nobody lost a node"):
        trees(kernel)


def test_the_nodes_that_an_attackers_smear_hides_are_shown(shared: Path, tmp_path: Path) -> None:
    """One node is skipped: it and the four below it are rows of the view, and completeness counts all twenty."""
    for name in ("base-19041.raw", "base-19041.truth.json"):
        (tmp_path / name).write_bytes(lzma.decompress((shared / "cases" / f"{name}.xz").read_bytes()))
    attack = shared / "cases" / "attacks" / "c17_smeared_tree.py"
    command = [sys.executable, attack, tmp_path / "base-19041.raw", tmp_path / "smeared.raw"]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True)
    kernel, before = (open_path(tmp_path / name) for name in ("smeared.raw", "base-19041.raw"))
    table = trees(kernel, [VICTIM])
    assert len(by_tag(table)) == 5
    whole = told(trees(before, [VICTIM]).rows)
    assert {key: facts[1:] for key, facts in told(table.rows).items()} == {k: facts[1:] for k, facts in whole.items()}
    pid = table.rows[0].process.pid
    assert isinstance(pid, int)
    rows = rows_of(kernel, "vads", pid=[pid])
    assert sum("found by its pool tag" in str(row["Problems"]) for row in rows) == 5
    (words,) = Tables(kernel, frozenset({pid})).vads.broken.values()
    assert "15 of 20 nodes, 5 more found by their pool tags" in words
