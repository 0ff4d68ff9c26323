"""The branches of a tree, drawn in front of its rows: which rows follow under the same parent decides each sign."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from process_anatomy.views.screen import Screen

PART = 6
"""Places of a line for each level that is drawn; a row that lies deeper is drawn at the deepest, with its level."""


def branches(depths: Sequence[int], screen: Screen) -> Iterator[tuple[str, str]]:
    """What stands in front of each row of a tree, and in front of the lines below it.

    Args:
        depths: how deep each row lies, in the order of the tree: children under their parent.  The roots have depth 0.
        screen: where they are drawn.
    """
    bar, branch, last, lead = tuple(screen.branches)
    deepest = screen.width // PART
    ahead: list[bool] = []
    followed: list[list[bool]] = [[]] * len(depths)
    for place in range(len(depths) - 1, -1, -1):
        depth = min(max(depths[place], 0), deepest)
        below = place + 1 < len(depths) and depths[place + 1] > depths[place]
        ahead += [False] * (depth + 1 - len(ahead))
        followed[place] = [*ahead[1 : depth + 1], below]
        del ahead[depth + 1 :]  # nothing deeper goes on past this row
        ahead[depth] = True
    for depth, (*levels, below) in zip(depths, followed, strict=True):
        *above, follows = levels or [False]
        front = "".join(f"{bar} " if goes_on else "  " for goes_on in above)
        sign = (branch if follows else last) + lead if levels else ""
        under = (f"{bar} " if follows else "  ") if levels else ""
        number = f"({depth}) " if depth > deepest else ""
        yield front + sign + number, front + under + (f"{bar} " if below and depth < deepest else "")
