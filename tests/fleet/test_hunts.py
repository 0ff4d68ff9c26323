"""Hunting queries: each finds what it is for, nothing on ordinary machines, and nothing by what is absent."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from process_anatomy.command.program import main
from process_anatomy.command.statuses import DONE, FAILED, FOUND, MISUSED, PARTLY
from process_anatomy.fleet.export import MANIFEST
from process_anatomy.fleet.hunting import LEADING, every, hunt
from process_anatomy.fleet.query import Question
from process_anatomy.views import view
from process_anatomy.views.flat import LEADING as FIRST
from process_anatomy.views.flat import flat
from scripts.write_docs import HUNTS, hunt_pages
from tests.conftest import ROOT
from tests.fleet.hosts import ALSO, ODD, ORDINARY, VIEWS, exported, opened
from tests.fleet.pages import shown_as_printed

duckdb = pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")
Capture = pytest.CaptureFixture[str]
Who = tuple[str, str, int]
EXPECTED: dict[str, set[Who]] = {
    "elevated-without-cause": {("odd.raw", "calc.exe", 5080)},
    "hidden-processes": {("odd.raw", "shade.exe", 6080)},
    "lsass-across-users": {("odd.raw", "notepad.exe", 4400)},
    "paths-out-of-place": {("odd.raw", "write.exe", 5040), ("odd.raw", "svchost.exe", 1236)},
    "rare-parents": {("odd.raw", "cmd.exe", 5000)},
    "rare-privileges": {("odd.raw", "notepad.exe", 4400)},
    "same-injected-bytes": {("odd.raw", "notepad.exe", 4400), ("also.raw", "write.exe", 5040)},
    "svchost-differs": {("odd.raw", "svchost.exe", 1236)},
}
"""What was forged for each of them."""
TOLD = {
    "lsass-across-users": {"powers": {("PROCESS_VM_READ",)}},
    "rare-parents": {"parent": {"spoolsv.exe"}, "on_images": {1}, "of_images": {5}},
    "rare-privileges": {"privilege": {"SeDebugPrivilege", "SeTcbPrivilege"}},
    "same-injected-bytes": {
        "code_bytes": {"fc 48 83 e4 f0 e8 00 00 00 00 20 74 68 69 73 20"},
        "programs": {2},
        "on_images": {2},
    },
    "svchost-differs": {"differs_in": {"group", "library", "path", "file"}},
}
"""What some of them say of it."""


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case of three ordinary machines, one that is odd in every way, and one with something of that one."""
    case = tmp_path_factory.mktemp("hosts") / "case"
    ordinary, odd = opened(ORDINARY), opened(ODD)
    for name in ("one", "two", "three"):
        exported(ordinary, name, case)
    exported(odd, "odd", case)
    exported(opened(ALSO), "also", case)
    for form in ("jsonl", "csv"):
        exported(odd, "odd", case.parent / form, form=form)
    return case


def found(question: Question, name: str) -> set[Who]:
    """Whom a query finds: file of the image, process and id."""
    names = question.names
    (answer,) = hunt(question, [every()[name]])
    assert answer.names[: len(LEADING)] == LEADING
    assert answer.asked
    return {(names[row[0]], row[1], row[2]) for row in answer.rows}


