"""The reader's own note: read as Obsidian writes it, matched with ours, cited by line, and never trusted."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.notes.explainer import Explainer, Told
from process_anatomy.notes.library import Level, default
from process_anatomy.notes.own import syntax
from process_anatomy.notes.own.files import MOST_BYTES, NoteFile, note_files
from process_anatomy.notes.own.matching import (
    BY_BLOCK,
    BY_HEADING,
    BY_MENTION,
    BY_PLACE,
    BY_ROW,
    DRAWN,
    EMPTY,
    IS_ANALOGY,
    NOTHING,
    OwnNote,
    open_note,
    usable,
)
from process_anatomy.notes.own.names import plain_name, term_of
from process_anatomy.notes.own.passages import Passage, passages
from process_anatomy.notes.own.topics import NEARER, STRUCTURES, TOPICS

NOTE = """---
tags: [windows, internals]
aliases: [Prozesse]
---
Written on a train. #draft/one

# Components

| Component | Purpose | Seen in |
|---|---|---|
| The **handle** table | What is [[Handles\\|open]] \\| inherited | `handles` |
| Threads | They ==run== | %%remember%% `threads` |

# Analogy: a restaurant

| Part | What it stands for |
|---|---|
| Waiters | Bring what was ordered |
| Cooks | Do the work |

# Access tokens
https://example.org/tokens

A token says %%not so sure%% who. It ==names [[User|the user]]== and <b>more</b>.

%%
# Privilege
Nobody shall see this.
%%

> [!example] Working set
> The pages that are in memory *now*.

Pages {process} keeps for itself at {start}, {0.real}. ^vad-row-private

- The EPROCESS lies in system space.
- ![[picture.png|300]]

## Odd _names_ ^csr-process
Text under an id.

| PEB | user memory |
|---|---|
| a | b |

^peb

