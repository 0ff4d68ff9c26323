"""The report in a real browser: its numbers are the views', nothing leaves it, and it answers mouse, keys and links."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from process_anatomy import open_image
from process_anatomy.report.gathered import ASKED
from process_anatomy.views import view
from process_anatomy.views.all import exported
from process_anatomy.views.declaration import Column
from process_anatomy.views.image import Image
from process_anatomy.views.records import Record
from process_anatomy.views.shown import shown_text
from tests.conftest import SAMPLE
from tests.report.browser import Watched, browsing, cell_of, shown
from tests.report.conftest import written

TRUTH = json.loads((SAMPLE.parent / "lab-win11-22621.truth.json").read_text("utf-8"))
(HIDDEN,) = (process["pid"] for process in TRUTH["processes"] if not process["in_active_list"])
GRAVE = {"serious", "critical"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsing() as found:
        yield found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, image: Image) -> Path:
    """The report of the sample."""
    (text,) = written(image).values()
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_bytes(text)
    return file


@pytest.fixture(scope="module")
def opened(browser: Any, page: Path) -> Iterator[Watched]:
    with shown(browser, page) as watched:
        yield watched


@pytest.fixture
def report(opened: Watched) -> Iterator[Watched]:
    """The report at its first page; whatever a test does with it, nothing goes wrong and nothing is asked for."""
    opened.begin()
    yield opened
    assert opened.faults == []


@pytest.fixture(scope="module")
def image() -> Image:
    return open_image(SAMPLE)


def rows_of(image: Image, name: str, explain: str = "brief") -> list[Record]:
    """What a view says of every process, hidden ones too, asked as the report asks it."""
    return list(image.view(name, explain=explain, hidden=True, **ASKED.get(name, {})))


@pytest.mark.parametrize("name", exported())
def test_every_cell_and_explanation_of_a_view_is_what_the_view_says(name: str, report: Watched, image: Image) -> None:
    rows, columns = rows_of(image, name), view(name).columns
    report.go(f"#view/{name}?columns=all")
    if not rows:
        assert report.page.query_selector(f'[data-lacking="{name}"]')
        return
    assert report.number("#count", "data-rows") == len(rows)
    cells = report.cells(name)
    assert sorted(cells) == list(range(len(rows)))
    told = {column: [row.get(column) is not None or column in row.absent for row in rows] for column in rows[0]}
    assert set(cells[0]) == {column for column, says in told.items() if any(says)}
    for number, row in enumerate(rows):
        for column, cell in cells[number].items():
            assert cell == cell_of(columns, row, column), (number, column)


@pytest.mark.parametrize("level", ["full", "analogy"])
def test_explanations_change_with_the_margin_as_the_views_do(level: str, report: Watched, image: Image) -> None:
    report.page.select_option("#level", level)
    report.go("#view/creation")
    said = [row["Explanation"] for row in rows_of(image, "creation", level)]
    cells = report.cells("creation")
    assert [cells[number]["Explanation"][0] for number in range(len(said))] == said
    report.page.select_option("#level", "brief")


def test_the_overview_counts_what_the_views_have(report: Watched, image: Image) -> None:
    found, everyone = rows_of(image, "findings"), rows_of(image, "processes")
    articles = report.page.eval_on_selector_all(
        ".finding", "all => all.map(one => [one.dataset.rule, one.dataset.severity])"
    )
    assert articles == [[row["Rule"], row["Severity"]] for row in found]
    boxes = report.page.eval_on_selector_all(
        "[data-pid]", "all => all.map(one => [Number(one.dataset.pid), 'hidden' in one.dataset])"
    )
    assert sorted(boxes) == sorted([row["PID"], row["PID"] == HIDDEN] for row in everyone)
    states = report.page.eval_on_selector_all("#completeness td", "all => all.map(one => Number(one.textContent) || 0)")
    assert sum(states) == 6 * len(rows_of(image, "completeness"))


def holding(rows: list[Record], columns: Sequence[Column], word: str, name: str | None = None) -> list[Record]:
    """Rows in which a cell holds a word, or is a number."""
    number = int(word, 0) if word.isdecimal() or word.startswith("0x") else None

    def holds(row: Record, column: Column) -> bool:
        value = row[column.name]
        if isinstance(value, int) and not isinstance(value, bool):
            return value == number
        return value is not None and word.lower() in shown_text(value, column).lower()

    sought = [column for column in columns if column.name != "Explanation" and name in {None, column.name}]
    return [row for row in rows if any(holds(row, column) for column in sought)]


@pytest.mark.parametrize("word", ["Documents", "7148", "0x15943a40000"])
def test_a_word_is_found_in_every_view(word: str, report: Watched, image: Image) -> None:
    counts = {name: len(holding(rows_of(image, name), view(name).columns, word)) for name in exported()}
    assert sum(counts.values()) > 0
    report.seek(word)
    report.page.wait_for_selector(f'#find #count[data-shown="{sum(counts.values())}"]')
    headings = report.page.eval_on_selector_all("#find h3", "all => all.map(one => one.textContent)")
    assert headings == [f"{name} ({count})" for name, count in counts.items() if count]


def test_a_word_is_found_in_a_column(report: Watched, image: Image) -> None:
    count = len(holding(rows_of(image, "handles"), view("handles").columns, "Event", "Type"))
    assert count > 0
    report.go("#view/handles")
    report.seek("Type:Event")
    report.page.wait_for_selector(f'#count[data-shown="{count}"]')


def test_filters_keep_the_rows_of_a_process_and_of_those_with_findings(report: Watched, image: Image) -> None:
    handles = rows_of(image, "handles")
    report.go("#view/handles")
    report.page.select_option("#by-process", "5212")
    report.page.wait_for_selector(f'#count[data-shown="{sum(row["PID"] == 5212 for row in handles)}"]')
    report.page.select_option("#by-process", "")
    report.page.select_option("#by-finding", "high")
    grave = {row["PID"] for row in rows_of(image, "findings") if row["Severity"] in {"high", "critical"}}
    assert len(grave) == 2
    report.page.wait_for_selector(f'#count[data-shown="{sum(row["PID"] in grave for row in handles)}"]')
    report.page.select_option("#by-finding", "")
    report.page.wait_for_selector(f'#count[data-shown="{len(handles)}"]')


def test_keys_lead_through_the_page(report: Watched, image: Image) -> None:
    keys, page = report.page.keyboard, report.page
    last = len(rows_of(image, "findings")) - 1
    page.evaluate("document.activeElement.blur()")
    keys.press("f")
    page.wait_for_selector('.grid[data-view="findings"]')
    page.focus(".grid")
    for key, row in (("ArrowDown", 1), ("End", last), ("ArrowUp", last - 1), ("Home", 0)):
        keys.press(key)
        assert page.get_attribute(".grid", "aria-activedescendant") == f"findings-row-{row}"
        assert page.inner_text("#margin-title") == f"findings, row {row + 1}"
    keys.press("Enter")
    page.wait_for_function("location.hash.startsWith('#process/')")
    page.evaluate("document.activeElement.blur()")
    keys.press("/")
    assert page.evaluate("document.activeElement.id") == "query"
    keys.type("o")
    assert page.input_value("#query") == "o"


def test_the_first_key_skips_to_the_content(report: Watched) -> None:
    report.open()
    report.page.keyboard.press("Tab")
    assert report.page.evaluate("document.activeElement.id") == "skip"
    report.page.keyboard.press("Enter")
    assert report.page.evaluate("document.activeElement.id") == "main"


def brightness(report: Watched) -> float:
    """Of the page's ground, 0 to 255."""
    colour: list[float] = report.page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).slice(0, 3).map(Number)"
    )
    return sum(colour) / 3


