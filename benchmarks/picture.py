"""Curves as a picture (SVG), without a library that plots: one small frame a table of facts and kind of damage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT, GAP_X, GAP_Y, LEFT, TOP = 150, 120, 24, 56, 60, 60
COLOURS = {"ours": "#0b6e4f", "Volatility": "#b5531c", "MemProcFS": "#4a5fb0"}
SHAPES = {"ours": "", "Volatility": "6 3", "MemProcFS": "2 2"}
"""Dashes: the curves are told apart without colours too."""
KINDS = {"smear": "smear (% of pages)", "loss": "loss (% of pages)"}


def chart(points: Sequence[dict[str, Any]], tables: Sequence[str], tools: Sequence[str]) -> str:
    """Recall over the share of damaged pages: a row of frames for each kind of damage, a column for each table.

    Args:
        points: ``kind``, ``percent``, ``tool``, and ``recall`` in percent by table.
        tables: names of the columns, in order.
        tools: names of the curves, in order.
    """
    width = LEFT + len(tables) * (WIDTH + GAP_X) + 10
    height = TOP + len(KINDS) * (HEIGHT + GAP_Y) + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"'
        ' font-size="11" role="img" aria-label="Recall of each tool over the share of damaged pages">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for number, tool in enumerate(tools):
        at = LEFT + number * 130
        lines.append(f'<path d="M{at} 18h30" {_stroke(tool)}/><text x="{at + 36}" y="22">{escape(tool)}</text>')
    for down, (kind, words) in enumerate(KINDS.items()):
        top = TOP + down * (HEIGHT + GAP_Y)
        shares = sorted({point["percent"] for point in points if point["kind"] == kind and point["percent"]})
        for across, table in enumerate(tables):
            left = LEFT + across * (WIDTH + GAP_X)
            lines.append(f'<text x="{left}" y="{top - 6}">{escape(table)}, {words}</text>')
            lines += _frame(left, top, shares, labelled=not across)
            for tool in reversed(tools):
                own = {p["percent"]: p["recall"][table] for p in points if p["kind"] == kind and p["tool"] == tool}
                curve = [(_x(left, shares, s), _y(top, own[s])) for s in shares if own.get(s) is not None]
                path = " ".join(f"{x:.1f},{y:.1f}" for x, y in curve)
                lines.append(f'<polyline points="{path}" {_stroke(tool)}/>')
    return "\n".join([*lines, "</svg>\n"])


def _stroke(tool: str) -> str:
    dashes = f' stroke-dasharray="{SHAPES[tool]}"' if SHAPES[tool] else ""
    return f'fill="none" stroke="{COLOURS[tool]}" stroke-width="2"{dashes}'


def _x(left: float, shares: Sequence[float], share: float) -> float:
    """Shares stand at equal steps: each is about three times the one before."""
    return left + 8 + (WIDTH - 16) * shares.index(share) / max(1, len(shares) - 1)


def _y(top: float, recall: float) -> float:
    return top + HEIGHT * (1 - recall / 100)


def _frame(left: float, top: float, shares: Sequence[float], labelled: bool) -> Iterator[str]:
    yield f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>'
    for recall in (0, 50, 100):
        y = _y(top, recall)
        yield f'<path d="M{left} {y:.1f}h{WIDTH}" stroke="#ddd"/>'
        if labelled:
            yield f'<text x="{left - 5}" y="{y + 4:.1f}" text-anchor="end">{recall} %</text>'
    for share in shares:
        x = _x(left, shares, share)
        yield f'<text x="{x:.1f}" y="{top + HEIGHT + 14}" text-anchor="middle" font-size="10">{share:g}</text>'
