"""A source that is taken away accuses nobody: no verdict gets graver, and nothing is found that was not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from process_anatomy.absent import Absent, Kind
from process_anatomy.errors import RequestError
from process_anatomy.findings import judged
from process_anatomy.forge import INTRUSION, LAB, Image, forge
from process_anatomy.forge.cast.hiding import HIDING
from process_anatomy.kernel.identify import Kernel
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.crossview import sightings
from process_anatomy.walk.crossview.client_ids import CID
from process_anatomy.walk.crossview.crossings import crossview
from process_anatomy.walk.crossview.sightings import CSR, CSRSS_HANDLES, HANDLES, JOB, SESSION
from process_anatomy.walk.crossview.verdicts import CONSISTENT, HIDDEN, SMEARED
from process_anatomy.walk.handles.entries import NO_ENTRIES
from process_anatomy.walk.handles.tables import CidTable
from process_anatomy.walk.processes.memberships import Membership
from structs.eprocess import EPROCESS
from tests.conftest import ROOT
from tests.walk.damaged import Editor, kernel_of
from tests.walk.sources import CUTS, SEED, SOURCES, Judgement, conclude, loss, taken

GONE = Absent(Kind.UNREADABLE, "it was taken away")
SCENARIOS = {"lab": LAB, "intrusion": INTRUSION, "hiding": HIDING}


@pytest.fixture(scope="module", params=["lab", "intrusion"])
def image(request: pytest.FixtureRequest) -> Image:
    """A forged image: a peaceful one, and one with intruders."""
    return forge(SCENARIOS[request.param], SEED)


SHORT_NAME_ALONE = ("the audited names of all processes", "wrong-parent")
"""Without its audited name a process is called by the kernel's short name, which a renamed one has chosen itself."""
OF_LISTS = ("the table of ids", "half of the active list", "the object types", "jobs", "the object of services.exe")
FOREIGN = ("win10-19041", "win7-7601-x86-pae")
OF_FOREIGN = (
    *OF_LISTS, "the handles of csrss.exe", "the page tables of csrss.exe", "the kernel's header", "the list of drivers",
    "the VAD trees of all processes", "the threads of all processes", "the tokens of some processes",
    "the audited names of all processes",
)  # fmt: skip
"""What is taken from images that we did not make; the page of docs tells of all of it."""


@pytest.fixture(scope="module")
def concluded() -> Callable[[str, Callable[[], Kernel]], tuple[Kernel, Judgement]]:
    """The kernel of an image and what is concluded from all of it, by its name, once."""
    known: dict[str, tuple[Kernel, Judgement]] = {}

    def of(name: str, make: Callable[[], Kernel]) -> tuple[Kernel, Judgement]:
        if name not in known:
            kernel = make()
            known[name] = kernel, conclude(kernel)
        return known[name]

    return of


def page_row(source: str, name: str) -> str:
    """The cells that the page has for a source and an image."""
    heading, text = f"### {name}\n", (ROOT / "docs" / "trust.md").read_text("utf-8")
    lines = text.partition(heading)[2].partition("\n#")[0].splitlines()
    return next(line for line in lines if line.startswith(f"| {source} |")).removeprefix(f"| {source} | ").rstrip(" |")


def accuses_nobody(source: str, name: str, kernel: Kernel, whole: Judgement) -> None:
    found = loss(whole, conclude(taken(kernel, source)))
    worst = SMEARED if source in CUTS else CONSISTENT
    assert {at: now for at, (_, now) in found.graver.items() if now != worst} == {}
    renamed = {at for at, rule in whole.told if rule == "renamed"}
    allowed = {(at, SHORT_NAME_ALONE[1]) for at in renamed if source == SHORT_NAME_ALONE[0]}
    assert found.found - allowed == frozenset()
    assert page_row(source, name) == found.row


@pytest.mark.parametrize(
    ("name", "source"),
    [
        *((name, source) for name in ("lab", "intrusion") for source in SOURCES),
        *(("hiding", source) for source in OF_LISTS),
    ],
)
def test_a_source_that_is_taken_away_accuses_nobody(name: str, source: str, concluded: Any) -> None:
    """No verdict gets graver and nothing is found, above info, that the whole image does not have; as the page says."""
    kernel, whole = concluded(name, lambda: kernel_of(forge(SCENARIOS[name], SEED)))
    accuses_nobody(source, name, kernel, whole)


@pytest.mark.parametrize("source", OF_FOREIGN)
@pytest.mark.parametrize("name", FOREIGN)
def test_in_images_that_we_did_not_make_it_accuses_nobody_either(
    name: str, source: str, opened: Callable[[str], Kernel], concluded: Any
) -> None:
    kernel, whole = concluded(name, lambda: opened(name))
    accuses_nobody(source, name, kernel, whole)


def test_rules_that_rest_on_what_is_gone_say_so() -> None:
    """A rule whose table is gone is silent and told as not judged."""
    kernel = kernel_of(forge(INTRUSION, SEED))
    for source, rules in {
        "the tokens of all processes": {"shared-token", "wrong-user", "system-token", "raised-integrity"},
        "the list of drivers": {"thread-outside-drivers", "hooked-function"},
        "half of the list of drivers": {"thread-outside-drivers", "hooked-function"},
        "the object types": {"power-over-higher", "lsass-memory"},
        "the VAD trees of all processes": {"injected-code", "uncovered-code", "module-without-image"},
        "the threads of all processes": {"thread-in-private-memory", "foreign-impersonation"},
        "half of the active list": {"hidden-process", "half-hidden-process"},
    }.items():
        left = Tables(taken(kernel, source), hidden=True)
        judgement = judged(left, rules=sorted(rules))
        assert not any(found.rule in rules for found in judgement.findings), source
        assert sum(line.startswith("not judged by") for line in judgement.lines) == 1, source
        assert f"{len(rules)} of the rules" in judgement.lines[1] or len(rules) == 1, source


def test_without_the_table_of_ids_the_view_is_absent_and_says_why(image: Image) -> None:
    """The reason stands in its place, for every process that is in place."""
    for row in crossview(taken(kernel_of(image), "the table of ids")).rows:
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
    before = {row.process.address: row.verdict for row in crossview(opened(name)).rows if row.in_place}
    missing = PATCHES[source](monkeypatch)
    after = crossview(opened(name))
    assert {row.process.address: row.verdict for row in after.rows if row.in_place and row.verdict == HIDDEN} == {}
    assert before.keys() == {row.process.address for row in after.rows if row.in_place}
    for row in after.rows:
        assert not missing & {absence.view for absence in row.absences if not absence.expected}
        assert all(row.views[view] is not False or not row.in_place or absent_by_kind(row, view) for view in missing)


def absent_by_kind(row: Any, view: str) -> bool:
    """Whether a process is not to be seen there whatever could be read: it is of no session, say."""
    return view == CSR and any(a.view == view and a.expected and a.reason != "unreadable" for a in row.absences)


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
