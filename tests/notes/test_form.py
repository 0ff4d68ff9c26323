"""Every template reads as a sentence whatever stands in it: one, many, nothing, names that end oddly."""

from __future__ import annotations

import re
import string
from dataclasses import replace
from pathlib import Path

import pytest

from process_anatomy import open_image, views
from process_anatomy.absent import Absent, Kind
from process_anatomy.notes import Level, default
from process_anatomy.notes.about import TEMPLATES
from process_anatomy.notes.block_rows import place
from process_anatomy.notes.explainer import Explainer
from process_anatomy.notes.library import Words
from process_anatomy.notes.process_rows import count, file_words, who, word
from tests.notes.test_coverage import PROCESS

SAMPLE = Path(__file__).parents[2] / "samples" / "lab-win11-22621.dmp"
KEYS = [key for key in default().ids() if key.partition("/")[0] in TEMPLATES]
COUNTED = {
    "page_count": "page", "thread_count": "thread", "goon_count": "goon", "size": "page", "peak": "page",
    "leaf": "page", "large": "page", "transition": "page", "tables": "page table", "entries": "entry",
    "private": "page", "guard": "page", "behind": "page", "value_count": "value", "steps": "handle",
    "restricting": "restricting SID", "capabilities": "capability SID", "count": "other", "rows": "row",
}  # fmt: skip
"""Placeholders that hold a number with its noun."""
COUNTED_IN = {
    "working-set-row": {"resident": "page", "compressed": "page"},
    "csr-row": {"threads": "thread"},
    "check-outcome": dict.fromkeys(("passed", "failed", "unreadable"), "object"),
}
"""The same, where the placeholder is a bare number in other families."""
PLACES = {
    "start",
    "end",
    "base",
    "peb",
    "root",
    "teb",
    "low",
    "high",
    "block",
    "win32_start",
    "odd",
    "physical",
    "node",
}
FILES = {"file", "mapped"}
PROCESSES = {"process", "holder", "parent", "client", "creator", "target"}
OURS = {
    "meaning": "may be read and written", "use": "It holds the stack of a thread.", "may": "shut the system down",
    "doing": "waits (UserRequest: for a reason)",
    "loading": "It was loaded by name.", "rank": "no integrity level", "elevation": "no elevation type",
    "kept": "It is not inherited.", "title": "Files.",
    "there": "nothing readable",
    "disagreement": "RWX 1", "reason": "not read", "where": "private memory",
    "powers": "PROCESS_VM_WRITE", "named": ' ("worker")', "whose": ", that of a.exe (8),",
    "services": " for the service Dnscache",
    "last_call": "; its last failed call left error 5", "way": "a.exe -> b.exe",
    "place": "value 1 of 2", "by": "the token itself",
    "holds": "private memory", "what": "a structure", "obstacles": "3 pages", "seen": "Forward and CID",
    "missed": "Forward", "missing": "Forward", "whole": "the threads", "partly": "the handles", "confidence": "low",
    "also": ", and also its owner", "purpose": "heap", "compared": "its token is identical to the parent's",
    "bits": 64, "entry": "entry 1", "protected": "ProtectedLight-WinTcb",
    "kind": "user claim", "privilege": "SeDebugPrivilege", "field": "_EPROCESS.Peb",
    "structure": "_EPROCESS", "layout": "x64-19041-0", "about": Words("private memory at 0x1000"),
    "integrity": "medium", "target_integrity": "high", "changes": "integrity", "rights": "KEY_READ",
    "odd_protection": "PAGE_READONLY", "sid": "S-1-5-18",
}  # fmt: skip
"""What our own tables fill in: it is never odd, and never missing."""
LONG = "x" * 3000
STOPPED = "CalculatorApp."
GONE = [Absent(kind) for kind in Kind]
CASES: dict[str, object] = {"one": 1, "many": 2, "zero": 0, "empty": "", "long": LONG, "stopped": STOPPED} | {
    f"absent, {each.kind.value}": each for each in GONE
}
VERBS = "are|were|have|do|lie|follow|remain|agree|say|count|belong"
STILTED = (
    r"(?i)\blooks? so\b|\buser half\b|\bnot a deed\b|\boneself\b|\bhold \w+ \w+ so for\b|\bit is so of\b|"
    r"\bhardly an? (?:user|half)|\bno reason is known\b|\bis not known as a whole\b|\bnot all could be read\b|"
    r"\bit holds nothing\b|\bwithout having done anything\b|\bserves as nothing else\b|\bwith its own token\b|"
    r"\bcounts for \w+\.exe|\bdiffers in \w+;|\bnot to tell debuggers\b|\bon no list\b(?!,)|"
    r"\b(?:may|can) use what \w|\bthat tell what it is for\b"
)
"""Turns of phrase that readers stumbled over; each stands for its kind."""
NOUNS = "page|thread|goon|row|value|handle|object|other"
FAULTS: dict[str, str] = {
    "two full stops": r"\.\.",
    "a full stop after another mark": r"[,;:]\.(?!\w)",
    "a verb in the plural after one": rf"(?<!session )\b1 (?:\w+ )?(?:{VERBS})\b",
    "a plural after one": rf"(?<![\d,.x])\b1 (?:(?:{NOUNS})s|page tables|entries)\b",
    "a singular after another number": rf"(?<!\w)(?:0|2) (?:{NOUNS}|entry)\b(?! tables)",
    "two spaces": r"  ",
    "a space before a mark": r" [,;:.!?)](?!NET\b)",
    "a space after a bracket": r"\( ",
    "nothing in brackets or quotes": r"\(\)|''|\"\"",
    "an absent fact": r"\bNone\b|Absent\(|NOT_APPLICABLE",
    "a phrase that nobody says": STILTED,
    "a small letter after a full stop": r"(?<!\.)(?<!CalculatorApp)\. (?:an? |the |no |unknown |none )",
}


