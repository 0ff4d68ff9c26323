"""SQL over exports: what the views say, across images."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path

import pytest

from process_anatomy import open_image
from process_anatomy.command.program import main
from process_anatomy.command.statuses import DONE, MISUSED
from process_anatomy.errors import RequestError
from process_anatomy.fleet.export import Asked, export
from process_anatomy.fleet.query import Question
from process_anatomy.views.image import Image
from tests.conftest import ROOT, SAMPLE

duckdb = pytest.importorskip("duckdb")
FEW = ("processes", "vads", "findings")
PAGE = (ROOT / "docs" / "cases.md").read_text("utf-8")
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def sample() -> Image:
    return open_image(SAMPLE)


@pytest.fixture(scope="module")
def exports(sample: Image, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sample in each format that SQL can ask."""
    folder = tmp_path_factory.mktemp("exports")
    for form in ("parquet", "jsonl", "csv"):
        export(sample, SAMPLE, folder / form, Asked(FEW, form))
    return {form: folder / form for form in ("parquet", "jsonl", "csv")}


@pytest.mark.parametrize("form", ["parquet", "jsonl", "csv"])
def test_a_join_of_views_says_what_the_views_say(form: str, exports: dict[str, Path], sample: Image) -> None:
    sql = (
        "select p.process, f.Rule from findings f join processes p using (image, pid)"
        " where f.Severity in ('high', 'critical') order by all"
    )
    with closing(Question([exports[form]])) as question:
        names, rows = question.answer(sql)
        found = list(rows)
    listed = {row["PID"]: row["ImageFileName"] for row in sample.view("processes", hidden=True)}
    accused = sorted(
        (listed[row["PID"]], row["Rule"])
        for row in sample.view("findings", hidden=True, severity="high")
        if row["PID"] in listed
    )
    assert names == ["process", "Rule"]
    assert found == accused
    assert found


def test_addresses_are_whole_and_times_are_utc(exports: dict[str, Path], sample: Image) -> None:
    (system,) = (row for row in sample.view("processes", hidden=True) if row["PID"] == 4)
    with closing(Question([exports["parquet"]])) as question:
        (row,) = question.answer("select address, CreateTime, captured from processes where pid = 4")[1]
    created = system["CreateTime"]
    assert row[0] == system["Offset(V)"] > 1 << 63
    assert row[1] == created.replace(tzinfo=None)  # type: ignore[union-attr]
    assert str(row[2]) == "2023-11-16 11:32:20"


def test_the_rows_of_several_exports_are_told_apart(exports: dict[str, Path], sample: Image, tmp_path: Path) -> None:
    """And a case holds them as folders."""
    export(sample, SAMPLE, tmp_path / "images" / "other", Asked(FEW, "parquet", hashed=False))
    with closing(Question([exports["parquet"], tmp_path])) as question:
        ((images, rows),) = question.answer("select count(distinct image), count(*) from vads")[1]
    assert (images, rows) == (2, 836)


@pytest.mark.parametrize("form", ["text", "csv", "jsonl"])
def test_answers_are_printed(form: str, exports: dict[str, Path], capsys: Capture) -> None:
    sql = "select process, pid from processes where pid in (4, 124) order by pid"
    assert main(["query", str(exports["parquet"]), sql, "--format", form]) == DONE
    out = capsys.readouterr().out
    if form == "jsonl":
        assert [json.loads(line) for line in out.splitlines()] == [
            {"process": "System", "pid": 4},
            {"process": "Registry", "pid": 124},
        ]
    else:
        assert out.split() == (
            ["process", "pid", "System", "4", "Registry", "124"]
            if form == "text"
            else ["process,pid", "System,4", "Registry,124"]
        )


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("selec", "Parser Error"),
        ("select nothing from processes", "Binder Error"),
        ("select * from tokens", "Catalog Error"),
        ("select 1/'x'", "Conversion Error"),
    ],
)
def test_sql_that_makes_no_sense_is_one_line(sql: str, words: str, exports: dict[str, Path], capsys: Capture) -> None:
    assert main(["query", str(exports["parquet"]), sql]) == MISUSED
    err = capsys.readouterr().err
    assert err.startswith(f"anatomy: {words}")
    assert err.count("\n") == 1


def test_what_is_no_export_is_told(tmp_path: Path, sample: Image, exports: dict[str, Path], capsys: Capture) -> None:
    with pytest.raises(RequestError, match="is no export and holds none"):
        Question([tmp_path])
    export(sample, SAMPLE, tmp_path / "database", Asked(FEW, "sqlite"))
    with pytest.raises(RequestError, match="hold no files of a format"):
        Question([tmp_path / "database"])
    with pytest.raises(RequestError, match="files of several formats: csv, parquet"):
        Question([exports["csv"], exports["parquet"]])
    assert main(["query", "select 1"]) == MISUSED
    assert capsys.readouterr().err.startswith("anatomy: a case and a query are needed")


def test_a_query_may_stand_in_a_file(exports: dict[str, Path], tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "q.sql").write_text("select count(*) as n from processes")
    assert main(["query", str(exports["csv"]), "--file", str(tmp_path / "q.sql"), "--format", "csv"]) == DONE
    assert capsys.readouterr().out.split() == ["n", "30"]


@pytest.mark.parametrize("number", range(len(re.findall(r"```sql\n", PAGE))))
def test_a_query_of_the_page_is_one_that_runs(number: int, exports: dict[str, Path], capsys: Capture) -> None:
    sql = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)[number]
    assert main(["query", str(exports["parquet"]), sql]) == DONE
    assert len(capsys.readouterr().out.splitlines()) > 1
