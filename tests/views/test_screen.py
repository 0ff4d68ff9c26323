"""What a terminal, a pipe and a file are, and text on lines of a width."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from process_anatomy.views.branches import branches
from process_anatomy.views.screen import FIXED, NARROWEST, Screen, length, padded, screen_of, wrapped


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "variables", "screen"),
    [
        (io.StringIO(), {}, Screen(FIXED)),
        (io.StringIO(), {"COLUMNS": "120"}, Screen(120)),
        (io.StringIO(), {"COLUMNS": "wide"}, Screen(FIXED)),
        (io.StringIO(), {"COLUMNS": "0"}, Screen(FIXED)),
        (io.StringIO(), {"COLUMNS": "7"}, Screen(NARROWEST)),
        (Terminal(), {}, Screen(FIXED, colour=True)),
        (Terminal(), {"NO_COLOR": "1"}, Screen(FIXED)),
        (Terminal(), {"NO_COLOR": ""}, Screen(FIXED, colour=True)),
        (Terminal(), {"TERM": "dumb"}, Screen(FIXED)),
        (io.TextIOWrapper(io.BytesIO(), "cp1252"), {}, Screen(FIXED, drawn=False)),
        (io.TextIOWrapper(io.BytesIO(), "cp437"), {}, Screen(FIXED, drawn=False)),
        (io.TextIOWrapper(io.BytesIO(), "utf-8"), {"COLUMNS": "200"}, Screen(200)),
    ],
)
def test_a_screen_is_what_its_stream_and_the_environment_say(
    stream: io.TextIOBase, variables: dict[str, str], screen: Screen
) -> None:
    """Without a terminal no colour and a fixed width; lines only where the encoding has them."""
    assert screen_of(stream, variables) == screen  # type: ignore[arg-type]


def test_a_stream_that_is_closed_or_none_is_no_terminal() -> None:
    closed = io.StringIO()
    closed.close()
    assert screen_of(closed, {}) == Screen(FIXED)


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab \\_/中é\u0301\xa0"), max_size=200), st.integers(2, 90))
def test_wrapped_text_fits_and_keeps_every_letter(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert all(length(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_a_path_ends_its_line_behind_a_sign_that_parts_it() -> None:
    assert wrapped(r"\Device\HarddiskVolume3\Windows", 24) == [r"\Device\HarddiskVolume3" + "\\", "Windows"]
    assert wrapped("one  two", 20) == ["one  two"]
    assert wrapped("中文字", 4) == ["中文", "字"]
    assert padded("中", 3) == "中 "


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), max_size=30))
def test_the_branches_of_a_tree_tell_its_depths_and_who_follows(steps: list[int]) -> None:
    """A drawing is read back: how deep each row lies, and that each branch that goes on ends in one that does not."""
    depths = [0]
    for step in steps:
        depths.append(min(step, depths[-1] + 1))
    drawn = list(branches(depths, Screen(200)))
    assert [length(front) // 2 for front, _ in drawn] == depths
    for place, (front, under) in enumerate(drawn):
        depth = depths[place]
        follows = next((other for other in depths[place + 1 :] if other <= depth), -1) == depth
        assert not depth or front.endswith("├─" if follows else "└─")
        children = place + 1 < len(depths) and depths[place + 1] > depth
        assert under.endswith("│ ") == (children or (bool(depth) and follows))
        for column in range(depth - 1):
            later = next((other for other in depths[place + 1 :] if other <= column + 1), -1)
            assert (front[2 * column] == "│") == (later == column + 1)


def test_a_tree_that_is_deeper_than_the_screen_is_drawn_with_the_level_of_each_row() -> None:
    drawn = [front for front, _ in branches(range(40), Screen(60))]
    assert drawn[9].endswith("└─")
    assert re.search(r"─\(39\) $", drawn[39])
    assert max(map(len, drawn)) < 30