def family(key: str) -> str:
    return key.partition("/")[0]


def fact(key: str, name: str, value: object) -> object:
    """A fact as rows hand it over: through the functions that they use for it."""
    noun = COUNTED_IN.get(family(key), {}).get(name) or COUNTED.get(name)
    if key.startswith("image-row/") and name == "missing":
        return value if isinstance(value, int) else 0
    if name == "file" and family(key) == "layout-verdict":
        return ""
    if name in OURS:
        return OURS[name]
    if noun:
        return count(value if isinstance(value, (int, Absent)) else 3, noun)
    if name in PLACES:
        return place(value if isinstance(value, (int, Absent)) else 4096)
    if name in PROCESSES:
        return who(replace(PROCESS, name=value if isinstance(value, (str, Absent)) else "a.exe"))["process"]
    if name == "name":
        return value if isinstance(value, str) and value else Words("a module without a readable name")
    if name in FILES:
        return file_words(value)
    return word(value)


def filled(key: str, value: object) -> dict[str, object]:
    note = default()[key]
    names = {
        name
        for text in (note.brief, note.full, note.analogy)
        for _, name, _, _ in string.Formatter().parse(text)
        if name is not None
    }
    return {name: fact(key, name, value) for name in names}


def explained(key: str, level: Level, value: object) -> str:
    """The explanation as a row has it."""
    return Explainer(level.value)(lambda: (key, filled(key, value))) or ""


def faults(text: str) -> list[str]:
    """What is wrong with the form of a text."""
    found = [name for name, pattern in FAULTS.items() if re.search(pattern, text)]
    if not text.endswith(".") or text.endswith(".."):
        found.append("does not end with one full stop")
    if text.count("(") != text.count(")"):
        found.append("brackets do not close")
    return found


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("level", [Level.BRIEF, Level.FULL, Level.ANALOGY])
def test_every_template_is_well_formed_whatever_stands_in_it(level: Level, case: str) -> None:
    wrong = [(key, found, text) for key in KEYS if (found := faults(text := explained(key, level, CASES[case])))]
    assert wrong == []


@pytest.mark.parametrize("level", [Level.BRIEF, Level.FULL, Level.ANALOGY])
@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("absent") or case == "empty"])
def test_an_explanation_begins_with_a_capital_where_no_name_does(level: Level, case: str) -> None:
    ours = ("_EPROCESS.Peb ", "x64-19041-0 ")
    texts = [explained(key, level, CASES[case]) for key in KEYS]
    assert [text for text in texts if not text[0].isupper() and not text.startswith(ours)] == []


def test_a_name_that_begins_a_sentence_stays_as_memory_has_it() -> None:
    assert explained("vad-row/file", Level.BRIEF, "svchost.exe").startswith("svchost.exe has ")


@pytest.mark.parametrize("level", ["brief", "full"])
def test_every_explanation_of_the_sample_is_well_formed(level: str) -> None:
    image = open_image(SAMPLE)
    texts = {
        str(row["Explanation"])
        for name in views.NAMES
        if (view := views.view(name)).of_image
        and name not in ("all", "dt", "report", "selfcheck")
        and "Explanation" in view.names
        for row in image.view(name, explain=level)
    }
    assert len(texts) > 2000
    assert [(faults(text), text) for text in texts if faults(text)] == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("It has 1 page are.", "a verb in the plural after one"),
        ("It has 1 threads.", "a plural after one"),
        ("It has 2 thread here.", "a singular after another number"),
        ("It is CalculatorApp..", "two full stops"),
        ("It is () here.", "nothing in brackets or quotes"),
        ("It is (here.", "brackets do not close"),
        ("It is here , too.", "a space before a mark"),
        ("It  is.", "two spaces"),
        ("Injected code looks so.", "a phrase that nobody says"),
        ("In a.exe it holds nothing that can be read.", "a phrase that nobody says"),
        ("It is None.", "an absent fact"),
        ("It is", "does not end with one full stop"),
    ],
)
def test_the_check_of_form_finds_each_fault(text: str, fault: str) -> None:
    assert fault in faults(text)
