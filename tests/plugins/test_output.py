"""What reaches a screen or a file: every renderer, hostile text, options, plugins beside the stock ones."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_anatomy.forge import LAB, Image, forge, write_bitmap_dump, write_raw
from process_anatomy.volatility import process_ids, repeated_option, safe_text
from scripts import write_docs
from structs import builds
from structs.eprocess import EPROCESS
from tests.conftest import ROOT, Stock, Vol

SAMPLE = ROOT / "samples" / "lab-win11-22621.dmp"
PLUGINS = ["processes", "vads", "tokens", "groups", "privileges", "claims", "dacls", "creation", "dt"]
PROCESSES = 29
"""Processes of the sample that the list of active ones holds; one more was taken off it."""
GUESSED, TOLD = "its neighbour", "the kernel's code"
"""What the place of a field may rest on: nothing better than that of the next layout, and the kernel itself."""
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


@pytest.mark.parametrize("renderer", ["quick", "pretty", "csv", "json", "jsonl", "none", "mermaid"])
@pytest.mark.parametrize("plugin", PLUGINS)
def test_every_renderer_works(plugin: str, renderer: str, vol: Vol) -> None:
    """Status 0, and something on standard output unless the renderer is `none`."""
    answer = vol("-r", renderer, "-f", SAMPLE, f"windows.anatomy.{plugin}")
    assert answer.status == 0, answer.err
    assert bool(answer.out.strip()) or renderer == "none"
    assert "Traceback" not in answer.err


def test_csv_and_json_hold_the_same_rows(vol: Vol) -> None:
    """Row for row, by process id and name."""
    table = vol("-r", "csv", "-f", SAMPLE, "windows.anatomy.processes").out
    from_csv = [(int(row["PID"]), row["ImageFileName"]) for row in csv.DictReader(io.StringIO(table.strip()))]
    from_json = [
        (row["PID"], row["ImageFileName"]) for row in vol("-r", "json", "-f", SAMPLE, "windows.anatomy.processes").rows
    ]
    assert from_csv == from_json


def test_vads_are_nested_as_their_tree_is(vol: Vol) -> None:
    """In JSON each node's children name it as their parent, and the depth counts the nesting."""
    tree = json.loads(vol("-r", "json", "-f", SAMPLE, "windows.anatomy.vads").out)
    pending: list[tuple[int, int, dict[str, Any]]] = [(0, 0, row) for row in tree]
    count = 0
    while pending:
        depth, parent, row = pending.pop()
        assert (row["Depth"], row["Parent"]) == (depth, parent)
        pending += [(depth + 1, row["Offset"], child) for child in row["__children"]]
        count += 1
    assert count == len(vol("-r", "json", "-f", SAMPLE, "windows.anatomy.vads").rows)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image in which a process bears a name made to harm a terminal."""
    image = forge(LAB, 5)
    place = builds.load("x64-22621-382")[EPROCESS].place("ImageFileName")
    end = place.offset + place.size
    victim = next(p for p in image.truth["processes"] if p["session"] == 1 and p["eprocess"] % 0x1000 + end <= 0x1000)
    write_at(
        image,
        victim["eprocess_pa"],
        victim["eprocess"],
        place.offset,
        b"\x1b[31m\r\n\x07\x9b,=1\0".ljust(place.size, b"\0"),
    )
    path = tmp_path_factory.mktemp("hostile") / "image.raw"
    write_raw(image, path)
    return path


def write_at(image: Image, physical: int, virtual: int, offset: int, data: bytes) -> None:
    """Overwrite part of a structure whose first byte lies at a physical address, within its first page."""
    assert (virtual & 0xFFF) + offset + len(data) <= 0x1000, "the field is on another page"
    at = physical + offset
    page = bytearray(image.physical[at >> 12])
    page[at & 0xFFF : (at & 0xFFF) + len(data)] = data
    image.physical[at >> 12] = bytes(page)


@pytest.mark.parametrize("renderer", ["quick", "pretty", "csv", "jsonl"])
@pytest.mark.parametrize("plugin", ["processes", "vads", "tokens"])
def test_no_control_character_of_a_name_reaches_the_output(plugin: str, renderer: str, hostile: Path, vol: Vol) -> None:
    """Escapes, bells and carriage returns come out as text, in lines of the log too."""
    answer = vol("-v", "-r", renderer, "-f", hostile, f"windows.anatomy.{plugin}")
    assert answer.status == 0, answer.err
    assert not CONTROL.search(answer.out + answer.err)
    assert "x1b[31m" in answer.out


@given(st.text())
def test_safe_text_is_printable_and_leaves_printable_text_alone(text: str) -> None:
    """Every character that is not printable is escaped, no other is touched."""
    assert safe_text(text).isprintable()
    if text.isprintable() and "\\" not in text:
        assert safe_text(text) == text


ESCAPES = st.text(st.sampled_from("\\x1bu20e\x1b\u202e\x85 ")).map(str)


@given(ESCAPES, ESCAPES)
def test_no_two_texts_look_alike_though_one_has_letters_like_an_escape(one: str, other: str) -> None:
    """The letters that an escape is written with are told from the character; paths stay as they are."""
    assert (safe_text(one) == safe_text(other)) == (one == other)
    assert safe_text("\\x1b") == "\\\\x1b" != safe_text("\x1b") == "\\x1b"
    assert safe_text("C:\\Windows\\explorer.exe") == "C:\\Windows\\explorer.exe"


@pytest.mark.parametrize(
    "arguments", [["--pid", "4,728"], ["--pid", "4", "728"], ["--pid", "4", "--pid", "728"], ["--pid", "0x4,0x2d8"]]
)
def test_pids_may_be_repeated_or_comma_separated(arguments: list[str], vol: Vol) -> None:
    """All spellings choose the same two processes."""
    rows = vol("-r", "json", "-f", SAMPLE, "windows.anatomy.processes", *arguments).rows
    assert [row["PID"] for row in rows] == [4, 728]


def test_only_a_command_line_that_arrived_here_is_taken_for_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library caller's ids do not mix with its own program's options."""
    monkeypatch.setattr("sys.argv", ["server", "--pid", "77", "--pid", "78"])
    assert repeated_option("--pid", ["78"]) == ["77", "78"]
    assert repeated_option("--pid", ["4"]) == ["4"]
    assert process_ids([4, "8,12"]) == {4, 8, 12}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_each_level_of_explanation_has_its_own_words(plugin: str, vol: Vol) -> None:
    """`off` says nothing, and the other three differ; columns stay the same."""
    texts: dict[str, list[str | None]] = {}
    columns: set[tuple[str, ...]] = set()
    for level in ("off", "brief", "full", "analogy"):
        rows = vol("-r", "json", "-f", SAMPLE, f"windows.anatomy.{plugin}", "--pid", "5212", "--explain", level).rows
        texts[level] = [row["Explanation"] for row in rows]
        columns.add(tuple(rows[0]))
    assert set(texts["off"]) == {None}
    assert all(texts[level] and None not in texts[level] for level in ("brief", "full", "analogy"))
    assert texts["brief"] != texts["full"]
    assert texts["full"] != texts["analogy"]
    assert len(columns) == 1


