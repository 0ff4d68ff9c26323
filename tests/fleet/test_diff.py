"""Two captures of one machine: what came, went and changed is told exactly, and what could not be read is neither."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_anatomy.command.program import main
from process_anatomy.command.statuses import DONE, FAILED, FOUND, MISUSED
from process_anatomy.errors import Error, RequestError
from process_anatomy.fleet.diff import BESIDE, CAME, CHANGED, COMPARED, UNKNOWN, WENT, Change, compared, diff, matched
from process_anatomy.fleet.moments import Moment, Seen, apart, ordered
from process_anatomy.forge import Image as Forged
from process_anatomy.forge import forge
from process_anatomy.forge.machine.containers import FORMATS
from process_anatomy.views.image import Image
from process_anatomy.views.records import Record
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.token import TOKEN
from structs.vad import MMVAD_SHORT
from tests.conftest import SAMPLE
from tests.fleet.pages import shown_as_printed
from tests.walk.damaged import kernel_of, process_truth
from tests.walk.overlay import Overlay
from tests.walk.smear import BEGUN, ENDED, SCENARIO, _later

Capture = pytest.CaptureFixture[str]
ALL = compared(())
SHUTDOWN = 1 << 19
"""SeShutdownPrivilege in the bitmaps of a token."""
LATER = replace(SCENARIO, cast=tuple(_later(actor) for actor in SCENARIO.cast), uptime=SCENARIO.uptime + 60)


@pytest.fixture(scope="module")
def forged() -> Forged:
    return forge(SCENARIO, 5)


@pytest.fixture(scope="module")
def first(forged: Forged) -> Image:
    """The earlier moment."""
    return Image(kernel_of(forged))


@pytest.fixture(scope="module")
def files(forged: Forged, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The machine at two moments, the later one forged as the machine that it would be."""
    folder = tmp_path_factory.mktemp("moments")
    for name, image in (("one", forged), ("two", forge(LATER, 5))):
        FORMATS["raw"][1](image, folder / f"{name}.raw")
    return folder / "one.raw", folder / "two.raw"


def changed(before: Image, after: Image, *names: str) -> list[Change]:
    """Everything that is not the same."""
    return [row for one in diff(Moment(before), Moment(after), names or ALL) for row in one.rows]


def told(rows: list[Change]) -> set[tuple[Any, ...]]:
    """View, kind, process and the columns that changed."""
    return {(row.view, row.kind, row.row["PID"], *row.columns) for row in rows}


def edited(forged: Forged, edit: Callable[[Overlay], None]) -> Image:
    """The same machine with changes that an answer key is not needed for."""
    over = Overlay(kernel_of(forged))
    edit(over)
    return Image(over.kernel())


def test_an_image_is_no_different_from_itself(first: Image, forged: Forged) -> None:
    found = list(diff(Moment(first), Moment(Image(kernel_of(forged))), ALL))
    assert [one.view for one in found] == list(COMPARED)
    assert [one.rows for one in found] == [[]] * len(COMPARED)
    assert [one.view for one in found if one.unread] == ["modules"]  # of programs whose lists are paged out
    assert all(one.same > 20 for one in found)


def test_what_was_changed_is_told_and_nothing_else(first: Image, forged: Forged) -> None:
    """A privilege that was switched on, a thread that was suspended, a range that was cut, a parent's id."""
    notepad, spooler = process_truth(forged, "notepad.exe"), process_truth(forged, "spoolsv.exe")
    private = next(vad for vad in notepad["vads"] if vad["private"] and vad["end"] - vad["start"] > 0x10000)

    def edit(over: Overlay) -> None:
        token = notepad["token"]
        over.set(TOKEN, token["va"], "PrivilegesEnabled", token["privileges"]["enabled"] | SHUTDOWN)
        over.set(EPROCESS, spooler["eprocess"], "InheritedFromUniqueProcessId", 4)
        over.set(MMVAD_SHORT, private["node"], "EndingVpn", (private["end"] >> 12) - 1)
        over.set(ETHREAD, notepad["threads"][0]["ethread"], "SuspendCount", 2)

    rows = changed(first, edited(forged, edit))
    assert told(rows) == {
        ("privileges", CHANGED, notepad["pid"], "Attributes"),
        ("processes", CHANGED, spooler["pid"], "PPID"),
        ("vads", CHANGED, notepad["pid"], "End VPN"),
        ("threads", CHANGED, notepad["pid"], "SuspendCount"),
    }