def test_the_page_is_dark_where_the_system_or_the_reader_wants_it(report: Watched) -> None:
    assert brightness(report) > 200
    report.page.emulate_media(color_scheme="dark")
    assert brightness(report) < 60
    report.page.select_option("#theme", "light")
    assert brightness(report) > 200
    report.page.emulate_media(color_scheme="light")
    report.page.select_option("#theme", "dark")
    assert brightness(report) < 60
    report.page.select_option("#theme", "")


def test_paper_has_the_facts_and_not_the_controls(report: Watched) -> None:
    report.page.emulate_media(media="print")
    assert not report.page.is_visible("#search")
    assert report.page.is_visible("#findings .finding")
    assert report.page.pdf().startswith(b"%PDF")
    report.page.emulate_media(media="screen")
    assert report.page.is_visible("#search")


@pytest.mark.parametrize(
    ("place", "there"),
    [
        ("#view/vads/17", '[data-view="vads"] [data-row="17"].chosen'),
        ("#view/handles?q=Type:File", "#count"),
        ("#glossary/term/vad", "#margin-title"),
        ("#process/5212/threads", '[data-view="threads"] [data-row]'),
    ],
)
def test_a_link_from_elsewhere_leads_to_its_place(place: str, there: str, report: Watched) -> None:
    report.open(place)
    report.page.wait_for_selector(there)