def test_an_explanation_fits_its_row(vol: Vol) -> None:
    """A mapping's row speaks of that file, a privilege's row of what that privilege allows."""
    vads = vol("-r", "json", "-f", SAMPLE, "windows.anatomy.vads", "--pid", "5212").rows
    for row in vads:
        if row["File"]:
            assert row["File"].rsplit("\\", 1)[-1] in row["Explanation"]
        assert f"{row['Start VPN']:#x}" in row["Explanation"]
    rows = vol("-r", "json", "-f", SAMPLE, "windows.anatomy.privileges", "--pid", "5212").rows
    assert all(row["Privilege"] in row["Explanation"] for row in rows)
    assert len({row["Explanation"] for row in rows}) == len(rows)


def test_explain_needs_no_image(vol: Vol) -> None:
    """Components and terms without a question; one note for a privilege."""
    rows = vol("-r", "json", "windows.anatomy.explain").rows
    assert {row["Kind"] for row in rows} == {"component", "term"}
    assert [row["Term"] for row in rows if row["Kind"] == "component"] == [
        "private-address-space",
        "executable-program",
        "open-handles",
        "security-context",
        "process-id",
        "threads",
    ]
    one = vol("-r", "json", "windows.anatomy.explain", "--about", "SeDebugPrivilege").rows
    assert [row["Term"] for row in one] == ["SeDebugPrivilege"]


def test_plugins_are_found_without_p_and_beside_the_stock_ones(vol: Vol, stock_plugin: Stock) -> None:
    """The wheel puts them where `vol` looks; `--help` lists both, and a stock plugin runs."""
    listed = vol("--help").out
    for name in ("windows.anatomy.processes.Processes", "windows.anatomy.explain.Explain", "windows.pslist.PsList"):
        assert name in listed
    assert "could not be loaded" not in listed or "anatomy" not in listed.split("could not be loaded", 1)[1]
    assert len(stock_plugin(SAMPLE, ROOT / "samples" / "symbols", "windows.pslist")) == PROCESSES


def test_a_checkout_serves_with_p(vol: Vol) -> None:
    """`-p plugins` takes the checkout's plugins, and stock plugins keep working."""
    rows = vol("-p", ROOT / "plugins", "-r", "json", "-f", SAMPLE, "windows.anatomy.processes").rows
    assert len(rows) == PROCESSES
    stock = vol(
        "-p", ROOT / "plugins", "-s", ROOT / "samples" / "symbols", "-r", "json", "-f", SAMPLE, "windows.pslist"
    )
    assert len(stock.rows) == PROCESSES


