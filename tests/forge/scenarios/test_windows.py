"""Windows by the words that people use."""

from __future__ import annotations

import pytest

from process_anatomy.errors import ScenarioError
from process_anatomy.forge.scenarios.windows import RELEASES, layout_of
from structs import builds


@pytest.mark.parametrize(
    ("words", "layout"),
    [
        ("Windows 11 24H2", "x64-26100-1742"), ("windows 10 version 1809", "x64-17763-0"),
        ("Windows XP SP3", "x86-2600-5512"), ("XP Service Pack 2", "x86-2600-2180"),
        ("Windows XP x64", "x64-3790-3959"), ("Server 2022", "x64-20348-1129"),
        ("Windows 7 x86", "x86-7601-24000"), ("Windows 7", "x64-7601-24000"), ("10 22H2 32-bit", "x86-19041-0"),
        ("22621", "x64-22621-382"), ("x64-22000-1219", "x64-22000-1219"),
    ],
)  # fmt: skip
def test_a_windows_is_found_by_its_words(words: str, layout: str) -> None:
    assert layout_of(words) == layout


def test_every_release_has_a_layout_that_ships() -> None:
    assert {layout_of(words) for words in RELEASES} <= {*builds.names()}


@pytest.mark.parametrize("words", ["Windows 95", "", "Windows", "99999", "Windows 11 x86"])
def test_what_no_windows_is_called_is_told(words: str) -> None:
    with pytest.raises(ScenarioError):
        layout_of(words)
