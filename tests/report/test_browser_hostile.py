"""Names and command lines that would act on a page, a terminal or a reader's eye are text in the report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from process_anatomy import open_image
from process_anatomy.forge import LAB, forge, write_bitmap_dump
from process_anatomy.views import view
from process_anatomy.views.image import Image
from tests.report.browser import Watched, browsing, cell_of, shown
from tests.report.conftest import written

KEPT = {4, 512, 5212}
NAME = "<b>&\"'{pid}.exe"
SCRIPT = '<script>window.ran = 1</script><img src=x onerror="window.ran = 2">\'</script>{{ 7*7 }}'
TURNED, TERMINAL = "\u202e\u2066gnp\u2069\u200f", "\x1b[2J\x1b]0;owned\x07\x9b31m"
MARK = "QQQQ"
"""Stands where half pairs of surrogates are put, which no text can be encoded with; a reading has U+FFFD for each."""
HALVES = b"\x00\xd8x\x00\x00\xdcy\x00"
LONG = "A" * 16_000
BEYOND = r"[\u0000-\u0008\u000b\u001b\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]|\p{Cs}"
"""What no text of the page may hold: controls, marks that turn text round, half pairs."""
SPOTLESS = """(beyond) => {
  const strange = new RegExp(beyond, "u");
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data);
    const told = [...own, ...[...element.attributes].map((attribute) => attribute.value)];
    if (element.localName === "script") continue;
    if (told.some((text) => strange.test(text))) return element.outerHTML.slice(0, 200);
  }
  return [window.ran ?? null, document.querySelectorAll("img, main script, iframe, b").length];
}"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    cast = tuple(
        replace(actor, path=actor.path.replace(actor.name, NAME), arguments=f"{SCRIPT}{TURNED}{TERMINAL}{MARK}{LONG}")
        if actor.pid == 5212
        else actor
        for actor in LAB.cast
        if actor.pid in KEPT
    )
    path = tmp_path_factory.mktemp("hostile") / "hostile.dmp"
    write_bitmap_dump(forge(replace(LAB, cast=cast, powers=(), ways=()), 5), path)
    mark, data = MARK.encode("utf-16-le"), path.read_bytes()
    assert data.count(mark) == 1
    path.write_bytes(data.replace(mark, HALVES))
    return open_image(path)


@pytest.fixture(scope="module")
def report(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    (text,) = written(image).values()
    file: Path = tmp_path_factory.mktemp("report") / "report.html"
    file.write_bytes(text)
    with browsing() as browser, shown(browser, file) as watched:
        yield watched


@pytest.mark.parametrize("name", ["processes", "peb"])
def test_a_cell_holds_what_memory_holds_as_escapes(name: str, report: Watched, image: Image) -> None:
    rows, columns = list(image.view(name)), view(name).columns
    report.go(f"#view/{name}?columns=all")
    cells = report.cells(name)
    assert len(cells) == len(rows)
    for number, row in enumerate(rows):
        assert {column: cell_of(columns, row, column) for column in cells[number]} == cells[number]
    told = str(cells)
    assert NAME[:4] in told
    if name == "peb":
        line = next(row["CommandLine"] for row in rows if row["PID"] == 5212)
        assert isinstance(line, str)
        assert len(line) > len(LONG)
        assert all(each in line for each in (SCRIPT, TURNED, TERMINAL, "\ufffdx\ufffdy"))
        assert all(
            each in told for each in ("<script>window.ran = 1</script>", r"\\u202e", r"\\x1b[2J", "\ufffdx\ufffdy")
        )


@pytest.mark.parametrize(
    "place", ["overview", "view/peb/2", "process/5212", "process/5212/environment", "find?q=<script>"]
)
def test_nothing_from_memory_acts_on_the_page(place: str, report: Watched) -> None:
    report.faults.clear()
    report.go(f"#{place}")
    assert report.page.evaluate(SPOTLESS, BEYOND) == [None, 0]
    assert "<b>" in report.page.inner_text("main") + report.page.inner_text("#margin")
    assert report.faults == []


def test_a_long_word_has_places_to_break(report: Watched) -> None:
    """Without them Chromium seeks them for 18 seconds in a command line of 32 KB."""
    report.go("#view/peb/2")
    assert report.page.evaluate("document.querySelectorAll('#margin wbr').length") > len(LONG) // 100
    assert LONG in report.page.evaluate("document.getElementById('margin').textContent")