def test_processes_came_went_and_ended_as_they_were_forged(files: tuple[Path, Path], capsys: Capture) -> None:
    """What belongs to them is not told again; that another lies where they lay is said."""
    assert main(["diff", *map(str, reversed(files)), "processes", "threads", "vads", "--format", "jsonl"]) == DONE
    printed = capsys.readouterr()
    rows = [json.loads(line) for line in printed.out.splitlines()]
    processes = [row for row in rows if row["view"] == "processes"]
    assert {row["pid"] for row in processes if row["change"] == WENT} == set(BEGUN)
    came = {actor.pid: actor.name for actor in BEGUN.values()}
    assert {row["pid"]: row["process"] for row in processes if row["change"] == CAME} == came
    ended = {row["pid"]: row for row in processes if "ExitTime" in row["columns"]}
    assert set(ended) == set(ENDED)
    assert all(row["before"]["ExitTime"] is None and row["after"]["ExitTime"] for row in ended.values())
    reason = "Offset(V): another one has the same in the other image"
    assert [row["reason"] for row in processes if row["change"] in (CAME, WENT)] == [reason] * 4
    others = {row["pid"] for row in rows if row["view"] != "processes"}
    assert others
    assert not others & {*BEGUN, *came, *ENDED}
    assert printed.err.splitlines()[0] == (
        "anatomy: the second image was taken first; changes are told from it to the first"
    )


@pytest.mark.parametrize("draw", range(2))
def test_what_cannot_be_read_neither_came_nor_went_nor_changed(draw: int, first: Image, forged: Forged) -> None:
    """Pages that one image lacks make rows unknown, with the reason, whichever image it is."""
    dice = Random(draw)
    lost = dice.sample(sorted(forged.physical), len(forged.physical) * (2 * draw + 1) // 100)
    less = Image(kernel_of(forged, {number: page for number, page in forged.physical.items() if number not in lost}))
    for before, after in ((first, less), (less, first)):
        rows = changed(before, after)
        assert {row.kind for row in rows} <= {UNKNOWN}
        assert all(row.reason for row in rows)


def test_a_tree_that_cannot_be_read_makes_its_ranges_unknown(first: Image, forged: Forged) -> None:
    """Of each process that has nodes in the same page; nodes that are known to be there are no changes."""
    root = process_truth(forged, "notepad.exe")["vad_root"]
    rows = changed(first, edited(forged, lambda over: over.lose(root)), "vads")
    assert {row.kind for row in rows} == {UNKNOWN}
    assert all("VAD nodes could not be read" in row.reason for row in rows)


def test_a_process_that_left_the_list_is_said_to_have_left_it(first: Image, forged: Forged) -> None:
    """It did not go: the table of ids has it; asked for by its id, all that belongs to it is compared."""
    notepad = process_truth(forged, "notepad.exe")

    def unlink(over: Overlay) -> None:
        link = notepad["eprocess"] + over.build[EPROCESS].offset("ActiveProcessLinks")
        around = over.space.read(link, 16)
        assert around is not None
        forward, backward = (int.from_bytes(around[at : at + 8], "little") for at in (0, 8))
        over.write(forward + 8, around[8:])
        over.write(backward, around[:8])

    later = edited(forged, unlink)
    (row,) = changed(first, later)
    assert (row.view, row.kind, row.row["PID"], row.columns) == ("processes", CHANGED, notepad["pid"], ("SeenBy",))
    assert row.reason == BESIDE
    asked = list(diff(Moment(first, [notepad["pid"]]), Moment(later, [notepad["pid"]]), ALL))
    assert [(row.view, row.columns) for one in asked for row in one.rows] == [("processes", ("SeenBy",))]
    assert all(one.same for one in asked)


class Without(Moment):
    """A moment of which somebody took rows away that were there."""

    def __init__(self, image: Image, view: str, gone: Callable[[Record], bool]) -> None:
        super().__init__(image)
        self._of, self._gone = view, gone

    def rows(self, name: str) -> list[Seen]:
        """The rows that are left."""
        return [row for row in super().rows(name) if name != self._of or not self._gone(row.record)]


@pytest.mark.parametrize(
    ("view", "column", "value"),
    [("handles", "HandleValue", 8), ("modules", "Name", "kernel32.dll"), ("threads", "TID", 4404)],
)
def test_what_is_missing_where_all_could_be_read_went_or_came(
    view: str, column: str, value: int | str, first: Image
) -> None:
    whole, less = Moment(first), Without(first, view, lambda row: row["PID"] == 4400 and row[column] == value)
    for before, after, kind in ((whole, less, WENT), (less, whole, CAME)):
        (row,) = (row for one in diff(before, after, ALL) for row in one.rows)
        assert (row.view, row.kind, row.row[column]) == (view, kind, value)


def test_images_of_other_machines_and_other_boots_are_refused(
    first: Image, forged: Forged, files: tuple[Path, Path], capsys: Capture
) -> None:
    boot = forge(replace(SCENARIO, boot_time=SCENARIO.boot_time + 86_400), 5)
    assert apart(first, Image(kernel_of(boot))) == (
        "System was made at 2023-11-16 09:00:00+00:00 in one and at 2023-11-17 09:00:00+00:00 in the other"
    )
    assert apart(first, Image(kernel_of(forged))) == ""
    assert main(["diff", str(SAMPLE), str(files[0])]) == FAILED
    err = capsys.readouterr().err.splitlines()
    assert err[-1].startswith("anatomy: the images are not two captures of one boot of one machine: their kernels ")
    strangers = Without(first, "processes", lambda row: row["PID"] != 4)
    others = Without(first, "processes", lambda row: row["PID"] == 4)
    with pytest.raises(Error, match="no process is in both"):
        list(diff(strangers, others, ALL))


def test_findings_are_printed_in_each_format(files: tuple[Path, Path], capsys: Capture) -> None:
    asked = ["diff", *map(str, files), "processes", "--pid", "5280,5200"]
    assert main([*asked, "--fail-on-change"]) == FOUND
    text = capsys.readouterr().out.splitlines()
    assert text[0] == f"before: {files[0]}, taken at 2023-11-16 11:32:20"
    assert text[1] == f"after:  {files[1]}, taken at 2023-11-16 11:33:20"
    assert text[3] == "processes: 1 went, 1 changed, 1 in both"
    assert [line[:12] for line in text if line.startswith(("~", "-"))] == ["~ 5200 Runti", "- 5280 write"]
    assert "ExitTime: nothing -> 2023-11-16 11:31:40" in " ".join(" ".join(text).split())
    assert main([*asked, "--format", "csv"]) == DONE
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["column"]: row["after"] for row in rows if row["pid"] == "5200"}["ExitTime"] == "2023-11-16 11:31:40"
    assert [row["change"] for row in rows if row["pid"] == "5280"] == [WENT]
    assert main([*asked, "--format", "json"]) == DONE
    whole = json.loads(capsys.readouterr().out)
    assert whole["before"] == {"path": str(files[0]), "captured": "2023-11-16T11:32:20+00:00"}
    assert len(whole["views"]["processes"]["changes"]) == 2