def test_links_that_lead_nowhere_show_a_page(report: Watched) -> None:
    for place in ("constructor", "__proto__", "view/toString", "view/vads/99999", "process/7", "%ff%", "glossary/x/y"):
        report.go(f"#{place}")
        told = report.page.inner_text("main").strip()
        assert told, place
        assert "[object" not in told, place


POLICY = """async () => {
  const broken = new Set();
  document.addEventListener("securitypolicyviolation", (event) => broken.add(event.effectiveDirective));
  const add = (name, set) => document.body.append(Object.assign(document.createElement(name), set));
  add("script", { textContent: "window.ran = 1" });
  add("script", { src: "https://example.org/a.js" });
  add("img", { src: "https://example.org/a.png" });
  add("style", { textContent: "body { opacity: 0 }" });
  add("iframe", { src: "https://example.org/" });
  const button = add("button", {});
  document.body.insertAdjacentHTML("beforeend", "<button id='armed' onclick='window.ran = 2'></button>");
  document.getElementById("armed").click();
  await fetch("https://example.org/").catch(() => {});
  await new Promise((done) => setTimeout(done, 100));
  return [window.ran ?? null, [...broken].sort()];
}"""


@pytest.mark.parametrize("guarded", [True, False], ids=["with its policy", "without it"])
def test_nothing_but_the_script_of_the_page_acts(guarded: bool, browser: Any, page: Path, tmp_path: Path) -> None:
    """What is put into the page does not run, and reaches nobody; without the policy it would."""
    text = page.read_text("utf-8")
    bare = tmp_path / "bare.html"
    bare.write_text(text.replace("Content-Security-Policy", "nothing", 1), "utf-8")
    with shown(browser, page if guarded else bare, offline=True) as watched:
        ran, broken = watched.page.evaluate(POLICY)
    blocked = ["connect-src", "frame-src", "img-src", "script-src-attr", "script-src-elem", "style-src-elem"]
    assert (ran, broken) == ((None, blocked) if guarded else (2, []))
    assert any("example.org" in fault for fault in watched.faults)


SECTIONS = (
    ("#overview", "light"),
    ("#overview", "dark"),
    ("#view/vads/3", "light"),
    ("#view/vads/3", "dark"),
    ("#view/handles?columns=all", "dark"),
    ("#view/findings/1", "dark"),
    ("#views", "dark"),
    ("#find?q=lsass", "dark"),
    ("#glossary", "light"),
    ("#glossary/term/vad", "dark"),
    ("#process/5212", "light"),
    ("#process/5212/address-space/0x15943a40000", "dark"),
    (f"#process/{HIDDEN}", "dark"),
    ("#process/7", "dark"),
)


@pytest.mark.parametrize(("place", "scheme"), SECTIONS)
def test_no_serious_fault_stands_in_the_way_of_a_reader(place: str, scheme: Any, report: Watched) -> None:
    """What axe-core finds of roles, names, contrast and order."""
    assert grave_faults(report, place, scheme) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_familiar_colours_keep_words_readable(scheme: Any, report: Watched) -> None:
    report.page.check("#familiar")
    found = [grave_faults(report, place, scheme) for place in ("#overview/tree", "#view/processes")]
    report.page.uncheck("#familiar")
    assert found == [[], []]


