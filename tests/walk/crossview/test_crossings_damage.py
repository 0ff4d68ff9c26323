"""Cross-view of hostile memory: it ends, it says what is odd, and no undamaged process is lost or accused."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from process_anatomy.errors import Error
from process_anatomy.forge import LAB, Image, forge
from process_anatomy.memory.physical import CachedMemory
from process_anatomy.memory.sweep import sweep
from process_anatomy.notes.crossview_rows import crossing_row
from process_anatomy.notes.explainer import Explainer
from process_anatomy.volatility import open_path
from process_anatomy.walk.crossview.client_ids import CID
from process_anatomy.walk.crossview.crossings import CrossTable, crossview
from process_anatomy.walk.crossview.sightings import BACKWARD, FORWARD, SCAN, THREADS
from process_anatomy.walk.crossview.verdicts import CONSISTENT, ENDED, HIDDEN, REMNANT, SMEARED
from process_anatomy.walk.handles.tables import cid_table
from process_anatomy.walk.processes.objects_in_memory import LOCK_MASK, PROCESS, THREAD
from process_anatomy.walk.processes.scan import FOUND_LIMIT, scan
from structs.eprocess import EPROCESS
from tests.walk.damaged import GARBAGE, PAGE, Editor, kernel_of, process_truth

REAL = [
    "triage-x64-9600-111317-27812-criticalrocket.dmp",
    "triage-x64-17763-011620-8250-proxyrule.dmp",
    "triage-x64-19041-102622-15671-daimuvg.dmp",
    "triage-x64-19041-102622-12546-daimuvg.dmp",
]
"""Small dumps of machines that nobody set up for this; two of the processes are being waited for."""
TAGS = b"".join(bytes((0, 0, 0x90, 2)) + b"Proc" + bytes(8) for _ in range(PAGE // 16))
"""A page of nothing but pool headers of processes."""


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab image."""
    return forge(LAB, 23)


@pytest.fixture
def edit(image: Image) -> Editor:
    """The lab image, ready to be damaged."""
    return Editor(image)


def crossed(image: Image, edit: Editor) -> CrossTable:
    """The cross-view of a damaged image, each row explained."""
    table = crossview(kernel_of(image, edit.frames))
    explain = Explainer("full")
    for row in table.rows:
        assert explain(crossing_row, row, explain.library)
    return table


def verdicts(table: CrossTable) -> dict[int, str]:
    """Verdict by address of processes that are in place."""
    return {row.process.address: row.verdict for row in table.rows if row.in_place}


def undamaged(image: Image, *victims: dict[str, Any]) -> dict[int, str]:
    """What all other processes have to be."""
    gone = {victim["eprocess"] for victim in victims}
    return {
        p["eprocess"]: ENDED if p["exited"] else CONSISTENT if p["in_active_list"] else HIDDEN
        for p in image.truth["processes"]
        if p["eprocess"] not in gone
    }


def accused(image: Image, table: CrossTable) -> set[int]:
    """Addresses of processes that are said to be hidden and are not."""
    truly = {p["eprocess"] for p in image.truth["processes"] if not p["in_active_list"]}
    return {address for address, verdict in verdicts(table).items() if verdict == HIDDEN} - truly


@pytest.mark.parametrize("side", [0, 8])
@pytest.mark.parametrize("value", [0, 0x41414141, "self", "System"])
def test_a_broken_link_accuses_nobody(side: int, value: Any, image: Image, edit: Editor) -> None:
    """What lies behind a break is reached by the other direction; that the broken one misses it proves nothing."""
    inside = edit.build[EPROCESS].offset("ActiveProcessLinks")
    victim, system = process_truth(image, "explorer.exe"), process_truth(image, "System")
    pointer = {"self": victim["eprocess"] + inside, "System": system["eprocess"] + inside}.get(value, value)
    edit.write(victim["eprocess"] + inside + side, int(pointer).to_bytes(8, "little"))
    table = crossed(image, edit)
    assert {row.process.address for row in table.rows} == {p["eprocess"] for p in image.truth["processes"]}
    if value == "System":  # the list closes, as it does after an unlinking
        assert all({a.view for a in r.absences if not a.expected} <= {FORWARD, BACKWARD} for r in table.rows)
    else:
        assert accused(image, table) == set()
        missed = [row for row in table.rows if any(a.reason == "broken-list" for a in row.absences)]
        behind = {row.verdict for row in missed if row.listed}
        assert SMEARED in behind <= {SMEARED, ENDED}