def test_the_page_shows_what_is_printed(
    files: tuple[Path, Path], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the numbers, which depend on the forge."""
    monkeypatch.chdir(files[0].parent)
    shown_as_printed("diff.md", monkeypatch, capsys)


def test_what_makes_no_sense_is_one_line(files: tuple[Path, Path], capsys: Capture, first: Image) -> None:
    for arguments, status, words in (
        (["tokens"], MISUSED, "'tokens' is not compared; processes, modules, "),
        (["--pid", "3"], MISUSED, "neither image has a process with id 3"),
    ):
        assert main(["diff", *map(str, files), *arguments]) == status
        err = capsys.readouterr().err
        assert err.startswith(f"anatomy: {words}")
        assert err.count("\n") == 1
    assert main(["diff", str(files[0]), str(files[0].parent / "none.raw")]) == FAILED
    with pytest.raises(RequestError):
        ordered(Moment(first, [3]), Moment(first, [3]))


KEYS = st.tuples(st.integers(0, 3), st.one_of(st.none(), st.integers(0, 2)))
ROWS = st.lists(st.tuples(KEYS, st.booleans()), max_size=8)


def seen(rows: list[tuple[tuple[int, int | None], bool]]) -> list[Seen]:
    return [
        Seen(Record({"a": a, "b": None if lost else b}, 0, {}), frozenset({"b"} if lost else ()))
        for (a, b), lost in rows
    ]


@given(ROWS, ROWS)
def test_rows_are_paired_by_what_is_known_of_their_keys(
    before: list[tuple[tuple[int, int | None], bool]], after: list[tuple[tuple[int, int | None], bool]]
) -> None:
    """Each row once; pairs agree in what both know; whoever is left has no equal on the other side."""
    ours, theirs = seen(before), seen(after)
    found = matched(ours, theirs, ("a", "b"))
    assert sorted(map(id, [*(one for one, _ in found.both), *found.before])) == sorted(map(id, ours))
    assert sorted(map(id, [*(one for _, one in found.both), *found.after])) == sorted(map(id, theirs))
    for one, other in found.both:
        assert one.record["a"] == other.record["a"]
        assert one.lost or other.lost or one.record["b"] == other.record["b"]
    left = {(row.record["a"], row.record["b"]) for row in found.before if not row.lost}
    assert not left & {(row.record["a"], row.record["b"]) for row in found.after if not row.lost}
