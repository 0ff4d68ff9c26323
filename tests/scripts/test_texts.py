"""The page of words shows what the sample's rows say today, beside what they said."""

from __future__ import annotations

import re

from scripts.write_docs import ROOT, TEXT_TABLE, text_table


def test_the_texts_of_the_page_are_those_of_the_sample() -> None:
    """At least twenty, each of which reads otherwise than it did; what was wrong is not said any more."""
    (shown,) = TEXT_TABLE.finditer((ROOT / "docs" / "words.md").read_text("utf-8"))
    assert shown[0] == text_table(shown), "python scripts/write_docs.py"
    lines = shown[0].splitlines()[3:]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    assert len(cells) >= 20
    assert all(len(each) == 4 and before != after for each in cells for before, after in [(each[1], each[3])])
    assert len({row for row, *_ in cells}) >= 20