def test_a_process_that_wiped_its_links_is_hidden_from_both_directions(image: Image, edit: Editor) -> None:
    """The neighbours are joined and the links overwritten, as careful malware does it."""
    inside = edit.build[EPROCESS].offset("ActiveProcessLinks")
    victim = process_truth(image, "notepad.exe")
    link = victim["eprocess"] + inside
    data = edit.space.read(link, 16) or bytes(16)
    after, before = int.from_bytes(data[:8], "little"), int.from_bytes(data[8:], "little")
    edit.write(before, after.to_bytes(8, "little"))
    edit.write(after + 8, before.to_bytes(8, "little"))
    edit.write(link, bytes(16))
    table = crossed(image, edit)
    row = next(row for row in table.rows if row.process.address == victim["eprocess"])
    assert (row.verdict, row.confidence) == (HIDDEN, "high")
    assert set(row.hidden_from) == {FORWARD, BACKWARD}
    assert {view: row.views[view] for view in (SCAN, THREADS, CID)} == {SCAN: True, THREADS: True, CID: True}
    assert {a: v for a, v in verdicts(table).items() if a != victim["eprocess"]} == undamaged(image, victim)


def test_an_id_that_was_taken_out_of_its_table_is_told(image: Image, edit: Editor) -> None:
    """All other views still see it; the table itself has no total that would tell."""
    victim = process_truth(image, "notepad.exe")
    kernel = kernel_of(image)
    entries = cid_table(kernel).entries
    at = int(entries.entry[entries.value == victim["pid"]][0])
    edit.write(at, bytes(8))
    table = crossed(image, edit)
    row = next(row for row in table.rows if row.process.address == victim["eprocess"])
    assert (row.verdict, row.hidden_from, row.confidence) == (HIDDEN, (CID,), "high")
    assert {a: v for a, v in verdicts(table).items() if a != victim["eprocess"]} == undamaged(image, victim)