# Restaurants
No word about Windows.
"""


def made(folder: Path, text: str | bytes = NOTE, name: str = "note.md") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture(scope="module")
def note(tmp_path_factory: pytest.TempPathFactory) -> OwnNote:
    return open_note(made(tmp_path_factory.mktemp("note")))


def found(note: OwnNote, key: str) -> Passage:
    return next(match.passage for match in note.matches if match.passage and match.passage.key == key)


def test_each_form_of_obsidian_is_read_as_it_is_meant(note: OwnNote) -> None:
    row = found(note, "The handle table")
    assert row.words == "Purpose: What is open | inherited; Seen in: handles"
    assert row.line == 11
    assert found(note, "Threads").words == "Purpose: They run; Seen in: threads"
    token = found(note, "Access tokens")
    assert token.words == "A token says who. It names the user and <b>more</b>. The EPROCESS lies in system space."
    assert token.links == ["https://example.org/tokens"]
    assert token.marked == ["the user", "names the user"]
    assert found(note, "Working set").words == "The pages that are in memory now."
    assert found(note, "picture.png").kind == "embed"
    assert found(note, "csr-process").words == "Text under an id."
    assert found(note, "peb").words == "b"
    assert found(note, "note").words == "Written on a train."
    said = " ".join(match.passage.words for match in note.matches if match.passage)
    assert not any(hidden in said for hidden in ("Nobody", "not so sure", "remember", "tags", "Prozesse", "#draft"))


def test_each_passage_is_matched_by_what_names_it(note: OwnNote) -> None:
    matches = {match.passage.key: (match.how, match.key) for match in note.matches if match.passage}
    assert matches == {
        "note": (NOTHING, ""),
        "Components": (EMPTY, ""),
        "The handle table": (BY_ROW, "component/open-handles"),
        "Threads": (BY_ROW, "component/threads"),
        "Analogy: a restaurant": (IS_ANALOGY, ""),
        "Waiters": (BY_PLACE, "component/open-handles"),
        "Cooks": (BY_PLACE, "component/threads"),
        "Access tokens": (BY_HEADING, "term/access-token"),
        "Working set": (BY_HEADING, "term/working-set"),
        "vad-row-private": (BY_BLOCK, "vad-row/private"),
        "picture.png": (DRAWN, ""),
        "csr-process": (BY_BLOCK, "term/csr-process"),
        "a": (NOTHING, ""),
        "peb": (BY_BLOCK, "term/peb"),
        "Restaurants": (NOTHING, ""),
    }
    assert [each.words for each in note.mentions("term/eprocess")] == ["The EPROCESS lies in system space."]
    lacking = {match.key for match in note.lacking()}
    assert "term/sid" in lacking
    assert not lacking & {"term/eprocess", "term/peb", "component/threads"}


def test_words_are_cited_by_file_section_and_line(note: OwnNote) -> None:
    quote = note.quote("term/access-token", Level.BRIEF)
    assert quote is not None
    assert quote.cited == "A token says who. (note.md, Access tokens, line 21)"
    analogy = note.quote("component/threads", Level.ANALOGY)
    assert analogy is not None
    assert analogy.words == "Do the work"
    assert note.quote("term/access-token", Level.ANALOGY) is None
    assert note.quote("term/access-token", Level.OFF) is None


def row() -> Told:
    return Told("handle-row/unnamed", {"process": "a.exe", "pid": 4, "value": "0x4", "type": "Event"} | HANDLE)


HANDLE = {"address": "0x1", "target": "t", "rights": "EVENT_ALL_ACCESS", "kept": ""}


def test_a_brief_row_quotes_a_term_once_and_a_full_one_each_time(note: OwnNote) -> None:
    ours = default().explain(*row()[:1], Level.BRIEF, row().facts)
    theirs = " Your note: Purpose: What is open | inherited; Seen in: handles (note.md, Components, line 11)"
    brief, full = Explainer("brief", own=note), Explainer("full", own=note)
    assert [brief(row), brief(row)] == [ours + theirs, ours]
    assert [full(row), full(row)] == [ours + theirs] * 2
    assert Explainer("analogy", own=note)(row) == ours + " Your note: Bring what was ordered (note.md, " + (
        "Analogy: a restaurant, line 18)"
    )
    assert Explainer("off", own=note)(row) is None


def test_a_block_id_of_a_row_stands_in_its_place_and_takes_only_its_facts(note: OwnNote) -> None:
    said = Explainer("full", own=note)(lambda: ("vad-row/private", {"process": "{pid}", "start": "0x10", "pid": 4}))
    assert said == "Pages {pid} keeps for itself at 0x10, {0.real}. (note.md, Access tokens, line 34)"


STUDY = {
    "Definition": "term/process",
    "A private virtual address space": "component/private-address-space",
    "An executable program": "component/executable-program",
    "A list of open handles": "component/open-handles",
    "A security context": "component/security-context",
    "A process ID": "component/process-id",
    "At least one thread of execution": "component/threads",
    "Land": "component/private-address-space",
    "Manifesto": "component/executable-program",
    "Blackmailed informants": "component/open-handles",
    "Tattoos for recognizing a gang member": "component/security-context",
    "A Name": "component/process-id",
    "Goons": "component/threads",
    "Creating a Process": "term/create-process",
    "Access Tokens": "term/access-token",
    "Virtual Address Descriptor (VAD)": "term/vad",
    "Internals": "term/eprocess",
    "Various Structures": "term/csr-process",
}
"""Each heading and row of the study note to where its words come out; a mention stands beside words of ours."""
MARKS = {"Translation": IS_ANALOGY, "Diagram": EMPTY, "processes.svg": DRAWN}
"""What has no words of its own: it says that the rows below are an analogy, or embeds the diagram, which is drawn."""


def test_every_row_and_section_of_the_study_note_comes_out_somewhere(shared: Path) -> None:
    note = open_note(shared / "note" / "processes.md")
    told = {match.passage.key: match for match in note.matches if match.passage}
    assert {name: match.how for name, match in told.items() if not match.key} == MARKS
    assert {name: match.key for name, match in told.items() if match.key} == STUDY
    assert len(told) == len(note.matches)
    explain = Explainer("full", own=note)
    for match in told.values():
        passage = match.passage
        if passage is None or not match.key:
            continue
        if match.how == BY_MENTION:
            assert note.mentions(match.key)[0].words in passage.words
        else:
            level = Level.ANALOGY if passage.analogy else Level.FULL
            said = explain.general(default()[match.key], level)
            assert said.words == passage.words[: len(said.words)]
            assert said.place == passage.place
    beside = ("term/peb", "term/ethread", "term/client-id", "term/create-process-as-user", "term/vad-node")
    assert all(note.mentions(key) for key in beside)


def test_rows_are_examples_of_terms_that_there_are() -> None:
    families = {key.partition("/")[0] for key in default().ids()}
    assert set(TOPICS) <= families
    for keys in (*TOPICS.values(), *NEARER.values(), STRUCTURES.values()):
        assert all(default()[key] for key in keys)
    assert all(default()[key] for key in NEARER)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("latin.md", "# Prozeß\n".encode("latin-1"), "not text in UTF-8"),
        ("zero.md", b"# Thread\n\0\0", "not text in UTF-8"),
        ("wide.md", "# Thread\nx".encode("utf-32"), "not text in UTF-8"),
        ("half.md", b"\xff\xfe#", "not text in UTF-8"),
        ("huge.md", b"#" * (MOST_BYTES + 1), "larger than 256 KB"),
        ("other.md", b"# Cooking\nPeel the onions.\n", "no heading, table row or block id in it names a term"),
        ("empty.md", b"", "no heading, table row or block id in it names a term"),
    ],
)
def test_a_note_that_cannot_be_used_is_one_line_and_our_words_stand(
    tmp_path: Path, name: str, data: bytes, said: str
) -> None:
    own, problem = usable(made(tmp_path, data, name))
    assert own is None
    assert said in problem
    assert problem.endswith("; our own words are used")
    assert "\n" not in problem


def test_other_encodings_and_ends_of_lines_are_read(tmp_path: Path) -> None:
    plain = open_note(made(tmp_path)).matches
    for encoding in ("utf-16", "utf-8-sig"):
        assert open_note(made(tmp_path, NOTE.replace("\n", "\r\n").encode(encoding))).matches == plain


def test_what_is_no_file_of_a_note_is_one_line(tmp_path: Path) -> None:
    assert "No such file" in usable(tmp_path / "gone.md")[1]
    assert "no file in this folder ends in .md" in usable(tmp_path)[1]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.md")
        assert "is no file" in usable(tmp_path / "pipe.md")[1]
    assert usable(None) == (None, "")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_folder_is_read_whole_and_its_loops_of_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "deep" / ".obsidian").mkdir(parents=True)
    made(tmp_path / "deep", "# Definition\nIt runs. See [[note]].", "Threads.md")
    made(tmp_path, "# SID\nA number. ![[deep/Threads]]", "note.md")
    made(tmp_path / "deep" / ".obsidian", "# SID\nHidden.", "x.md")
    (tmp_path / "deep" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert [file.name for file in note_files(tmp_path)[0]] == ["note.md", "deep/Threads.md"]
    quote = open_note(tmp_path).quote("component/threads", Level.BRIEF)
    assert quote is not None
    assert quote.cited == "It runs. (deep/Threads.md, Definition, line 1)"
    (tmp_path / "self.md").symlink_to(tmp_path / "self.md")
    own, problem = usable(tmp_path)
    assert own is not None
    assert "self.md: " in problem


def test_without_the_library_one_line_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path)
    syntax._parser.cache_clear()
    monkeypatch.setitem(sys.modules, "markdown_it", None)
    assert "pip install 'process-anatomy[note]'" in usable(path)[1]
    syntax._parser.cache_clear()


@pytest.mark.parametrize(
    "piece",
    [
        "[",
        "![[",
        "[[a|",
        "[a](",
        "==a ",
        "%%",
        "`",
        "> ",
        "*a ",
        "_a ",
        "| a ",
        "- ",
        "<a ",
        "^a ",
        "\\",
        "a\n\n^b\n\n",
    ],
)
def test_a_note_made_to_take_long_takes_as_long_as_its_length(piece: str) -> None:
    passages(NoteFile("x.md", "# Thread"))
    short, long = (calls(piece, length) for length in (2_000, 8_000))
    assert long < 6 * short


def calls(piece: str, length: int) -> int:
    """Functions that are called for a note of so many characters."""
    count = 0

    def counted(*_: object) -> None:
        nonlocal count
        count += 1

    text = "# Thread\n" + piece * (length // len(piece))
    sys.setprofile(counted)
    try:
        assert passages(NoteFile("x.md", text))
    finally:
        sys.setprofile(None)
    return count


SYNTAX = st.sampled_from(
    [
        "#",
        "|",
        "\\|",
        "==",
        "[[",
        "]]",
        "![[",
        "%%",
        "^vad",
        ">",
        "[!note]",
        "-",
        "`",
        "**",
        "\n",
        "\n\n",
        "---",
        "thread",
        "SID",
        "{x}",
        "\x1b",
        "\u202e",
        "<script>",
        "[a](b)",
    ]
)


@settings(max_examples=40, deadline=None)
@given(st.lists(SYNTAX | st.text(max_size=8), max_size=40).map(" ".join))
def test_whatever_a_note_holds_is_read_or_declined(text: str) -> None:
    for each in passages(NoteFile("x.md", text)):
        assert each.line >= 1
        assert "\n" not in each.words
        assert isinstance(term_of(each.key), str)


@given(st.text(max_size=40))
def test_names_are_compared_alike_however_they_are_written(name: str) -> None:
    assert plain_name(plain_name(name)) == plain_name(plain_name(plain_name(name)))
    assert plain_name(f"  {name} ") == plain_name(name)


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("Virtual Address Descriptor (VAD)", "term/vad"),
        ("VADs", "term/vad"),
        ("The Process Environment Block", "term/peb"),
        ("SeDebugPrivilege", "privilege/SeDebugPrivilege"),
        ("PAGE_GUARD", "protection/PAGE_GUARD"),
        ("at least one thread", "component/threads"),
        ("hidden-process", "finding/hidden-process"),
        ("_EPROCESS", "term/eprocess"),
        ("Shopping", ""),
    ],
)
def test_a_term_is_known_by_what_people_call_it(written: str, key: str) -> None:
    assert term_of(written) == key
