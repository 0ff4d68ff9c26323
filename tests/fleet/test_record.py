"""What a case says of itself, and what it does to the evidence: a list, a page, logs; nothing."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from process_anatomy.command.program import main
from process_anatomy.command.statuses import FAILED
from process_anatomy.errors import Error
from process_anatomy.fleet import progress, summary
from process_anatomy.fleet.case import batch, held
from process_anatomy.fleet.engine import Crew
from process_anatomy.fleet.export import MANIFEST
from process_anatomy.fleet.progress import Notes, going_on
from process_anatomy.fleet.record import CASE, SUMMARY
from process_anatomy.fleet.single import IMAGES, LOGS
from process_anatomy.fleet.terms import Outcome, Terms
from tests.conftest import SAMPLE

EVIL = "<script>alert(1)<img src=x onerror=alert(2)>&amp;\"'\n\udcff.dmp"
CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
pytestmark = [
    pytest.mark.usefixtures("here"),
    pytest.mark.skipif(os.name == "nt", reason="file names there are tamer"),
]


def at_once(do: Callable[..., Outcome], *arguments: Any) -> Future[Outcome]:
    future: Future[Outcome] = Future()
    future.set_result(do(*arguments))
    return future


def run(case: Path, paths: Sequence[Path], *views: str) -> list[Outcome]:
    with held(case):
        return batch(paths, case, Terms(views=views or ("processes",)), Crew(at_once, 1), lambda *_: None)


class Page(HTMLParser):
    """Elements, texts and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.cells: list[str] = []
        self.policy = ""
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes |= {name for name, _ in attrs}
        told = dict(attrs)
        self.links += [told["href"] or ""] if "href" in told else []
        if told.get("http-equiv") == "Content-Security-Policy":
            self.policy = told["content"] or ""
        if tag in ("td", "style", "p"):
            self.cells.append("")
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "style", "p")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.cells[-1] += data


@pytest.fixture
def evil(tmp_path: Path) -> tuple[Path, Path]:
    """An image and a text whose names are programs."""
    image, text = tmp_path / EVIL, tmp_path / f"text{EVIL}"
    shutil.copy(SAMPLE, image)
    text.write_text("nothing but words\n" * 40)
    return image, text


def test_the_page_shows_each_image_and_runs_nothing(evil: tuple[Path, Path], tmp_path: Path) -> None:
    """Names from evidence are text; links lead to what is there; numbers are those of the rows."""
    case = tmp_path / "case"
    outcomes = run(case, evil, "processes", "findings")
    page = Page((case / SUMMARY).read_text("utf-8"))
    assert not {"script", "img", "iframe", "link", "form", "object"} & set(page.elements)
    assert not [name for name in page.attributes if name.startswith("on") or name in ("src", "style")]
    assert (page.elements["tr"], page.elements["style"]) == (3, 1)
    style = page.cells[0].encode()
    assert page.policy.startswith("default-src 'none'; style-src 'sha256-")
    assert base64.b64encode(hashlib.sha256(style).digest()).decode() in page.policy
    assert len(page.links) == 3
    assert [link for link in page.links if not (case / link).exists()] == []
    shown = EVIL.replace("\n", "\\n").replace("\udcff", "\\udcff")
    assert sum(shown in cell for cell in page.cells) >= 2
    rows = parquet.read_table(case / IMAGES / outcomes[0].folder / "findings.parquet")["Severity"].to_pylist()
    assert outcomes[0].findings == Counter(rows) != {}
    assert all(f"{count} {severity}" in page.cells[1] for severity, count in Counter(rows).items())


def test_the_list_says_what_was_read_how_and_when(evil: tuple[Path, Path], tmp_path: Path) -> None:
    case = tmp_path / "case"
    run(case, evil)
    told = json.loads((case / CASE).read_text("utf-8"))
    assert told["versions"]["process-anatomy"]
    assert told["options"]["views"] == ["processes"]
    assert told["started"] <= told["ended"]
    image, text = told["images"]
    assert image["image"] == f"sha256:{hashlib.sha256(SAMPLE.read_bytes()).hexdigest()}"
    assert (image["size"], image["windows"][:9], text["status"]) == (SAMPLE.stat().st_size, "ntoskrnl ", FAILED)
    assert ", exact: " in image["layout"]
    manifest = json.loads((case / IMAGES / image["folder"] / MANIFEST).read_text("utf-8"))
    assert manifest["times"]["started"] >= image["started"]
    logs = {file.read_text("utf-8").splitlines()[-1][:30] for file in (case / LOGS).iterdir()}
    assert len(logs) == len(list((case / LOGS).iterdir())) == 2
    for file in (case / LOGS).iterdir():  # a name makes no line of its own
        assert file.read_text("utf-8").splitlines()[0].endswith("\\n\\udcff.dmp")


def test_what_earlier_runs_did_is_still_told(images: Path, tmp_path: Path) -> None:
    """Also where the list is lost; what is asked again is told once."""
    case = tmp_path / "case"
    run(case, [images / "one.dmp", images / "notes.txt"])
    run(case, [images / "deep"])
    for lost in (False, True):
        if lost:
            (case / CASE).unlink()
        run(case, [images / "deep" / "two.dmp"])
        told = json.loads((case / CASE).read_text("utf-8"))["images"]
        names = [Path(one["path"]).name for one in told]
        assert names == (["two.dmp", "one.dmp"] if lost else ["two.dmp", "notes.txt", "one.dmp"])