def test_threads_that_are_not_in_the_image_hide_nobody(image: Image, edit: Editor) -> None:
    """No thread leads to the process, but its own list leads out of memory as well."""
    victim = process_truth(image, "osk.exe")
    frames = {t["ethread_pa"] // PAGE for t in victim["threads"]} - {victim["eprocess_pa"] // PAGE}
    for frame in frames:
        del edit.frames[frame]
    row = next(row for row in crossed(image, edit).rows if row.process.address == victim["eprocess"])
    assert {a.reason for a in row.absences if a.view == THREADS} <= {"unreadable"}
    assert row.verdict in (SMEARED, CONSISTENT)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.proves("real")
def test_real_small_dumps_accuse_nobody(name: str, shared: Path) -> None:
    """They hold pieces of memory: what no piece shows may well have been there."""
    for row in crossview(open_path(shared / "real" / name)).rows:
        assert row.verdict in (CONSISTENT, SMEARED, ENDED)
        assert False not in row.views.values()
        assert row.confidence == "low" or row.verdict == ENDED


@pytest.mark.parametrize("name", REAL)
@pytest.mark.proves("real")
def test_real_processes_and_threads_begin_as_the_search_expects(name: str, shared: Path) -> None:
    """Kind, and at least one list head that points to itself, at multiples of 16."""
    kernel = open_path(shared / "real" / name)
    assert kernel.crash is not None
    for kind, address in ((PROCESS, kernel.crash.process), (THREAD, kernel.crash.thread)):
        found = kernel.view.parse(kind.layout, address)
        assert address % kernel.build.pool_unit == 0
        assert found["HeaderType"] & LOCK_MASK == kind.number
        heads = {name: address + kernel.build[kind.layout].offset(name) for name in kind.heads}
        assert any(found[name].Flink == found[name].Blink == head for name, head in heads.items())


@pytest.mark.parametrize("frames", [64, 3072])
def test_fake_pool_tags_are_no_processes_and_cost_little(frames: int, image: Image, edit: Editor) -> None:
    """Up to three quarters of a million of them."""
    first = max(edit.frames) + 1
    edit.frames |= dict.fromkeys(range(first, first + frames), TAGS)
    big = replace(image, memory_size=(first + frames) * PAGE)
    start = time.monotonic()
    table = crossed(big, edit)
    assert time.monotonic() - start < 30
    assert verdicts(table) == undamaged(image)
    assert len(table.rows) == len(image.truth["processes"])


def test_many_copies_of_a_process_are_remnants_and_do_not_hide_the_rest(image: Image, edit: Editor) -> None:
    """Each copy is told with where it lies."""
    victim = process_truth(image, "explorer.exe")
    page = victim["eprocess"] & ~(PAGE - 1)
    pages = [edit.space.read(page + step * PAGE, PAGE) or bytes(PAGE) for step in range(2)]
    first, copies = max(edit.frames) + 1, 300
    edit.frames |= {first + number: pages[number % 2] for number in range(2 * copies)}
    table = crossed(replace(image, memory_size=(first + 2 * copies) * PAGE), edit)
    assert verdicts(table) == undamaged(image)
    left = [row for row in table.rows if not row.in_place]
    assert len(left) >= copies
    assert {row.verdict for row in left} == {REMNANT}
    assert {row.process.pid for row in left if row.process.address == victim["eprocess"]} == {victim["pid"]}


def test_more_processes_than_are_kept_are_counted(image: Image, edit: Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number that was left out is told."""
    monkeypatch.setattr("process_anatomy.walk.processes.scan.FOUND_LIMIT", 10)
    found = scan(kernel_of(image, edit.frames))
    count = len(image.truth["processes"])
    assert len(found.processes) == 10 < FOUND_LIMIT
    assert f"{count - 10} more that look like _EPROCESS were left out" in found.problems


@pytest.mark.parametrize("name", ["svchost.exe", "lsass.exe"])
def test_a_process_whose_frame_is_gone_is_smeared_and_accuses_nobody(name: str, image: Image, edit: Editor) -> None:
    """The list still leads to it; that a search does not find it is no wonder."""
    victim = process_truth(image, name)
    frame = victim["eprocess_pa"] // PAGE
    del edit.frames[frame]
    lost = [p for p in image.truth["processes"]
            if frame in (p["eprocess_pa"] // PAGE, (p["eprocess_pa"] + 0xB00) // PAGE)]  # fmt: skip
    table = crossed(image, edit)
    assert accused(image, table) <= {p["eprocess"] for p in lost}
    others = undamaged(image, *lost)
    assert others.keys() <= verdicts(table).keys()


def test_every_page_is_looked_at_once() -> None:
    """In order, with its address; pages that are not there are left out."""
    frames = {2: b"\2" * PAGE, 3: b"\3" * PAGE, 9000: b"\4" * PAGE}
    reads: list[int] = []

    def read(address: int, size: int) -> bytes | None:
        reads.append(address // PAGE)
        return frames.get(address // PAGE)

    seen = [
        (int(page) // PAGE, int(octets[0]))
        for pages, block in sweep(CachedMemory(read, 9001 * PAGE))
        for page, octets in zip(pages, block, strict=True)
    ]
    assert seen == [(2, 2), (3, 3), (9000, 4)]
    assert reads == list(range(9001))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_process_objects_cost_only_themselves(data: st.DataObject, image: Image) -> None:
    """Whatever a process object holds, all others keep their rows, and what is told can be explained."""
    edit = Editor(image)
    size = edit.build[EPROCESS].sizeof
    listed = [p for p in image.truth["processes"] if p["name"] not in ("System", "csrss.exe")]
    victims = data.draw(st.lists(st.sampled_from(listed), min_size=1, max_size=3, unique_by=lambda p: p["eprocess"]))
    links = edit.build[EPROCESS].offset("ActiveProcessLinks")
    for victim in victims:
        at = data.draw(st.integers(0, size - 64))
        junk = data.draw(st.binary(min_size=1, max_size=64))
        if at < links + 16 and at + len(junk) > links:
            junk = junk[: max(0, links - at)]  # broken links are another test's
        edit.write(victim["eprocess"] + at, junk)
    table = crossed(image, edit)
    others = undamaged(image, *victims)
    assert others.keys() <= verdicts(table).keys()
    assert {p["eprocess"] for p in victims} <= {row.process.address for row in table.rows}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_spoiled_frames_end_in_rows_and_reasons(data: st.DataObject, image: Image) -> None:
    """Frames that are gone or hold garbage: the walk ends without an error."""
    edit = Editor(image)
    spare = {image.truth["dtb"] // PAGE}
    chosen = data.draw(st.sets(st.sampled_from(sorted(edit.frames.keys() - spare)), min_size=1, max_size=12))
    spoil = data.draw(st.sampled_from([None, *GARBAGE]))
    for frame in chosen:
        if spoil is None:
            del edit.frames[frame]
        else:
            edit.frames[frame] = spoil(edit.frames[frame])
    try:
        kernel = kernel_of(image, edit.frames)
    except Error:  # the kernel itself was hit, which other tests are about
        return
    table = crossview(kernel)
    assert len({(row.process.address, str(row.physical)) for row in table.rows}) == len(table.rows)
