"""What an image claims again and again costs once: lists, trees, names and ranges that lead to the same few bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from process_anatomy.absent import Absent
from process_anatomy.forge import Image, forge
from process_anatomy.kernel import lists
from process_anatomy.kernel.identify import Kernel
from process_anatomy.kernel.lists import follow_heads
from process_anatomy.memory.view import SURPLUS, View, addresses_of
from process_anatomy.walk.address_space import vad_trees
from process_anatomy.walk.address_space.vads import vads
from process_anatomy.walk.crossview.csr_roots import PAGE_LIMIT, csr_roots
from process_anatomy.walk.handles.object_names import KEY_NAME_LIMIT, PATH_LIMIT, keys_named, objects_named
from process_anatomy.walk.processes.listed import processes
from process_anatomy.walk.registry import hives
from process_anatomy.walk.security.tokens import NAMED, SHARED, tokens
from structs.eprocess import EPROCESS
from structs.registry import CM_KEY_BODY, CM_KEY_CONTROL_BLOCK, CM_NAME_CONTROL_BLOCK
from structs.vad import MMVAD_SHORT
from tests.memory.patchwork import Patchwork
from tests.walk.damaged import kernel_of, process_truth
from tests.walk.losses import small_lab
from tests.walk.overlay import Overlay

WIDE = (1 << 47) - 0x10000
"""Where a range of all of user space ends."""


@pytest.fixture(scope="module")
def image() -> Image:
    return forge(small_lab(), 7)


@pytest.fixture(scope="module")
def whole(image: Image) -> Kernel:
    return kernel_of(image)


@pytest.fixture
def over(whole: Kernel) -> Overlay:
    return Overlay(whole)


def test_many_lists_that_lead_into_one_chain_hold_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a few links of it, and says where it was left."""
    monkeypatch.setattr(lists, "SHARED", 10)
    chain = [0x1000 + 16 * n for n in range(200)]
    links = {at: (chain[(n + 1) % 200], chain[n - 1]) for n, at in enumerate(chain)}
    heads = [0x10000 + 16 * n for n in range(50)]
    links |= dict.fromkeys(heads, (chain[0], chain[0]))
    space = Patchwork({at: a.to_bytes(8, "little") + b.to_bytes(8, "little") for at, (a, b) in links.items()})
    rings = follow_heads(space, addresses_of(heads))
    assert sum(len(ring.links) for ring in rings) <= 2 * (200 + 10)
    assert max(len(ring.links) for ring in rings) == 200
    assert all(ring.broken for ring in rings)
    assert sum("is on another list too" in line for ring in rings for line in ring.problems) > 90


def test_whole_lists_share_nothing_and_are_followed_whatever_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "SHARED", 0)
    links = {}
    for head in (0x10000, 0x20000):
        order = [head + 16 * n for n in range(40)]
        links |= {at: (order[(n + 1) % 40], order[n - 1]) for n, at in enumerate(order)}
    links[0x30000] = (0x10010, 0x10010)  # a third leads into the first
    space = Patchwork({at: a.to_bytes(8, "little") + b.to_bytes(8, "little") for at, (a, b) in links.items()})
    first, second, stray = follow_heads(space, addresses_of([0x10000, 0x20000, 0x30000]))
    assert [len(first.links), len(second.links)] == [39, 39]
    assert not first.broken
    assert not second.broken
    assert stray.broken


def test_many_processes_that_lead_to_one_tree_have_it_once(
    image: Image, over: Overlay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vad_trees, "SHARED", 10)
    root = process_truth(image, "explorer.exe")["vad_root"]
    rows = [row for row in processes(over.whole).rows if row.lives]
    for row in rows:
        over.set(EPROCESS, row.address, "VadRoot", root)
    kernel = over.kernel()
    table = vads(kernel, processes(kernel).rows, lost=False)
    assert len(table.rows) <= len({row.address for row in table.rows}) + 10
    assert len(table.broken) >= len(rows) - 2
    assert any("is not followed" in line for row in table.rows for line in row.problems) or table.problems


def test_a_tree_has_no_more_nodes_than_the_image_has_room_for(
    image: Image, whole: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vad_trees, "NODE_LIMIT", 5)
    table = vads(whole, [row for row in processes(whole).rows if row.name == "explorer.exe"], lost=False)
    assert len(table.rows) == 5
    assert table.broken