def grave_faults(report: Watched, place: str, scheme: Any) -> list[Any]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed").Axe()
    report.page.emulate_media(color_scheme=scheme)
    report.go(place)
    found = axe.run(report.page).response["violations"]
    report.page.emulate_media(color_scheme="light")
    return [(each["id"], each["nodes"][0]["target"]) for each in found if each["impact"] in GRAVE]


PARTS = """() => ({
  parts: [...document.querySelectorAll(".part[data-part]:not(svg *)")].map((part) => [
    part.dataset.part, Number(part.querySelector("h3").textContent.match(/\\(([0-9]+)\\)/)[1]),
    Number(part.querySelector(".grid")?.dataset.count ?? 0)]),
  cards: [...document.querySelectorAll("[data-card]")].map((card) => [card.dataset.card, Number(card.dataset.row)]),
  findings: [...document.querySelectorAll("#process-findings .finding")].map((one) => one.dataset.rule),
  privileges: [...document.querySelectorAll(".privileges li")].length,
  ranges: Number(document.querySelector("#address-map")?.dataset.ranges ?? 0),
})"""
WHOLE = {"processes", "workingset", "images", "creation", "crossview", "csrss", "peb"}
"""Views of which a process's page has a card for each row."""
TABLES = {
    "vads", "pages", "modules", "handles", "access", "groups", "privileges", "claims", "dacls", "threads", "tebs",
    "envars",
}  # fmt: skip
"""Views of which it has a table."""


def test_every_section_of_a_process_has_as_many_rows_as_the_view(report: Watched, image: Image) -> None:
    """Of each process, the hidden one too."""
    every = {name: rows_of(image, name) for name in (*WHOLE, *TABLES, "tokens", "findings")}
    for process in every["processes"]:
        pid = process["PID"]
        report.go(f"#process/{pid}")
        found = report.page.evaluate(PARTS)
        owner = {name: "ClientPID" if name == "csrss" else "PID" for name in every}
        own = {name: [n for n, row in enumerate(rows) if row[owner[name]] == pid] for name, rows in every.items()}
        cards = [(name, row) for name in WHOLE for row in own[name]]
        cards += [("tokens", row) for row in own["tokens"] if every["tokens"][row]["TID"] is None]
        assert sorted(map(tuple, found["cards"])) == sorted(cards), pid
        tables = [[name, len(own[name]), len(own[name])] for name in TABLES]
        if acting := [row for row in own["tokens"] if every["tokens"][row]["TID"] is not None]:
            tables.append(["tokens", len(acting), len(acting)])
        assert sorted(found["parts"]) == sorted(tables), pid
        assert found["findings"] == [every["findings"][row]["Rule"] for row in own["findings"]]
        held = [every["privileges"][row] for row in own["privileges"] if every["privileges"][row]["TID"] is None]
        assert found["privileges"] == sum(bool(row["Attributes"]) for row in held), pid
        known = sum(every["vads"][row]["Start VPN"] is not None for row in own["vads"])
        assert found["ranges"] == known + sum(every["pages"][row]["Kind"] == "no-vad" for row in own["pages"]), pid


@pytest.mark.parametrize("address", [0x15943A40000, 0x5C53400000, 0x15944400000])
def test_a_range_that_is_chosen_tells_its_first_bytes_or_why_it_cannot(
    address: int, report: Watched, image: Image
) -> None:
    """Of code that was put there, of a stack that was never touched, and of pages that no VAD covers."""
    (row,) = (row for row in rows_of(image, "pages") if (row["PID"], row["Start"]) == (5212, address))
    report.go(f"#process/5212/address-space/{address:#x}")
    report.page.wait_for_selector(f'#range[data-start="{address:#x}"]')
    octets = row["Bytes"]
    told = octets[0] if isinstance(octets, list) else row.absent["Bytes"]
    assert report.page.text_content("#first-bytes") == f"first bytes: {told}"