def test_a_page_of_very_many_images_shows_those_that_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "ROWS_LIMIT", 2)
    outcomes = [Outcome("a", 1, 0, "a"), Outcome("b", 1, None, problem="gone"), Outcome("c", 1, 0, "c")]
    outcomes.append(Outcome("d", 1, 0, "d", findings={"critical": 1}))
    told: dict[str, Any] = {"started": "1", "ended": None, "versions": {}, "options": {}}
    page = Page(summary.page("case", told, outcomes))
    assert [cell for cell in page.cells if cell[:1] in "abcd" and cell.endswith("1 bytes")] == ["d1 bytes", "b1 bytes"]
    assert any("2 more are in case.json" in cell for cell in page.cells)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A disk whose options are given each time that it is asked for."""
    place = tmp_path / "disk"
    place.mkdir()

    def mounted(options: str) -> Path:
        again = ("remount," if os.path.ismount(place) else "") + options
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", again, "tmpfs", place], capture_output=True)
        if done.returncode:
            pytest.skip("a small disk cannot be mounted here")
        return place

    yield mounted
    subprocess.run(["umount", place], capture_output=True)


def test_a_full_disk_is_one_clear_error_and_nothing_half_written_counts(
    images: Path, small_disk: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """What was done is kept; with more room the same command does the rest; where nothing may be written, one line."""
    case = small_disk("size=100k") / "case"
    paths = [images / "one.dmp", images / "deep" / "two.dmp", *(images / f"{number}.dmp" for number in range(3))]
    for path in paths[2:]:
        shutil.copy(SAMPLE, path)
    with pytest.raises(Error, match=r"No space left on device; what is done is kept, and the same command goes on$"):
        run(case, paths)
    done = [folder.name for folder in (case / IMAGES).iterdir()]
    assert 0 < len(done) < len(paths)
    assert all(parquet.read_metadata(case / IMAGES / name / "processes.parquet").num_rows == 30 for name in done)
    small_disk("size=10m")
    outcomes = run(case, paths)
    assert [one.rows for one in outcomes] == [30] * len(paths)
    assert sum(one.tries == 0 for one in outcomes) == len(done)
    small_disk("ro")
    capsys.readouterr()
    assert main(["batch", str(SAMPLE), "--out", str(case)]) == FAILED
    assert capsys.readouterr().err == f"anatomy: {case / '.lock'}: Read-only file system\n"


def test_evidence_is_left_as_it_was(images: Path, tmp_path: Path) -> None:
    """Bytes, size, times and rights; it is opened for nothing but reading, images and archives alike."""
    paths = [images / "one.dmp", images / "two.gz"]
    paths[1].write_bytes(gzip.compress(SAMPLE.read_bytes(), 1))
    for path in (*paths, probe := images / "probe"):
        path.touch()
        os.utime(path, ns=(2 * 10**18, 10**18))  # read after it was changed, long from now: most mounts keep that
    assert probe.read_bytes() == b""
    before = [(path.read_bytes(), path.stat()) for path in paths]
    opened: list[tuple[str, int]] = []
    watching = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        touched = watching and event in ("open", "os.rename", "os.remove", "os.truncate", "os.utime", "os.chmod")
        if touched and isinstance(arguments[0], str | os.PathLike) and Path(arguments[0]) in paths:
            opened.append((event, arguments[2] & CHANGING if event == "open" else 0))

    sys.addaudithook(hook)
    try:
        assert [one.rows for one in run(tmp_path / "case", paths)] == [30, 30]
    finally:
        watching = False
    assert len(opened) >= 3
    assert set(opened) == {("open", 0)}
    for path, (data, told) in zip(paths, before, strict=True):
        now = path.stat()
        assert path.read_bytes() == data
        assert (now.st_mtime_ns, now.st_ctime_ns, now.st_mode) == (told.st_mtime_ns, told.st_ctime_ns, told.st_mode)
        if probe.stat().st_atime_ns == 2 * 10**18:
            assert now.st_atime_ns == 2 * 10**18


def test_how_far_an_image_is_can_be_read_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Now and then, never half a note; a disk that takes none costs nothing."""
    (tmp_path / ".host-1.x7").mkdir()
    (tmp_path / "done").mkdir()
    monkeypatch.setattr(progress, "OFTEN", 0)
    notes = Notes(tmp_path / ".host-1.x7" / "progress")
    assert [(one.name, one.doing) for one in going_on(tmp_path)] == [("host-1", "")]
    with notes.bytes("hash of host.raw") as step:
        step(30, 120)
        assert going_on(tmp_path)[0].doing == "hash 25%"
        step(3 << 20, None)
        assert going_on(tmp_path)[0].doing == "hash 3 MB"
        monkeypatch.setattr(progress, "OFTEN", 60)
        step(50, 100)
        step(51, 100)
        assert going_on(tmp_path)[0].doing == "hash 50%"
    notes.view("vads", 2, 25)
    assert going_on(tmp_path)[0].doing == "3/25 vads"
    Notes(tmp_path / "nowhere" / "progress").view("vads", 0, 1)
