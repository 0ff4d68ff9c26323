"""The glossary of the page has the reader's words where their note has any, and says from where."""

from __future__ import annotations

from pathlib import Path

from process_anatomy import open_image
from process_anatomy.notes import default
from process_anatomy.notes.explainer import Explainer
from process_anatomy.notes.own.matching import open_note
from process_anatomy.report.explained import Kept
from process_anatomy.report.gathered import gathered, notes
from process_anatomy.views.declaration import Request
from tests.conftest import SAMPLE


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


def test_rows_have_the_readers_words_for_just_them_and_quote_the_rest_once_a_view(tmp_path: Path) -> None:
    """As the view itself gives them where it is asked with the note."""
    file = tmp_path / "mine.md"
    file.write_text("# PEB\nWhat <b>it</b> keeps.\n\nPages of {process} alone. ^vad-row-private\n", "utf-8")
    image = open_image(SAMPLE)
    image.own = open_note(file)
    for name in ("vads", "peb"):
        request = Request(image.tables(), Explainer("brief", own=image.own))
        found = next(each for each in gathered(request) if each.view.name == name)
        said = [row["Explanation"] for row in image.view(name)]
        some = [(text, told.told) for text, told in zip(said, found.texts, strict=False) if isinstance(told, Kept)]
        exact = [text for text in said if text and text.startswith("Pages of ")]
        assert [text for text in found.texts[: len(said)] if not isinstance(text, Kept)] == exact
        assert bool(exact) == (name == "vads")
        quoting = [told for _, told in some if "Your note: " in told.sober]
        assert len(quoting) == sum("Your note: " in str(text) for text, _ in some) == (name == "peb")
        assert all("<b>it</b>" in told.sober for told in quoting)
