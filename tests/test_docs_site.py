"""`make docs` makes a site of the pages: no warning, every link leads to what is there, every page is in the menu."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.conftest import ROOT

pytest.importorskip("furo", reason="the site needs the extra docs")
pytest.importorskip("myst_parser", reason="the site needs the extra docs")
pytest.importorskip("sphinx", reason="the site needs the extra docs")


class Page(HTMLParser):
    """What a page links to, the places in it, and what stands in its menu."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.places |= {place for place in (given.get("id"), given.get("name")) if place}
        self.links += [link for link in (given.get("href"), given.get("src")) if link and tag != "use"]


def build(pages: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """The site of the pages in a folder, as `make docs` makes it."""
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "--keep-going", "-q", "-c", ROOT / "docs", pages, site]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def dead(pages: dict[Path, Page]) -> Iterator[str]:
    """Links of pages that lead to no file, or to no place in it."""
    for path, page in pages.items():
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            if parts.scheme in {"http", "https", "data"}:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            places = pages[target].places if target in pages else set()
            if not target.is_file() or (parts.fragment and unquote(parts.fragment) not in places):
                yield f"{path.name}: {link}"


def test_every_link_of_the_site_leads_to_what_is_there(pages: dict[Path, Page]) -> None:
    assert sum(len(page.links) for page in pages.values()) > 1000
    assert list(dead(pages)) == []


def test_the_menu_of_each_page_holds_every_page(site: Path, pages: dict[Path, Page]) -> None:
    written = {path.stem for path in (ROOT / "docs").glob("*.md")}
    menu = {Path(urlsplit(link).path).stem for link in pages[site / "docs" / "vads.html"].links} | {"vads"}
    assert len(written) > 40
    assert written - menu == set()


def test_a_file_that_is_no_page_is_in_the_site(site: Path) -> None:
    """Tests that pages name, and the notebook."""
    given = {path.name for path in (site / "_downloads").rglob("*.*")}
    assert {"anatomy.ipynb", "test_builds.py"} <= given


def test_each_fault_of_a_page_fails_the_build(tmp_path: Path) -> None:
    """A page that is not there, a heading that is not there, a page in no menu."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Pages\n\n## Start\n\n- [One](one.md)\n", "utf-8")
    (tmp_path / "docs" / "one.md").write_text("# One\n\n[a](nowhere.md) [b](index.md#end)\n", "utf-8")
    (tmp_path / "docs" / "lost.md").write_text("# Lost\n", "utf-8")
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode
    complaints = {line.partition("WARNING: ")[2] for line in done.stderr.splitlines()}
    for fault in ("nowhere.md", "end", "toctree"):
        assert any(fault in complaint for complaint in complaints), fault
