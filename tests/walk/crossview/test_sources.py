"""A source that is taken away accuses nobody: no verdict gets graver, and nothing is found that was not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from process_anatomy.absent import Absent, Kind
from process_anatomy.errors import RequestError
from process_anatomy.findings import Severity, findings
from process_anatomy.forge import INTRUSION, LAB, Image, forge
from process_anatomy.kernel.identify import Kernel
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.crossview import sightings
from process_anatomy.walk.crossview.crossings import CrossTable, crossview
from process_anatomy.walk.crossview.sightings import CID, CSR, CSRSS_HANDLES, HANDLES, JOB, SESSION
from process_anatomy.walk.crossview.verdicts import CONSISTENT, ENDED, HIDDEN, REMNANT, SMEARED
from process_anatomy.walk.handles.entries import NO_ENTRIES
from process_anatomy.walk.handles.tables import CidTable, cid_table
from process_anatomy.walk.processes.memberships import Membership
from structs.eprocess import EPROCESS
from structs.handle import HANDLE_TABLE
from tests.walk.damaged import PAGE, Editor, kernel_of, listed_truth, process_truth

UNJUDGED = frozenset({"smear", "not-judged"})
"""Rules that tell what could not be judged; they accuse nobody."""
GRAVITY = {CONSISTENT: 0, ENDED: 0, REMNANT: 0, SMEARED: 1, HIDDEN: 2}
GONE = Absent(Kind.UNREADABLE, "it was taken away")
SCENARIOS = {"lab": LAB, "intrusion": INTRUSION}
Damage = Callable[[Image, Editor], None]


@pytest.fixture(scope="module", params=sorted(SCENARIOS))
def image(request: pytest.FixtureRequest) -> Image:
    """A forged image: a peaceful one, and one with intruders."""
    return forge(SCENARIOS[request.param], 23)


@pytest.fixture(scope="module")
def whole(image: Image) -> CrossTable:
    """The cross-view of all of it."""
    return crossview(kernel_of(image))


def graver(before: CrossTable, after: CrossTable, worst: str = CONSISTENT) -> dict[Any, tuple[str, str]]:
    """The processes whose verdict got graver, by address: what it was and what it is; up to one that may be told."""
    known = {row.process.address: row.verdict for row in before.rows if row.in_place}
    return {
        row.process.address: (known.get(row.process.address, CONSISTENT), row.verdict)
        for row in after.rows
        if row.in_place
        and GRAVITY[row.verdict] > max(GRAVITY[worst], GRAVITY[known.get(row.process.address, CONSISTENT)])
    }


def without_ids(image: Image, edit: Editor) -> None:
    """The table of ids leads nowhere."""
    table = cid_table(kernel_of(image)).address
    assert isinstance(table, int)
    edit.set(HANDLE_TABLE, table, "TableCode", 0)


def without_handles(image: Image, edit: Editor) -> None:
    """The handle table of each csrss.exe lies where nothing is."""
    for process in image.truth["processes"]:
        if process["name"] == "csrss.exe":
            edit.set(EPROCESS, process["eprocess"], "ObjectTable", edit.space.system_start + 0x10)


def without_sessions(image: Image, edit: Editor) -> None:
    """Each process's session lies where nothing is."""
    for process in image.truth["processes"]:
        edit.set(EPROCESS, process["eprocess"], "Session", edit.space.system_start + 0x1000)


def without_jobs(image: Image, edit: Editor) -> None:
    """The job of each process that has one lies where nothing is."""
    for process in image.truth["processes"]:
        at = process["eprocess"] + edit.build[EPROCESS].offset("Job")
        if int.from_bytes(edit.space.read(at, 8) or b"", "little"):
            edit.set(EPROCESS, process["eprocess"], "Job", edit.space.system_start + 0x1000)