def test_each_query_has_a_case_that_it_must_find() -> None:
    assert set(EXPECTED) == set(every())


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_query_finds_what_was_forged_for_it_and_nothing_else(name: str, hosts: Path) -> None:
    with closing(Question([hosts])) as question:
        assert found(question, name) == EXPECTED[name]
        (answer,) = hunt(question, [every()[name]])
    for column, values in TOLD.get(name, {}).items():
        cells = [row[answer.names.index(column)] for row in answer.rows]
        assert {tuple(cell) if isinstance(cell, list) else cell for cell in cells} == values


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_query_finds_nothing_on_ordinary_machines(name: str, hosts: Path) -> None:
    with closing(Question([hosts / "images" / each for each in ("one", "two", "three")])) as question:
        assert found(question, name) == set()


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_what_was_not_seen_makes_nobody_odd(name: str, hosts: Path) -> None:
    """Whatever column is empty on the odd machine, or all of them on another: nobody is found who was not before."""
    asked = every()[name]
    tried = 0
    with closing(Question([hosts])) as question:
        names = {short: image for image, short in question.names.items()}
        for table in asked.views:
            question.answer(f"create table kept_{table} as select * from {table}")  # noqa: S608  # names are ours
            columns = [column.name for column in flat(view(table)).columns[len(FIRST) :]]
            used = [column for column in columns if re.search(rf"\b{re.escape(column)}\b", asked.sql)]
            for image, gone in [*(("odd.raw", [column]) for column in used), ("one.raw", used)]:
                emptied = ", ".join(
                    f'case when image = \'{names[image]}\' then null else "{c}" end as "{c}"' for c in gone
                )
                sql = f"select * replace ({emptied}) from kept_{table}"  # noqa: S608
                question.answer(f"create or replace view {table} as {sql}")
                places = {(where, pid) for where, _, pid in found(question, name) if pid is not None}
                assert places <= {(where, pid) for where, _, pid in EXPECTED[name]}, (gone, image)
                tried += 1
            question.answer(f"create or replace view {table} as select * from kept_{table}")  # noqa: S608
    assert tried >= 4


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_exports_of_other_formats_are_asked_alike(form: str, hosts: Path) -> None:
    with closing(Question([hosts.parent / form])) as question:
        for name in ("elevated-without-cause", "hidden-processes", "lsass-across-users"):
            assert found(question, name) == EXPECTED[name]
        for answer in hunt(question, every().values()):
            assert answer.asked == (answer.hunt.images == 1)


def test_images_that_lack_a_view_or_are_too_few_are_told(hosts: Path, tmp_path: Path, capsys: Capture) -> None:
    """Both with status 4, and 1 where no query could be asked."""
    case = tmp_path / "case"
    shutil.copytree(hosts, case)
    (case / "images" / "one" / "creation.parquet").unlink()
    assert main(["hunt", str(case), "--only", "rare-parents", "--format", "csv"]) == PARTLY
    printed = capsys.readouterr()
    assert printed.err == "anatomy: rare-parents: not asked of one.raw, which has no creation\n"
    assert len(printed.out.splitlines()) == 2
    for name in ("two", "also"):
        (case / "images" / name / "creation.parquet").unlink()
    assert main(["hunt", str(case), "--only", "rare-parents"]) == FAILED
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines()[-1] == (
        "anatomy: rare-parents: not asked: it takes at least 3 images with creation; there are 2"
    )


def test_a_query_that_does_not_go_with_the_rows_costs_itself_alone(
    hosts: Path, tmp_path: Path, capsys: Capture
) -> None:
    """Those of an export that knew fewer columns, for instance."""
    export = tmp_path / "export"
    shutil.copytree(hosts / "images" / "odd", export)
    whole = export / "crossview.parquet"
    rows = f"select * exclude (Verdict) from read_parquet('{hosts / 'images' / 'odd' / whole.name}')"  # noqa: S608
    duckdb.sql(rows).write_parquet(str(whole))
    two = ["--only", "hidden-processes", "--only", "lsass-across-users", "--format", "jsonl"]
    assert main(["hunt", str(export), *two]) == PARTLY
    printed = capsys.readouterr()
    assert [json.loads(line)["pid"] for line in printed.out.splitlines()] == [4400]
    assert printed.err.startswith("anatomy: hidden-processes: not asked: Binder Error: ")
    assert printed.err.count("\n") == 1


