"""The glossary of the page has the reader's words where their note has any, and says from where."""

from __future__ import annotations

from pathlib import Path

from process_anatomy.notes import default
from process_anatomy.notes.own.matching import open_note
from process_anatomy.report.gathered import notes


def test_the_readers_words_stand_in_the_glossary_and_nowhere_else(tmp_path: Path) -> None:
    file = tmp_path / "mine.md"
    file.write_text("# PEB\nWhat <b>it</b> keeps. And more.\n# Analogies\n|a|b|\n|-|-|\n|Goons|Run.|\n", "utf-8")
    ours, theirs = notes(default(), ["vad-row/private"]), notes(default(), ["vad-row/private"], open_note(file))
    peb, threads = theirs["term/peb"], theirs["component/threads"]
    assert (peb["brief"], peb["full"]) == ("What <b>it</b> keeps.", "What <b>it</b> keeps. And more.")
    assert peb["source"] == f"mine.md, PEB, line 1; {ours['term/peb']['source']}"
    assert threads["analogy"] == "Run."
    assert threads["full"] == ours["component/threads"]["full"]
    assert {key for key in ours if ours[key] != theirs[key]} == {"term/peb", "component/threads"}
