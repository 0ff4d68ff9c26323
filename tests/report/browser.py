"""A page in a browser: shown from disk, watched for faults and requests, asked for what it shows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.views.declaration import Column
from process_anatomy.views.records import Record
from process_anatomy.views.shown import safe_text, shown_text

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SIZE = {"width": 1400, "height": 900}
PATIENCE = 20_000
"""Milliseconds that a page has for an answer, on a busy machine too."""
LONGEST = 1000
"""Characters that a table shows of a text."""
GO = """async (hash) => {
  const main = document.getElementById("main");
  for (const child of main.children) child.dataset.old = "";
  location.hash = hash;
  for (let wait = 0; main.querySelector(":scope > [data-old]"); wait += 1) {
    if (wait > 2000) throw new Error(`the page does not show ${hash}`);
    await new Promise((done) => setTimeout(done, 5));
  }
  await new Promise(requestAnimationFrame);
}"""
"""Follows a link into the page, and waits until the page shows what it leads to."""
RESET = """() => {
  document.activeElement.blur();
  for (const id of ["query", "by-process", "by-finding"]) document.getElementById(id).value = "";
}"""
CELLS = """(view) => {
  const box = document.querySelector(`.grid[data-view="${view}"]`);
  if (!box) return null;
  const rows = new Map();
  for (let top = 0, last = -1; box.scrollTop !== last; top += box.clientHeight) {
    last = top ? box.scrollTop : -1;
    box.scrollTop = top;
    box.dispatchEvent(new Event("scroll"));
    for (const line of box.querySelectorAll("[data-row]")) {
      if (rows.has(line.dataset.row)) continue;
      const reasons = {};
      [...line.children].forEach((cell, i) => { if (cell.classList.contains("absent")) reasons[i] = cell.title; });
      rows.set(line.dataset.row, [[...line.children].map((cell) => cell.textContent), reasons]);
    }
  }
  const names = [...box.querySelectorAll("[data-row]")[0].children].map((cell) => cell.dataset.column);
  return JSON.stringify({ names, rows: [...rows] });
}"""
"""The rows of a table as they are shown, read by scrolling through it."""


class Watched:
    """A page that is shown from disk.

    Attributes:
        page: Playwright's.
        faults: what went wrong since it was opened: errors and warnings of the console, exceptions, requests.
    """

    def __init__(self, page: Any, file: Path) -> None:
        self.page, self.file, self.faults = page, file, []
        page.on("console", self._told)
        page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        page.on("request", self._asked)

    def _told(self, message: Any) -> None:
        if message.type in {"error", "warning", "assert"}:
            self.faults.append(f"console: {message.text}")

    def _asked(self, request: Any) -> None:
        if request.url.partition("#")[0] != self.file.as_uri():
            self.faults.append(f"request: {request.url[:200]}")

    def open(self, place: str = "") -> None:
        """Open the file, as a link to a place in it does from elsewhere."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.file.as_uri()}{place}")
        self.page.wait_for_selector("html[data-ready]")
        self.faults = [fault for fault in self.faults if "about:blank" not in fault]

    def go(self, place: str) -> None:
        """Follow a link within the page."""
        if self.page.evaluate("location.hash") != place:
            self.page.evaluate(GO, place)

    def begin(self) -> None:
        """Be as after opening: nothing sought, the first page, no faults."""
        self.page.evaluate(RESET)
        self.go("#overview")
        self.faults.clear()

    def seek(self, words: str) -> None:
        """Write words into the field of search, and send them."""
        self.page.fill("#query", words)
        self.page.press("#query", "Enter")

    def cells(self, view: str) -> dict[int, dict[str, tuple[str, str | None]]]:
        """The rows of a view by number: of each column the text, and the reason where there is no fact."""
        found = json.loads(self.page.evaluate(CELLS, view))
        return {
            int(row): {name: (texts[i], reasons.get(str(i))) for i, name in enumerate(found["names"])}
            for row, (texts, reasons) in found["rows"]
        }

    def number(self, selector: str, attribute: str) -> int:
        """A number that an element holds."""
        return int(self.page.get_attribute(selector, attribute))


@contextmanager
def browsing() -> Iterator[Any]:
    """A browser of the distribution; the test is skipped where there is none."""
    driver = pytest.importorskip("playwright.sync_api", reason="no driver of browsers: the extra dev has playwright")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("no Chromium is installed")
    with driver.sync_playwright() as playwright, closing(playwright.chromium.launch(executable_path=program)) as found:
        yield found


@contextmanager
def shown(browser: Any, file: Path, **options: Any) -> Iterator[Watched]:
    """A page of the browser with a file.

    Args:
        browser: of :func:`browsing`.
        file: the page's.
        options: of the page, as Playwright names them.
    """
    with closing(browser.new_context(viewport=SIZE, **options)) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        watched = Watched(page, file)
        watched.open()
        yield watched


def cell_of(columns: Sequence[Column], row: Record, name: str) -> tuple[str, str | None]:
    """How the report shows a cell: its text as a terminal gets it, or a dash and the reason."""
    if name in row.absent:
        return "\N{EN DASH}", safe_text(row.absent[name])
    column = next(column for column in columns if column.name == name)
    return safe_text(shown_text(row[name], column)[:LONGEST]), None
