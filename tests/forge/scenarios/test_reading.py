"""A scenario's file is read whole or refused with its line, and with what is allowed there."""

from __future__ import annotations

from pathlib import Path

import pytest

from process_anatomy.errors import ScenarioError
from process_anatomy.forge.scenarios import available, cast, scenario
from process_anatomy.forge.scenarios.lines import lines_of
from process_anatomy.forge.scenarios.told import scenario_rows, trace_rows
from process_anatomy.forge.scenarios.traces import TRACES
from process_anatomy.forge.traces import table
from structs import builds

HEAD = 'title = "x"\nextends = "office"\n'
WRONG = [
    ('colour = "red"', 3, "no key 'colour'; it may have about,"),
    ('[machine]\nmemory = "5 MB"', 4, '"64 MB"'),
    ("[machine]\nmemroy = 3", 4, "(did you mean memory?)"),
    ("[machine]\nuptime_hours = [9, 2]", 4, "[least, most]"),
    ('[[users]]\nkey = "a"\nkind = "king"', 5, "it may be administrator, managed, standard"),
    ('[[users]]\nnames = ["a"]', 3, "needs a key"),
    ('[[programs]]\nkey = "a"\nfrom = "offices"', 5, "(did you mean office?)"),
    ('[[programs]]\nkey = "a"\nfrom = []', 3, "needs from"),
    ('[[programs]]\nkey = "a"\nfrom = "office"\ncuont = 2', 6, "(did you mean count?)"),
    ('[[programs]]\nkey = "a"\nfrom = "office"\nuser = "nobody"', 3, "there are owner"),
    ('[[programs]]\nkey = "a"\nfrom = "office"\npid = 1024', 6, "none of 1024"),
    ('[[programs]]\nkey = "a"\nfrom = "office"\n[[programs]]\nkey = "a"\nfrom = "office"', 6, "used twice, on line 3"),
    ('[[programs]]\nkey = "a"\nfrom = "office"\npid = 88\n[[programs]]\nkey = "b"\nfrom = "office"\npid = 88', 7,
     "taken already, on line 3"),
    ('[[traces]]\ntrace = "hiden process"', 4, "(did you mean hidden process?)"),
    ('[[traces]]\ntrace = "lsass access"', 3, "needs in:"),
    ('[[traces]]\ntrace = "lsass access"\nin = "office programs"\nwho = 1', 6, "no parameter 'who'; it has again, in"),
    ('[[traces]]\ntrace = "lsass access"\nin = "office"', 5, "it may be"),
    ('[[traces]]\ntrace = "hidden process"\nalso_cid = "yes"', 5, "must be true or false"),
    ("lists = {a = [3]}", 3, "a program is a path"),
]  # fmt: skip
"""What is written behind the head, the line that is wrong, and words of what is told."""


@pytest.mark.parametrize(("text", "line", "words"), WRONG, ids=[text.partition("\n")[2] or text for text, *_ in WRONG])
def test_what_is_wrong_is_told_with_file_line_and_what_is_allowed(
    text: str, line: int, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + text)
    with pytest.raises(ScenarioError) as told:
        scenario(path)
    message = str(told.value)
    assert message.startswith(f"{path}, line {line}: ")
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "build", "line", "words"),
    [
        ('[[traces]]\ntrace = "forged privileges"\nin = "own programs"', "x86-2600-5512", 3, "needs Windows Vista"),
        ('[[traces]]\ntrace = "chosen parent"\nparent = "shell"', "x64-7601-24540", 3, "needs build 10240 or later"),
        ('[[users]]\nkey = "b"', "x86-2600-5512", 3, "several people"),
        ('[[users]]\nkey = "owner"\nkind = "managed"', "x64-22621-382", 3, "needs build 26100"),
        ('[machine]\nmemory = "8 GB"', "x86-7601-24000", 1, "8 GB of memory"),
        ("first_build = 9200", "x64-7601-24540", 3, "for builds from 9200 on"),
        ('[[traces]]\ntrace = "stolen token"\nin = "service hosts"', "x64-22621-382", 5, "a person's program"),
        ('[[users]]\nkey = "b"\nkind = "standard"\n[[programs]]\nkey = "c"\nfrom = "office"\nuser = "b"\nas = "full"',
         "x64-22621-382", 6, "is no administrator"),
    ],
)  # fmt: skip
def test_what_this_windows_cannot_show_is_told_with_the_line_that_asks_for_it(
    text: str, build: str, line: int, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + text)
    declared = scenario(path)
    with pytest.raises(ScenarioError) as told:
        cast(declared, 1, builds.load(build))
    assert str(told.value).startswith(f"{path}, line {line}: ")
    assert words in str(told.value)


def test_what_is_no_toml_or_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("title = ]")
    with pytest.raises(ScenarioError, match=r"it is no TOML: .*line 1"):
        scenario(path)
    with pytest.raises(ScenarioError, match="it cannot be read"):
        scenario(tmp_path / "gone.toml")
    path.write_text('title = "x"\nextends = "mine"')
    with pytest.raises(ScenarioError, match=r"line 2: mine extends itself"):
        scenario(path)
    with pytest.raises(ScenarioError, match="did you mean hidden-process"):
        scenario("hidden-proces")


def test_lines_are_found_in_texts_of_every_form() -> None:
    text = '# a\na = """\n[no]\nb = 1\n"""\n[t]\nc = [\n  1, # ]\n  2,\n]\nd.e = "]"\n[[u]]\nf = 1\n[[u]]\nf = 2 # x\n'
    assert lines_of(text) == {
        (): 1, ("a",): 2, ("t",): 6, ("t", "c"): 7, ("t", "d", "e"): 11,
        ("u", 0): 12, ("u", 0, "f"): 13, ("u", 1): 14, ("u", 1, "f"): 15,
    }  # fmt: skip


def test_every_scenario_that_ships_says_what_it_shows() -> None:
    assert len(available()) > 15
    for name in available():
        declared = scenario(name)
        assert declared.name == name
        assert declared.title
        assert declared.about.strip()


def test_every_trace_of_the_forge_has_a_name_in_scenarios() -> None:
    """But the one that is made with another, where Windows needs it."""
    assert table.TRACES.keys() - TRACES.keys() == {"blinded loader"}


def test_the_page_for_instructors_has_every_scenario_and_every_trace() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "scenarios.md").read_text("utf-8").splitlines()
    rows = {line for line in page if line.startswith("| ")}
    assert {*scenario_rows(), *trace_rows()} <= rows


def test_the_example_for_instructors_is_a_scenario(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "scenarios.md").read_text("utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(page.partition("```toml\n")[2].partition("```")[0])
    made = cast(scenario(path), 1, builds.load("x64-22621-382"))
    assert [*made.traces.values()] == [["code in a thread", "unlisted library"]]