def test_a_library_that_claims_all_of_user_space_is_searched_as_far_as_a_library_goes(
    image: Image, over: Overlay
) -> None:
    """A list of its pages would not go into any memory."""
    places = over.build[MMVAD_SHORT]
    for process in (p for p in image.truth["processes"] if p["name"] == "csrss.exe"):
        for vad in (v for v in process["vads"] if str(v["file"]).lower().endswith("csrsrv.dll")):
            for field, value in (("StartingVpn", 1), ("EndingVpn", WIDE >> 12)):
                mask = (1 << 8 * places.place(field).size) - 1
                over.set(MMVAD_SHORT, vad["node"], field, value & mask)
                if f"{field}High" in places:
                    over.set(MMVAD_SHORT, vad["node"], f"{field}High", value >> 32)
    kernel = over.kernel()
    roots = csr_roots(kernel, processes(kernel).rows)
    assert len(roots) == 2
    assert all(f"of its {PAGE_LIMIT} pages cannot be read" in " ".join(root.problems) for root in roots)


def test_strings_that_overlap_are_read_until_the_image_has_no_room(whole: Kernel) -> None:
    """The short ones first, so that they are read whatever the long ones claim."""
    at = 0xFFFF_8000_0000_1000
    space = Patchwork({at: b"a\0" * 3000})
    space.room = 20_000
    long = [(at + 2 * n, 4000) for n in range(200)]
    texts = View(space, whole.build).strings([at, *(a for a, _ in long)], [12, *(n for _, n in long)])
    assert texts[0] == "a" * 6
    assert sum(len(text) for text in texts if isinstance(text, str)) <= space.room
    assert sum(isinstance(text, Absent) and SURPLUS in text.reason for text in texts) > 190


def test_a_key_has_no_longer_name_than_windows_allows(image: Image, over: Overlay) -> None:
    key = next(h for p in image.truth["processes"] for h in p["handles"] if h["type"] == "Key")["object"]
    block = over.whole.view.parse(CM_KEY_BODY, key)["KeyControlBlock"]
    name = over.whole.view.parse(CM_KEY_CONTROL_BLOCK, block)["NameBlock"]
    assert isinstance(keys_named(over.whole, addresses_of([key]))[0], str)
    over.set(CM_NAME_CONTROL_BLOCK, name, "NameLength", KEY_NAME_LIMIT + 2)
    (told,) = keys_named(over.kernel(), addresses_of([key]))
    assert isinstance(told, Absent)
    assert f"has {KEY_NAME_LIMIT + 2} bytes" in told.reason


def test_paths_are_no_longer_all_together_than_the_image_has_room_for(whole: Kernel) -> None:
    from process_anatomy.walk.handles import object_names

    assert PATH_LIMIT == 0x7FFF
    paths = object_names._Paths(100)
    assert [paths.told("x" * 40) for _ in range(4)] == ["x" * 40, "x" * 40, object_names.SURPLUS, object_names.SURPLUS]
    assert isinstance(object_names._joined("y" * PATH_LIMIT, "z"), Absent)
    assert objects_named(whole, addresses_of([])) == ([], [])


def test_processes_that_share_a_token_are_named_by_a_few_and_a_count(whole: Kernel) -> None:
    rows = processes(whole).rows
    one = next(row for row in rows if isinstance(row.token, int) and row.name == "explorer.exe")
    found = tokens(whole, [replace(one, pid=4 * n) for n in range(1, 100)])
    lines = [line for token in found for line in token.problems if line.startswith(SHARED)]
    assert len(lines) == 99
    assert all(f"and {98 - NAMED} more" in line for line in lines)
    assert max(map(len, lines)) < 150
    two = tokens(whole, [replace(one, pid=4), replace(one, pid=8)])
    assert [line.count("more") for token in two for line in token.problems if line.startswith(SHARED)] == [0, 0]


def test_of_many_hives_with_one_name_a_few_are_opened(whole: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    table = hives.hives(whole, processes(whole).rows)
    software = next(hive for hive in table.rows if str(hive.name).lower().endswith("software"))
    opened = []
    true_open = hives.Hive.open
    monkeypatch.setattr(hives.Hive, "open", lambda hive, path: (opened.append(path), true_open(hive, "no such key"))[1])
    found = hives.profiles(whole, (), hives.HiveTable((software,) * 60, ()))
    assert len(opened) == hives.TRIED
    assert any("60 hives could be SOFTWARE" in line for line in found.problems)
