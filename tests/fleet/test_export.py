"""An image in a folder: every view as the image has it, whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from pyarrow import parquet

from process_anatomy import open_image
from process_anatomy.errors import Error, RequestError
from process_anatomy.fleet import export as exporting
from process_anatomy.fleet.export import FORMATS, MANIFEST, Asked, export
from process_anatomy.views import NAMES
from process_anatomy.views.all import exported
from process_anatomy.views.image import Image
from tests.conftest import SAMPLE

FEW = ("processes", "vads", "findings")


@pytest.fixture(scope="module")
def sample() -> Image:
    return open_image(SAMPLE)


def counts(image: Image) -> dict[str, int]:
    """Rows of each view that the image gives."""
    return {name: sum(1 for _ in image.view(name, explain="off", hidden=True).rows()) for name in FEW}


def manifest(folder: Path) -> dict[str, dict[str, dict[str, int | str]]]:
    found: dict[str, dict[str, dict[str, int | str]]] = json.loads((folder / MANIFEST).read_text("utf-8"))
    return found


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_holds_every_row(form: str, sample: Image, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    done = export(sample, SAMPLE, folder, Asked(FEW, form))
    assert {one.view: one.rows for one in done} == counts(sample)
    told = manifest(folder)["views"]
    for name, rows in counts(sample).items():
        file = folder / str(told[name]["file"])
        assert told[name]["rows"] == rows
        if form == "parquet":
            assert parquet.read_table(file).num_rows == rows
        elif form == "sqlite":
            with closing(sqlite3.connect(file)) as database:
                assert database.execute(f"select count(*) from {name}").fetchone() == (rows,)  # noqa: S608
        elif form == "jsonl":
            assert len(file.read_bytes().splitlines()) == rows


def test_rows_of_many_views_are_joined_by_process_and_image(sample: Image, tmp_path: Path) -> None:
    """VADs of each process, by a query over two views."""
    export(sample, SAMPLE, tmp_path / "case", Asked(FEW, "sqlite"))
    with closing(sqlite3.connect(tmp_path / "case" / "anatomy.sqlite")) as database:
        found = dict(
            database.execute(
                "select p.pid, count(v.row) from processes p left join vads v on v.pid = p.pid and v.image = p.image"
                " group by p.pid"
            ).fetchall()
        )
        roots = database.execute("select VadRoot from processes where pid = 4").fetchone()
        assert database.execute("select row_parent from vads where address = ?", roots).fetchone() == (None,)
    rows = [row["PID"] for row in sample.view("vads", explain="off", hidden=True)]
    assert {pid: number for pid, number in found.items() if number} == {pid: rows.count(pid) for pid in set(rows)}


def test_every_view_that_is_a_table_of_the_image_is_written() -> None:
    assert set(NAMES) - set(exported()) == {"all", "dt", "explain", "report"}
    with pytest.raises(RequestError, match="no view 'dt' to be written"):
        exported(["dt"])


def test_the_image_is_named_by_its_content_or_by_its_path(sample: Image, tmp_path: Path) -> None:
    by_hash = hashlib.sha256(SAMPLE.read_bytes()).hexdigest()
    for hashed, start in ((True, f"sha256:{by_hash}"), (False, "path:")):
        export(sample, SAMPLE, tmp_path / str(hashed), Asked(["processes"], "jsonl", hashed=hashed))
        row = json.loads((tmp_path / str(hashed) / "processes.jsonl").read_text("utf-8").splitlines()[0])
        assert row["image"].startswith(start)
        assert row["captured"] == "2023-11-16T11:32:20+00:00"


def test_the_image_is_left_as_it_was(sample: Image, tmp_path: Path) -> None:
    image = tmp_path / "image.dmp"
    image.write_bytes(SAMPLE.read_bytes())
    os.utime(image, ns=(10**18, 10**18))
    export(open_image(image), image, tmp_path / "case", Asked(FEW, "csv"))
    assert image.read_bytes() == SAMPLE.read_bytes()
    assert image.stat().st_mtime_ns == 10**18


def test_nothing_is_left_where_writing_fails(sample: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(exporting.WRITERS, "jsonl", full)
    with pytest.raises(OSError, match="No space left"):
        export(sample, SAMPLE, tmp_path / "case", Asked(FEW, "jsonl"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="links there need a right that few have")
def test_a_link_in_place_of_the_folder_is_not_followed(sample: Image, tmp_path: Path) -> None:
    """Neither one that leads somewhere, asked to be replaced or not, nor one that leads nowhere."""
    mine = tmp_path / "mine"
    export(sample, SAMPLE, mine, Asked(["vads"], "csv"))
    before = sorted(path.name for path in mine.iterdir())
    for name, target in (("leads", mine), ("dangles", tmp_path / "nowhere")):
        (tmp_path / name).symlink_to(target)
        for overwrite in (False, True):
            with pytest.raises(RequestError, match="is there and is no folder"):
                export(sample, SAMPLE, tmp_path / name, Asked(FEW, "jsonl", overwrite=overwrite))
    assert sorted(path.name for path in mine.iterdir()) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangles", "leads", "mine"]


@pytest.mark.skipif(os.name == "nt", reason="links there need a right that few have")
def test_a_link_that_is_planted_while_it_is_written_is_not_followed(sample: Image, tmp_path: Path) -> None:
    """Nor is a folder replaced that came to be there meanwhile; it is looked at again at the end."""
    (tmp_path / "mine").mkdir()

    def plant(_: str, number: int, __: int) -> None:
        if not number:
            (tmp_path / "case").symlink_to(tmp_path / "mine")

    with pytest.raises(RequestError, match="is there and is no folder"):
        export(sample, SAMPLE, tmp_path / "case", Asked(FEW, "csv", overwrite=True), plant)
    assert list((tmp_path / "mine").iterdir()) == []
    assert (tmp_path / "case").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case", "mine"]


def test_an_earlier_export_is_replaced_only_when_asked(sample: Image, tmp_path: Path) -> None:
    """And whole: what is not of the new one is gone; another folder is never touched."""
    folder = tmp_path / "case"
    export(sample, SAMPLE, folder, Asked(FEW, "csv"))
    with pytest.raises(RequestError, match="--overwrite replaces an earlier export"):
        export(sample, SAMPLE, folder, Asked(["vads"], "csv"))
    export(sample, SAMPLE, folder, Asked(["vads"], "csv", overwrite=True))
    assert sorted(path.name for path in folder.iterdir()) == [MANIFEST, "vads.csv"]
    assert list(tmp_path.iterdir()) == [folder]
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine").write_text("kept")
    with pytest.raises(RequestError, match="it is no earlier export"):
        export(sample, SAMPLE, other, Asked(["vads"], "csv", overwrite=True))
    assert (other / "mine").read_text() == "kept"


@pytest.mark.parametrize("form", ["jsonl", "sqlite"])
def test_a_view_that_cannot_be_had_costs_itself_alone(
    form: str, sample: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = Image.view

    def broken(self: Image, name: str, **options: object) -> object:
        answer = view(self, name, **options)  # type: ignore[arg-type]
        if name == "vads":

            def rows() -> object:
                yield next(iter(view(self, name).rows()))
                raise Error("the tree is not to be had")

            monkeypatch.setattr(answer, "rows", rows)
        return answer

    monkeypatch.setattr(Image, "view", broken)
    done = export(sample, SAMPLE, tmp_path / "case", Asked(FEW, form))
    lost = [one for one in done if one.file is None]
    assert [(one.view, one.problems[-1]) for one in lost] == [("vads", "the tree is not to be had")]
    assert not (tmp_path / "case" / "vads.jsonl").exists()
    if form == "sqlite":
        with closing(sqlite3.connect(tmp_path / "case" / "anatomy.sqlite")) as database:
            names = {name for (name,) in database.execute("select name from sqlite_master")}
        assert names == {"processes", "findings"}
