"""A file is compared with what is published of it: size, hashes, and what our own engine finds in it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_anatomy.errors import SampleError
from process_anatomy.samples.catalogue import Memory, ProcessFact
from process_anatomy.samples.facts import SHORT_NAME, check_facts, same_name
from process_anatomy.samples.verdicts import Outcome, Verdict
from process_anatomy.samples.verify import check_file, digests, is_download, published_of, recognised
from tests.samples.entries import EMPTY, FACTS, PAGE, SAMPLE, hashes, offer, told

DATA = b"memory" * 1000
SAME, DIFFERS, UNREADABLE = Outcome.SAME, Outcome.DIFFERS, Outcome.UNREADABLE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "mem.raw").write_bytes(DATA)
    return tmp_path / "mem.raw"


def test_all_hashes_are_of_one_reading(file: Path) -> None:
    assert digests(file, ["md5", "sha256"]) == {
        "md5": hashlib.md5(DATA, usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(DATA).hexdigest(),
    }


def test_a_file_that_is_as_published_says_so(file: Path) -> None:
    published = Memory(size=told(len(DATA)), hashes=hashes(DATA, "sha1", "md5"))
    verdicts = check_file(published, file)
    assert [verdict.outcome for verdict in verdicts] == [SAME, SAME, SAME]
    assert str(verdicts[0]) == "6,000 bytes: as published"
    assert {verdict.source for verdict in verdicts} == {PAGE}


def test_a_file_that_differs_says_by_what(file: Path) -> None:
    published = Memory(size=told(7), hashes=hashes(b"other", "md5"))
    size, md5 = map(str, check_file(published, file))
    assert size == "7 bytes: differs: it has 6,000"
    assert md5.endswith(f": differs: it is {hashlib.md5(DATA, usedforsecurity=False).hexdigest()}")


def test_of_a_file_of_which_nothing_is_published_nothing_is_said(file: Path) -> None:
    assert check_file(Memory(), file) == []


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match=r"nowhere cannot be read: No such file"):
        digests(tmp_path / "nowhere", ["md5"])


def test_a_file_is_recognised_by_its_hash_whatever_it_is_called(file: Path) -> None:
    image = replace(EMPTY, name="one", memory=Memory(hashes=hashes(DATA, "md5")))
    other = replace(EMPTY, name="two", memory=Memory(file=told("mem.raw")))
    assert recognised((other, image), file) is image


def test_a_file_is_recognised_by_a_name_that_only_one_entry_has(file: Path) -> None:
    one = replace(EMPTY, name="one", memory=Memory(file=told("MEM.raw")))
    two = replace(EMPTY, name="two", download=offer("mem.raw", "zip", b"x"))
    assert recognised((one,), file) is one
    assert recognised((two,), file) is two
    assert recognised((one, two), file) is None
    assert recognised((EMPTY,), file) is None
    assert recognised((), file) is None


def test_a_download_is_told_from_the_image_in_it(file: Path, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"zip")
    (tmp_path / "renamed").write_bytes(b"zip")
    image = replace(EMPTY, download=offer("a.zip", "zip", b"zip"), memory=Memory(file=told("mem.raw")))
    assert published_of(image, tmp_path / "a.zip") == image.download
    assert published_of(image, tmp_path / "renamed") == image.download
    assert published_of(image, file) == image.memory
    both = replace(image, memory=Memory(file=told("a.zip")))
    assert not is_download(both, tmp_path / "a.zip")


def test_a_download_that_is_not_packed_is_the_image(file: Path) -> None:
    image = replace(EMPTY, download=offer("other.raw", "none", DATA))
    assert published_of(image, file) == image.download
    assert published_of(EMPTY, file) == Memory()


def test_the_facts_of_our_own_image_are_as_published() -> None:
    verdicts = check_facts(FACTS, SAMPLE)
    assert [str(verdict) for verdict in verdicts] == [
        "build 22621: as published",
        "process System (4) of 0: as published",
        "process notepad.exe (5212) of 3920: as published",
        "process SHADE.exe (7148): as published",
    ]


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (ProcessFact("notepad.exe", 5213, None, PAGE), "process notepad.exe (5213): differs: there is no process"),
        (ProcessFact("calc.exe", 5212, None, PAGE), "process calc.exe (5212): differs: this id is notepad.exe's"),
        (ProcessFact("notepad.exe", 5212, 4, PAGE), "process notepad.exe (5212) of 4: differs: its parent is 3920"),
        (ProcessFact("note", 5212, None, PAGE), "process note (5212): differs: this id is notepad.exe's"),
    ],
)
def test_a_fact_that_is_wrong_says_what_is_there(fact: ProcessFact, words: str) -> None:
    (verdict,) = check_facts(replace(EMPTY, processes=(fact,)), SAMPLE)
    assert str(verdict).startswith(words)
    assert verdict.source == PAGE


def test_a_wrong_build_says_which_it_is() -> None:
    (verdict,) = check_facts(replace(EMPTY, build=told(7601)), SAMPLE)
    assert verdict == Verdict("build 7601", DIFFERS, "the kernel says 22621", PAGE)


def test_an_image_that_cannot_be_read_says_why_for_each_fact(file: Path) -> None:
    verdicts = check_facts(FACTS, file)
    assert [verdict.outcome for verdict in verdicts] == [UNREADABLE] * 4
    assert [verdict.subject for verdict in verdicts][::3] == ["build 22621", "process SHADE.exe (7148)"]
    assert all(verdict.reason and "\n" not in verdict.reason for verdict in verdicts)


def test_where_no_fact_is_published_nothing_is_read(tmp_path: Path) -> None:
    assert check_facts(EMPTY, tmp_path / "nowhere") == []


def test_a_name_that_the_kernel_cut_is_the_same() -> None:
    assert same_name("TeamViewer_Service.exe", "TeamViewer_Ser")
    assert same_name("taskhostw.exe", "TASKHOSTW.EXE")
    assert not same_name("svchost.exe", "svchost")
    assert not same_name("TeamViewer_Service.exe", "TeamViewer_Desk")


@given(st.text("aB.\u00df\u0130\u01c5", min_size=1, max_size=40), st.integers(SHORT_NAME, 15))
def test_a_name_is_the_same_as_what_is_left_of_it(name: str, kept: int) -> None:
    folded = name.casefold()
    assert same_name(name, name)
    assert same_name(folded, folded[:kept])
    assert same_name(folded[:kept], folded)
