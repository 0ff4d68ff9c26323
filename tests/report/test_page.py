"""The page of the sample: its rows are the views', its bytes the same each time, and only its own script acts."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from process_anatomy import open_image
from process_anatomy.absent import Absent, Kind
from process_anatomy.errors import RequestError
from process_anatomy.notes import Level, default
from process_anatomy.notes.explainer import Told
from process_anatomy.report.diagram import drawing
from process_anatomy.report.explained import kept, placeholders
from process_anatomy.report.gathered import ASKED, Gathered, declared, notes, packed_view
from process_anatomy.report.packing import sealed
from process_anatomy.report.page import rendered
from process_anatomy.report.skeleton import SKELETON
from process_anatomy.views import view
from process_anatomy.views.all import exported
from process_anatomy.views.image import Image
from process_anatomy.views.records import Record, record
from process_anatomy.views.shown import shown_text
from tests.conftest import ROOT, SAMPLE
from tests.report.conftest import File, written
from tests.report.node import unpacked

HIDDEN = 7148
LEVELS = ("brief", "full", "analogy")


@pytest.fixture(scope="module")
def image() -> Image:
    return open_image(SAMPLE)


@pytest.fixture(scope="module")
def files(image: Image) -> dict[str, bytes]:
    return written(image, svg=True)


@pytest.fixture(scope="module")
def page(files: dict[str, bytes]) -> str:
    return files["anatomy.report.html"].decode()


@pytest.fixture(scope="module")
def rows(node: str, page: str) -> Any:
    """The rows as the page's modules unpack them."""
    return unpacked(node, "page", page)


def told(image: Image, name: str, row: Record) -> dict[str, str]:
    columns = image.view(name).view.columns
    return {column.name: shown_text(row[column.name], column) for column in columns if column.name != "Explanation"}


@pytest.mark.parametrize("name", exported())
def test_the_page_has_the_rows_of_the_view(image: Image, rows: Any, name: str) -> None:
    """Each cell, each reason, each explanation at each level; hidden processes are among them."""
    answers = [list(image.view(name, explain=level, hidden=True, **ASKED.get(name, {}))) for level in LEVELS]
    found = rows[name]
    assert len(found) == len(answers[0])
    explained = [[row["Explanation"] or "" for row in answer] for answer in answers]
    for number, (had, row) in enumerate(zip(found, answers[0], strict=True)):
        assert had["cells"] == told(image, name, row), number
        assert had["absent"] == {key: why for key, why in row.absent.items() if key != "Explanation"}
        assert had["depth"] == row.depth
        assert had["told"] == [texts[number] for texts in explained]


def test_the_hidden_process_is_in_the_page_with_its_components(rows: Any) -> None:
    """Views leave it out where nobody asks for it."""
    for name in ("processes", "vads", "tokens", "handles", "threads", "completeness", "creation"):
        assert any(row["cells"]["PID"] == str(HIDDEN) for row in rows[name]), name


def test_only_where_all_processes_are_asked_for_are_hidden_ones_among_them(
    image: Image, files: dict[str, bytes]
) -> None:
    """And nobody is said to be left out."""
    assert "anatomy.7148.shade.exe.svg" in files
    answer = image.view("report", output=nowhere)
    list(answer)
    assert answer.problems == ("process 7148: it is not on the list of active processes; other views see it",)
    assert set(written(image, svg=True, pid=[5212])) == {"anatomy.report.html", "anatomy.5212.notepad.exe.svg"}


def test_every_range_has_its_first_bytes_or_why_there_are_none(image: Image, rows: Any) -> None:
    """As the reader of single addresses has them, and pages that no VAD covers too."""
    kernel, roots = image.kernel, {row.pid: row.dtb for row in image.tables().with_hidden.processes}
    told = 0
    for row in rows["pages"]:
        cells = row["cells"]
        start = int(cells["Start"], 16) if cells["Start"] else None
        root = roots[int(cells["PID"])]
        assert isinstance(root, int)
        own = kernel.space.through(root)
        data = None if start is None else own.read(start, 16)
        if data is None:
            assert row["absent"]["Bytes"] == (own.why(start) if start is not None else row["absent"]["Start"])
            assert f"Bytes: {row['absent']['Bytes']}" in cells["Problems"]
        else:
            told += 1
            assert cells["Bytes"][6:53] == data.hex(" ")
    assert told > 100
    assert any(row["cells"]["Kind"] == "no-vad" and row["cells"]["Bytes"] for row in rows["pages"])