def sort_of(pid: object, image: Image) -> str:
    """What System Informer's users would see in a process, by the views' rows."""
    (process,) = (row for row in rows_of(image, "processes") if row["PID"] == pid)
    token: Record | dict[str, Any] = next(
        (row for row in rows_of(image, "tokens") if row["PID"] == pid and row["TID"] is None), {}
    )
    states = [
        (row["State"], row["WaitReason"])
        for row in rows_of(image, "threads")
        if row["PID"] == pid and row["State"] != "Terminated"
    ]
    debugged = {row["PID"] for row in rows_of(image, "findings") if row["Rule"] == "debugged"}
    if process["ExitTime"] is not None:
        return "live-ended"
    if pid in debugged:
        return "live-debugged"
    if states and set(states) <= {("Waiting", "Suspended"), ("Waiting", "WrSuspended")}:
        return "live-suspended"
    if token.get("PackageName"):
        return "live-immersive"
    if token.get("Elevation") == "full":
        return "live-elevated"
    if token.get("User") == "S-1-5-18":
        return "live-system"
    return "live-service" if token.get("SessionId") == 0 else "live-own"


def test_processes_have_the_colours_of_live_tools_where_the_reader_wants_them(report: Watched, image: Image) -> None:
    boxes = (
        """all => all.map(one => [Number(one.dataset.pid), [...one.classList].filter(c => c.startsWith("live-"))])"""
    )
    assert all(not sorts for _, sorts in report.page.eval_on_selector_all("[data-pid]", boxes))
    report.page.check("#familiar")
    report.page.wait_for_selector("[data-pid].live-own")
    found = dict(report.page.eval_on_selector_all("[data-pid]", boxes))
    report.page.uncheck("#familiar")
    report.page.wait_for_function("!document.querySelector('[data-pid].live-own')")
    assert found == {row["PID"]: [sort_of(row["PID"], image)] for row in rows_of(image, "processes")}
    assert found[6612] == ["live-debugged"]
    assert len({sorts[0] for sorts in found.values()}) > 6


SHEET = """(view) => {
  const box = document.querySelector(`.grid[data-view="${view}"]`);
  const said = getComputedStyle(box, "::after").content;
  return [box.querySelectorAll("[data-row]").length, box.clientHeight >= box.scrollHeight, said];
}"""


def test_paper_has_every_row_of_a_table_up_to_a_thousand(report: Watched, image: Image) -> None:
    """And says how many are left out; the screen has those in sight again."""
    for name in ("vads", "privileges"):
        count = len(rows_of(image, name))
        report.go(f"#view/{name}")
        before, _, _ = report.page.evaluate(SHEET, name)
        assert before < count
        report.page.emulate_media(media="print")
        report.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        rows, whole, said = report.page.evaluate(SHEET, name)
        assert (rows, whole) == (min(count, 1000), True)
        assert said == (
            f'"{count - 1000} more rows are not printed: the page has them all."' if count > 1000 else "none"
        )
        report.page.emulate_media(media="screen")
        report.page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert report.page.evaluate(SHEET, name) == [before, False, "none"]


INK = """() => ["body", ".grid", ".grid [data-row]", ".grid .words"].map((name) => {
  const style = getComputedStyle(document.querySelector(name));
  const light = (colour) => colour.match(/[0-9.]+/g).slice(0, 3).reduce((sum, each) => sum + Number(each), 0) / 3;
  const clear = style.backgroundColor === "rgba(0, 0, 0, 0)";
  return [clear ? 255 : light(style.backgroundColor), light(style.color)];
})"""


@pytest.mark.parametrize("theme", ["", "dark"])
def test_paper_is_white_whatever_colours_the_screen_has(theme: str, report: Watched) -> None:
    report.page.emulate_media(color_scheme="dark")
    report.page.select_option("#theme", theme)
    report.go("#view/findings")
    report.page.emulate_media(media="print")
    found = report.page.evaluate(INK)
    report.page.emulate_media(media="screen", color_scheme="light")
    report.page.select_option("#theme", "")
    assert all(ground > 240 and ink < 100 for ground, ink in found), found


def test_a_printed_table_goes_over_as_many_sheets_as_it_needs(report: Watched, image: Image) -> None:
    """As Chromium prints it: the words of the last row are on the last sheets, and no row is cut off at the side."""
    report.page.emulate_media(media="null")  # what was emulated would hold on paper too
    report.go("#view/vads")
    sheets = report.page.pdf().count(b"/Type /Page\n")
    assert sheets > 10
    assert len(rows_of(image, "vads")) // sheets < 45