def test_the_users_own_symbol_table_gives_the_same_rows(vol: Vol) -> None:
    """`--isf` with the sample's table changes nothing but the layout's origin."""
    table = next((ROOT / "samples" / "symbols").rglob("*.json.xz"))
    shipped = vol("-r", "json", "-f", SAMPLE, "windows.anatomy.vads").rows
    own = vol("-r", "json", "-f", SAMPLE, "windows.anatomy.vads", "--isf", table).rows
    columns = ("PID", "Offset", "Start VPN", "End VPN", "Protection", "CommitCharge", "File")
    assert [[row[c] for c in columns] for row in own] == [[row[c] for c in columns] for row in shipped]


def test_an_unknown_kernel_is_estimated_and_every_row_says_so(tmp_path: Path, vol: Vol) -> None:
    """A kernel whose PDB is not known, of a build with several layouts, is read and marked, whatever is asked."""
    path = tmp_path / "image.dmp"
    write_bitmap_dump(forge(LAB, 7, "x64-22000-1"), path)
    answer = vol("-r", "json", "-f", path, "windows.anatomy.processes")
    assert {row["Layout"] for row in answer.rows} == {"estimated"}
    assert all("Layout estimated: " in row["Explanation"] for row in answer.rows)
    assert "The layout is estimated" in answer.err
    fields = [row for row in vol("-r", "json", "-f", path, "windows.anatomy.dt").rows if row["Offset"] is not None]
    of = {source: {row["Field"] for row in fields if row["Source"] == source} for source in (GUESSED, TOLD)}
    marked = {row["Field"] for row in fields if "Layout estimated: " in row["Explanation"]}
    assert all(of.values())
    assert of[GUESSED] <= marked
    assert not of[TOLD] & marked


def test_a_field_that_the_build_lacks_says_so(tmp_path: Path, vol: Vol) -> None:
    """`dt` shows it without an offset and with the reason."""
    path = tmp_path / "image.dmp"
    write_bitmap_dump(forge(LAB, 7, "x64-9600-16384"), path)
    rows = vol("-r", "json", "-f", path, "windows.anatomy.dt").rows
    missing = {row["Field"]: row for row in rows if row["Offset"] is None}
    assert "ServerSilo" in missing
    assert missing["ServerSilo"]["Value"] is None
    assert missing["ServerSilo"]["Problems"].startswith("not in this build: _EPROCESS.ServerSilo")


@pytest.mark.parametrize("scenario_hidden", [True, False])
def test_a_process_taken_off_the_list_is_not_on_it(scenario_hidden: bool, tmp_path: Path, vol: Vol) -> None:
    """The list is what is walked: an unlinked process is missing, as the lab's own is, and nothing else is."""
    cast = tuple(replace(a, hidden=scenario_hidden) if a.name == "notepad.exe" else a for a in LAB.cast)
    path = tmp_path / "image.dmp"
    write_bitmap_dump(forge(replace(LAB, cast=cast), 3), path)
    names = [row["ImageFileName"] for row in vol("-r", "json", "-f", path, "windows.anatomy.processes").rows]
    assert ("notepad.exe" in names) is not scenario_hidden
    assert len(names) == sum(not actor.hidden for actor in cast)


@pytest.mark.parametrize("plugin", ["processes", "tokens", "privileges", "handles", "threads", "vads"])
def test_a_hidden_process_is_taken_apart_when_its_id_is_asked_for(plugin: str, vol: Vol) -> None:
    """It is on no list, but what it has is there as of any other; that it is hidden is told."""
    truth = json.loads((SAMPLE.parent / "lab-win11-22621.truth.json").read_text("utf-8"))
    (hidden,) = (process for process in truth["processes"] if not process["in_active_list"])
    answer = vol("-r", "json", "-f", SAMPLE, f"windows.anatomy.{plugin}", "--pid", str(hidden["pid"]))
    counts = {"processes": 1, "tokens": 1} | {name: len(hidden[name]) for name in ("handles", "threads", "vads")}
    assert {row["PID"] for row in answer.rows} == {hidden["pid"]}
    assert len(answer.rows) == counts.get(plugin, len(answer.rows))
    assert f"process {hidden['pid']}: it is not on the list of active processes" in answer.err
    if plugin == "processes":
        assert "not on the list of active processes" in answer.rows[0]["Problems"]


def test_generated_documentation_is_up_to_date(vol: Vol, capsys: pytest.CaptureFixture[str]) -> None:
    """README and docs hold what the commands print now."""

    def run(arguments: list[str]) -> str:
        answer = vol(*arguments)
        return answer.out + (answer.err if answer.status else "")

    assert (write_docs.main(check=True, run=run), capsys.readouterr().out) == (0, "")


@pytest.mark.parametrize(
    "arguments", [("-f", SAMPLE, "windows.anatomy.privileges", "--pid", "5212"), ("-f", "nowhere")]
)
def test_the_installed_program_answers_as_the_tests_see_it(
    arguments: tuple[str | Path, ...], vol: Vol, cold_vol: Vol
) -> None:
    """The runs of the tests share their start; a run of its own prints the same."""
    assert vol(*arguments) == cold_vol(*arguments)