def test_the_policy_names_the_script_and_the_style_by_their_hashes(page: str) -> None:
    """And nothing else may act or be asked for."""
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    (script,) = re.findall(r'<script type="module">(.*?)</script>', page, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style)]
    assert policy.replace("&#39;", "'") == (
        f"default-src 'none'; script-src 'sha256-{hashes[0]}'; style-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert not re.search(r'(?:src|href)="(?!#)|style="|\son\w+="|url\(', page)


@pytest.mark.parametrize("pid", [5212])
def test_the_same_image_gives_the_same_bytes(image: Image, tmp_path: Path, pid: int) -> None:
    """In another process, with another seed of hashes, under another name."""
    code = (
        "import sys; sys.path.insert(0, '.'); from process_anatomy.command.start import main; "
        "sys.exit(main(sys.argv[1:]))"
    )
    made = []
    for seed in ("1", "2"):
        file = tmp_path / f"{seed}.html"
        subprocess.run(
            [sys.executable, "-c", code, "report", str(SAMPLE), "--pid", str(pid), "-o", str(file)],
            check=True, capture_output=True, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, timeout=120,
        )  # fmt: skip
        made.append(file.read_bytes())
    assert made[0] == made[1] == written(image, pid=[pid])["anatomy.report.html"]


def test_each_process_has_a_diagram_with_its_own_facts(image: Image, files: dict[str, bytes]) -> None:
    """Numbers are those of the views."""
    drawings = {name: data.decode() for name, data in files.items() if name.endswith(".svg")}
    assert len(drawings) == len(list(image.view("processes"))) + 1
    text = drawings["anatomy.5212.notepad.exe.svg"]
    words = [element.text for element in ElementTree.fromstring(text).iter() if element.text]  # noqa: S314
    token = next(iter(image.view("tokens", pid=5212)))
    for expected in (
        "notepad.exe", "PID 5212", f"{len(list(image.view('vads', pid=5212)))} VADs, 15.6 MB",
        f"{len(list(image.view('handles', pid=5212)))} handles",
        f"{len(list(image.view('threads', pid=5212)))} threads",
        f"user {token['Account']}", f"integrity {token['Integrity']}", default()["component/threads"].brief,
    ):  # fmt: skip
        assert expected in words
    assert "not on the list of active processes" in drawings["anatomy.7148.shade.exe.svg"]
    assert "not on the list of active processes" not in text


def test_names_from_memory_are_text_in_a_diagram() -> None:
    """Mark-up, quotes, control characters and half pairs of surrogates make no element and no broken file."""
    evil = "</text><script>alert(1)</script>&\"'"
    root = ElementTree.fromstring(drawing({"name": evil, "title": evil, "hidden": ""}, default()))  # noqa: S314
    assert [element.text for element in root.iter() if element.text == evil] == [evil, evil]
    assert not [element for element in root.iter() if element.tag.endswith("script")]


def test_without_a_place_or_a_maker_there_is_no_page(image: Image) -> None:
    """One line."""
    with pytest.raises(RequestError, match="no place to write files to"):
        list(image.view("report"))
    with pytest.raises(RequestError, match="nothing here makes pages"):
        written(Image(image.kernel))


EVIL = [
    "</script><script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "{{ 7 * 7 }}", "\u202egnp.exe", "\x1b[31m",
    "\ud800", "a\udc00", "a\x00b", "x" * 32768, "&lt;", "'; drop table", "__proto__",
]  # fmt: skip


def test_what_memory_holds_is_text_in_the_page_and_comes_back_as_it_was(node: str) -> None:
    """In cells, lists, reasons, sentences and the title; none of it is mark-up before it is unpacked."""
    envars = view("envars")
    found = Gathered(envars)
    for text in EVIL:
        cells = envars.all(None) | {"Process": text, "Value": text, "Problems": (text, text)}
        cells["Variable"] = Absent(Kind.UNREADABLE, text)
        found.rows.append(record(envars, (0, cells)))
        found.texts.append(kept(text, Told("environment-row/variable", facts_of(text), before=text)))
    used: set[str] = set()
    parts = {"envars": sealed(packed_view(found, default(), used))}
    about = {"views": [declared(found)], "notes": notes(default(), used)}
    page = rendered(EVIL[0], parts | {"about": sealed(about)}, SKELETON)
    clean = rendered("", parts | {"about": sealed(about)}, SKELETON)
    assert page.count("<script") == clean.count("<script")
    assert "onerror" not in page
    for text, row in zip(EVIL, unpacked(node, "page", page)["envars"], strict=True):
        assert (row["cells"]["Value"], row["cells"]["Process"]) == (text, text)
        assert row["cells"]["Problems"] == f"{text}; {text}"
        assert row["absent"]["Variable"] == str(Absent(Kind.UNREADABLE, text))
        assert row["told"][0] == text + default().explain("environment-row/variable", Level.BRIEF, facts_of(text))


@contextmanager
def nowhere(*_: object) -> Iterator[File]:
    """A file that nobody keeps."""
    yield File()


def facts_of(text: str) -> dict[str, object]:
    return dict.fromkeys(placeholders(default()["environment-row/variable"]), text)