def test_an_image_whose_layout_does_not_fit_is_left_out(hosts: Path, tmp_path: Path, capsys: Capture) -> None:
    case = tmp_path / "case"
    shutil.copytree(hosts, case)
    manifest = case / "images" / "odd" / MANIFEST
    told = json.loads(manifest.read_text("utf-8"))
    told["facts"]["verdict"] = "System is not where it should be"
    manifest.write_text(json.dumps(told), "utf-8")
    assert main(["hunt", str(case), "--only", "hidden-processes"]) == PARTLY
    printed = capsys.readouterr()
    assert printed.err == f"anatomy: {told['image']['path']} is left out: System is not where it should be\n"
    assert printed.out.startswith("hidden-processes: nothing found\n")
    assert main(["hunt", str(case / "images" / "odd")]) == MISUSED
    assert capsys.readouterr().err.startswith("anatomy: none of these images has rows that are to be trusted")


def test_findings_are_printed_for_people_and_for_programs(hosts: Path, capsys: Capture) -> None:
    """With status 5 where it is asked for."""
    assert main(["hunt", str(hosts), "--only", "hidden-processes"]) == DONE
    text = capsys.readouterr().out
    assert text.startswith("hidden-processes: 1 found\n")
    assert re.search(r"^odd\.raw  shade\.exe \(6080\) at 0xffff[0-9a-f]{12}$", text, re.MULTILINE)
    assert "Innocent: a process that was being made or deleted" in text
    assert main(["hunt", str(hosts), "--format", "jsonl", "--fail-on-found"]) == FOUND
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["hunt"] for row in rows} == set(EXPECTED)
    assert all(row["image"].startswith("path:") and row["question"].endswith("?") for row in rows)
    odd = ["hunt", str(hosts / "images" / "one"), "--only", "hidden-processes", "--fail-on-found"]
    assert main(odd) == DONE


def test_what_makes_no_sense_is_one_line(hosts: Path, tmp_path: Path, capsys: Capture) -> None:
    case = tmp_path / "case"
    shutil.copytree(hosts / "images" / "odd", case)
    (case / "crossview.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "none" / "images").mkdir(parents=True)
    (tmp_path / "none" / "case.json").write_text("{}")
    for arguments, words in (
        ([str(hosts), "--only", "nothing"], "there is no hunt 'nothing'; there are elevated-without-cause, "),
        ([str(hosts), "--format", "csv"], f"csv is for one query; {len(EXPECTED)} were asked for"),
        ([str(tmp_path)], f"{tmp_path} is no export and holds none"),
        ([str(tmp_path / "none")], f"{tmp_path / 'none'} is a case of which no image was exported"),
        ([str(case)], "Invalid Input Error: "),
    ):
        assert main(["hunt", *arguments]) == MISUSED
        err = capsys.readouterr().err
        assert err.startswith(f"anatomy: {words}")
        assert err.count("\n") == 1
    (case / MANIFEST).write_text("no JSON")
    assert main(["hunt", str(case)]) == MISUSED
    assert capsys.readouterr().err == f"anatomy: {case / MANIFEST} cannot be read as the manifest of an export\n"


def test_images_are_a_table_too(hosts: Path) -> None:
    with closing(Question([hosts])) as question:
        rows = sorted(question.answer("select path, build, architecture, captured from captures")[1])
    assert [Path(row[0]).name for row in rows] == ["also.raw", "odd.raw", "one.raw", "three.raw", "two.raw"]
    assert {(row[1], row[2], str(row[3])) for row in rows} == {(22621, "x64", "2023-11-16 11:32:20")}


def test_views_of_the_queries_are_views() -> None:
    assert {view(name).name for name in VIEWS} == set(VIEWS)


def test_the_page_shows_what_is_printed(hosts: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(hosts.parent)
    shown_as_printed("hunting.md", monkeypatch, capsys)


def test_the_page_of_queries_is_todays() -> None:
    page = (ROOT / "docs" / "hunting.md").read_text("utf-8")
    (shown,) = HUNTS.findall(page)
    assert shown == hunt_pages()
