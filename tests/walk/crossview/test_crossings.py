"""Cross-view: every process that any view sees, in images that we did not make and in forged ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from process_anatomy.absent import Absent, Kind
from process_anatomy.forge import Image, forge
from process_anatomy.forge.cast.hiding import HIDING
from process_anatomy.kernel.identify import Kernel
from process_anatomy.walk.crossview.client_ids import CID
from process_anatomy.walk.crossview.crossings import Crossing, CrossTable, crossview
from process_anatomy.walk.crossview.sightings import (
    BACKWARD,
    CSR,
    CSRSS_HANDLES,
    FORWARD,
    HANDLES,
    JOB,
    SCAN,
    SESSION,
    THREADS,
    VIEWS,
    WIN32,
)
from process_anatomy.walk.crossview.verdicts import CONSISTENT, ENDED, HIDDEN, REASONS, REMNANT, VERDICTS
from process_anatomy.walk.processes.scan import scan
from tests.walk.damaged import Editor, kernel_of

FOREIGN = ["win10-19041", "srv2019-17763", "srv2016-14393", "winxp-2600-pae", "win7-7601-x86-pae"]
TRUTH = {
    FORWARD: "forward", BACKWARD: "backward", SCAN: "scan", THREADS: "threads", CID: "cid", HANDLES: "handles",
    CSRSS_HANDLES: "csrss_handles", CSR: "csr", SESSION: "session", JOB: "job", WIN32: "win32",
}  # fmt: skip
"""View to its name in the answer key of a forged image."""


@pytest.fixture(scope="module", params=FOREIGN)
def outside(
    request: pytest.FixtureRequest, opened: Callable[[str], Kernel], truth: Callable[[str], dict[str, Any]]
) -> tuple[Kernel, dict[str, Any]]:
    """A foreign image and its answer key."""
    return opened(request.param), truth(request.param)


@pytest.fixture(scope="module")
def image() -> Image:
    """The lab with hidden processes."""
    return forge(HIDING, 5)


@pytest.fixture(scope="module")
def table(image: Image) -> CrossTable:
    """The cross-view of it."""
    return crossview(kernel_of(image))


def row_of(table: CrossTable, name: str) -> Crossing:
    """The row of a process by the name that the answer key has."""
    return next(row for row in table.rows if row.process.name == name[:14])


def test_the_scan_finds_every_process_and_thread_of_foreign_images_and_nothing_else(
    outside: tuple[Kernel, dict[str, Any]],
) -> None:
    """With the right virtual and physical address, the right owner, and no doubt."""
    kernel, answers = outside
    found = scan(kernel)
    assert {row.address: row.physical for row in found.processes} == {
        p["eprocess"]: p["eprocess_pa"] for p in answers["processes"]
    }
    owners = {t["ethread"]: p["eprocess"] for p in answers["processes"] for t in p["threads"]}
    assert {row.address: row.owner for row in found.threads} == owners
    narrow = answers.get("arch") == "x86"  # there the headers of threads are empty
    assert all(row.in_place and row.by == ("header", "tag") and not row.doubts for row in found.processes)
    for row in found.threads:
        assert row.in_place
        assert (row.by, row.doubts) == ((("tag",), ("kind",)) if narrow else (("header", "tag"), ()))
    assert not found.problems


def test_every_process_of_foreign_images_is_consistent(outside: tuple[Kernel, dict[str, Any]]) -> None:
    """What each view holds is what the answer key says; every absence has a reason that is expected."""
    kernel, answers = outside
    table = crossview(kernel)
    narrow = answers.get("arch") == "x86"  # there csrss.exe has no records, and handles to some processes only
    assert all(narrow and "csrss.exe" in problem for problem in table.problems)
    rows = {row.process.address: row for row in table.rows}
    assert rows.keys() == {p["eprocess"] for p in answers["processes"]}
    ids = set(answers["cid_table"].values())
    held = {h["object"] for p in answers["processes"] for h in p.get("handles", ()) if h["type"] == "Process"}
    subsystems = {h["object"] for p in answers["processes"] for h in p.get("handles", ())
                  if h["type"] == "Process" and p["name"] == "csrss.exe"}  # fmt: skip
    recorded = {node["pid"] for ring in answers.get("csr", ()) for node in ring["ring"]}
    for process in answers["processes"]:
        row = rows[process["eprocess"]]
        assert isinstance(row.views[CSR], Absent) or row.views[CSR] is (process["pid"] in recorded)
        assert narrow or isinstance(row.views[CSR], bool)
        assert row.verdict == (ENDED if process["exited"] else CONSISTENT)
        assert all(absence.expected for absence in row.absences)
        assert not row.problems
        assert row.physical == process["eprocess_pa"]
        assert row.views[FORWARD] is row.views[BACKWARD] is process["in_active_list"]
        assert row.views[CID] is (process["eprocess"] in ids)
        assert row.views[HANDLES] is (process["eprocess"] in held)
        assert row.views[CSRSS_HANDLES] is (process["eprocess"] in subsystems)
        assert row.views[THREADS] is bool(process["threads"])
        session = row.views[SESSION]
        assert isinstance(session, Absent) if process["session"] is None or narrow else session is True


def test_each_view_sees_what_the_forged_truth_says(image: Image, table: CrossTable) -> None:
    """Of every process, hidden or not."""
    rows = {row.process.address: row for row in table.rows}
    assert rows.keys() == {p["eprocess"] for p in image.truth["processes"]}
    for process in image.truth["processes"]:
        row = rows[process["eprocess"]]
        for view, name in TRUTH.items():
            expected, seen = process["seen_by"][name], row.views[view]
            if expected is None:
                assert isinstance(seen, Absent), (process["name"], view)
                assert seen.kind is Kind.NOT_APPLICABLE
            else:
                assert seen is expected, (process["name"], view)
        assert row.physical == process["eprocess_pa"]


@pytest.mark.parametrize(
    ("name", "hidden_from"),
    [
        ("shade.exe", (FORWARD, BACKWARD)),
        ("shade-2.exe", (FORWARD, BACKWARD, CSRSS_HANDLES, CID, CSR, SESSION)),
        ("halfway.exe", (FORWARD,)),
        ("noheader.exe", (SCAN,)),
        ("noid.exe", (CID,)),
    ],
)
def test_a_hidden_process_is_told_with_the_views_it_hides_from(
    name: str, hidden_from: tuple[str, ...], table: CrossTable
) -> None:
    """Names with a digit or a hyphen are not left out."""
    row = row_of(table, name)
    assert row.verdict == HIDDEN
    assert set(row.hidden_from) == set(hidden_from)
    assert row.confidence == ("medium" if name == "halfway.exe" else "high")


def test_only_the_hidden_are_called_hidden(image: Image, table: CrossTable) -> None:
    """All others are consistent, ended, or the remains of one that is gone."""
    assert {row.process.name for row in table.rows if row.verdict == HIDDEN} == {
        "shade.exe", "shade-2.exe", "halfway.exe", "noheader.exe", "noid.exe",
    }  # fmt: skip
    assert {row.process.name for row in table.rows if row.verdict == REMNANT} == {"longgone.exe"}
    assert {row.process.name for row in table.rows if row.verdict == ENDED} == {"update.exe"}
    for row in table.rows:
        if row.verdict != HIDDEN:
            assert all(absence.expected for absence in row.absences)
            assert row.verdict in (CONSISTENT, ENDED, REMNANT)


def test_a_process_without_a_thread_yet_is_starting(table: CrossTable) -> None:
    """It is on the list and in the table of ids; that no thread and no csrss.exe knows it is expected."""
    row = row_of(table, "calc.exe")
    assert row.verdict == CONSISTENT
    assert {a.reason for a in row.absences if a.view in (THREADS, CSRSS_HANDLES)} == {"starting"}


def test_every_absence_has_a_reason_that_is_known(table: CrossTable) -> None:
    """And every view has an answer."""
    for row in table.rows:
        assert set(row.views) == set(VIEWS)
        assert {a.view for a in row.absences} == {view for view, seen in row.views.items() if seen is False}
        assert {a.reason for a in row.absences} <= set(REASONS)
        assert row.verdict in VERDICTS


def test_an_exited_process_that_someone_still_holds_is_ended(image: Image, table: CrossTable) -> None:
    """It stays on the list and in the table of ids, and the handle that keeps it is seen."""
    row = row_of(table, "update.exe")
    assert row.verdict == ENDED
    assert row.views[HANDLES] is True
    assert row.views[CID] is True
    assert row.listed


def test_a_copy_of_a_process_elsewhere_in_memory_is_a_remnant(image: Image) -> None:
    """It says that it lies where another page is; it does not count as a process of its own."""
    edit = Editor(image)
    victim = next(p for p in image.truth["processes"] if p["name"] == "notepad.exe")
    page = victim["eprocess"] & ~0xFFF
    free = max(edit.frames) + 1
    for step in range(2):
        edit.frames[free + step] = edit.space.read(page + step * 0x1000, 0x1000) or bytes(0x1000)
    big = replace(image, memory_size=max(image.memory_size, (free + 2) * 0x1000))
    rows = [row for row in crossview(kernel_of(big, edit.frames)).rows if row.process.address == victim["eprocess"]]
    assert [row.verdict for row in rows] == [CONSISTENT, REMNANT]
    assert rows[1].physical == victim["eprocess_pa"] % 0x1000 + free * 0x1000
    assert "copy of the process at" in rows[1].problems[0]
