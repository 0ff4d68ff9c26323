"""The page of what backs each Windows is made from the tests, and up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import write_coverage
from scripts.write_coverage import WINDOWS, by_windows, page, told_by_name
from structs import builds


@pytest.mark.parametrize(
    ("name", "windows"),
    [
        ("x86-2600-5512", "x86-2600"), ("win10-19041.raw", "x64-19041"), ("winxp-2600-pae.raw", "x86-2600"),
        ("win7-7601-x86-pae.raw", "x86-7601"), ("triage-x64-9600-111217-27671-criticalrocket.dmp", "x64-9600"),
        ("sample", "x64-22621"), ("windows.threads", ""), ("", ""), ("mdmp-x64-18362-peb-zphixon.dmp", "x64-18362"),
    ],
)  # fmt: skip
def test_parameters_of_a_test_name_the_windows_that_it_is_about(name: str, windows: str) -> None:
    """By processor and build number, wherever in the name."""
    assert told_by_name(name) == windows


def test_every_released_build_that_ships_has_a_row_for_each_processor() -> None:
    """The technical preview 9841 was no release."""
    text = page({})
    for name in builds.names():
        arch, number, *_ = name.split("-")
        assert (f"| {number} | {arch} |" in text) is (int(number) in WINDOWS)
    assert {int(name.split("-")[1]) for name in builds.names()} - WINDOWS.keys() == {9841}


def test_a_cell_counts_tests_and_links_to_their_files() -> None:
    """Two tests of one file and one of another prove one cell."""
    found = [("tests/a.py", "stock", "x64-19041")] * 2 + [("tests/b.py", "stock", "x64-19041")]
    row = next(line for line in page(by_windows(found)).splitlines() if "| 19041 | x64 |" in line)
    assert "[2](../tests/a.py), [1](../tests/b.py)" in row


def test_a_proof_of_a_kind_without_a_column_is_refused() -> None:
    """A slip of the pen in a marker is told."""
    with pytest.raises(ValueError, match="which is none of forged"):
        by_windows([("tests/a.py", "stok", "x64-19041")])


def test_the_page_is_up_to_date(shared: Path) -> None:
    """Made again from the tests as they are now."""
    assert write_coverage.main(check=True) == 0