def without_page_tables(image: Image, edit: Editor) -> None:
    """The root of one csrss.exe's page tables is not in the image, and so no memory of its own."""
    del edit.frames[process_truth(image, "csrss.exe")["dtb"] // PAGE]


def without_half_of_the_list(image: Image, edit: Editor) -> None:
    """The active list ends in its middle, followed either way."""
    listed = listed_truth(image.truth)
    link = listed[len(listed) // 2]["eprocess"] + edit.build[EPROCESS].offset("ActiveProcessLinks")
    edit.write(link, bytes(16))


ABSENT: dict[str, Damage] = {
    "the table of ids": without_ids,
    "the handles of csrss.exe": without_handles,
    "sessions": without_sessions,
    "jobs": without_jobs,
    "the page tables of csrss.exe": without_page_tables,
}
"""Sources that can be taken away as a whole, so that nothing can be asked of them."""


@pytest.mark.parametrize("source", ABSENT)
def test_a_source_that_is_gone_makes_no_verdict_graver(source: str, image: Image, whole: CrossTable) -> None:
    """It is not looked at, and that is all."""
    edit = Editor(image)
    ABSENT[source](image, edit)
    after = crossview(kernel_of(image, edit.frames))
    assert graver(whole, after) == {}
    assert {r.process.address for r in whole.rows if r.in_place} == {
        r.process.address for r in after.rows if r.in_place
    }


def test_a_list_that_is_cut_hides_nobody(image: Image, whole: CrossTable) -> None:
    """What lies behind the cut is not certain, but it is not said to be hidden."""
    edit = Editor(image)
    without_half_of_the_list(image, edit)
    assert graver(whole, crossview(kernel_of(image, edit.frames)), SMEARED) == {}


def test_without_the_table_of_ids_the_view_is_absent_and_says_why(image: Image) -> None:
    """The reason stands in its place, for every process that is in place."""
    edit = Editor(image)
    without_ids(image, edit)
    for row in crossview(kernel_of(image, edit.frames)).rows:
        view = row.views[CID]
        assert isinstance(view, Absent)
        assert "process id" in view.reason
        assert CID not in {absence.view for absence in row.absences}


def no_ids(patch: pytest.MonkeyPatch) -> frozenset[str]:
    patch.setattr(sightings, "cid_table", lambda *_: CidTable(GONE, NO_ENTRIES, (str(GONE),)))
    return frozenset({CID})


def no_subsystem(patch: pytest.MonkeyPatch) -> frozenset[str]:
    def none(*_: Any) -> Any:
        raise RequestError("csrss.exe's structures are not in the layout")

    patch.setattr(sightings, "csrss", none)
    return frozenset({CSR})


def no_groups(patch: pytest.MonkeyPatch) -> frozenset[str]:
    for name in ("session_lists", "job_lists"):
        patch.setattr(
            sightings, name, lambda _, rows: Membership(dict.fromkeys((r.address for r in rows), GONE), {}, {})
        )
    return frozenset({SESSION, JOB})


PATCHES = {"the table of ids": no_ids, "the layouts of csrss.exe": no_subsystem, "sessions and jobs": no_groups}


@pytest.mark.parametrize("source", PATCHES)
@pytest.mark.parametrize("name", ["srv2016-14393", "winxp-2600-pae"])
def test_foreign_images_without_a_source_accuse_nobody(
    name: str, source: str, opened: Callable[[str], Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows that we did not forge, old and new."""
    before = crossview(opened(name))
    missing = PATCHES[source](monkeypatch)
    after = crossview(opened(name))
    assert graver(before, after) == {}
    for row in after.rows:
        assert not missing & {absence.view for absence in row.absences if not absence.expected}
        assert all(row.views[view] is not False or not row.in_place or absent_by_kind(row, view) for view in missing)


def absent_by_kind(row: Any, view: str) -> bool:
    """Whether a process is not to be seen there whatever could be read: it is of no session, say."""
    return view == CSR and any(a.view == view and a.expected and a.reason != "unreadable" for a in row.absences)


@pytest.mark.parametrize("source", [*ABSENT, "half of the list"])
def test_nothing_is_found_because_a_source_is_gone(source: str) -> None:
    """Findings of the peaceful machine, with the source and without; what could not be judged may be said."""
    lab = forge(LAB, 23)
    edit = Editor(lab)
    ABSENT.get(source, without_half_of_the_list)(lab, edit)

    def found(kernel: Kernel) -> set[tuple[Any, str]]:
        rows = findings(Tables(kernel, hidden=True), Severity.INFO, [])
        return {(row.process.address if row.process else None, row.rule) for row in rows if row.rule not in UNJUDGED}

    assert found(kernel_of(lab, edit.frames)) - found(kernel_of(lab)) == set()


def test_views_of_the_subsystem_are_absent_where_no_csrss_is_known(image: Image) -> None:
    """A session whose csrss.exe nobody found cannot be asked what it was told."""
    edit = Editor(image)
    for process in image.truth["processes"]:
        if process["name"] == "csrss.exe":
            edit.write(process["eprocess"] + edit.build[EPROCESS].offset("ImageFileName"), b"other.exe\0")
    rows = [r for r in crossview(kernel_of(image, edit.frames)).rows if isinstance(r.process.session, int)]
    alive = [row for row in rows if row.process.lives and row.in_place]
    assert alive
    for row in alive:
        assert isinstance(row.views[CSRSS_HANDLES], Absent)
        assert row.views[HANDLES] is True or isinstance(row.views[HANDLES], Absent)
