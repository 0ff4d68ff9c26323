"""What an opened image answers does not depend on what it was asked before."""

from __future__ import annotations

from process_anatomy import open_image
from process_anatomy.views.records import Record
from tests.conftest import SAMPLE

NAMES = ("peb", "images", "envars", "tebs")


def told(*before: str) -> dict[str, list[tuple[Record, dict[str, str]]]]:
    """The rows of some views with their reasons, after those of others were asked for."""
    image = open_image(SAMPLE)
    for name in before:
        list(image.view(name, explain="off"))
    return {name: [(row, row.absent) for row in image.view(name, explain="off")] for name in NAMES}


def test_reasons_are_the_same_whatever_was_read_before() -> None:
    """Which bits of entries are flipped is learned once, from the same processes."""
    alone = told()
    assert any("page 0x" in why for _, absent in alone["peb"] for why in absent.values())
    assert alone == told("workingset", "pages")
