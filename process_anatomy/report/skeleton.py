"""The note's diagram of a process as one SVG, without its facts: six components around the process that has them.

Where a fact belongs, an element names it (``data-fact``); what is drawn only where there is one says so (``data-if``).
Colours are attributes, so that the drawing is whole as a file; the page's style goes over them.
"""

from __future__ import annotations

WIDTH, HEIGHT = 980, 640
LINE = 17
"""Pixels from one line of text to the next."""
PAPER, INK, EDGE, SOFT = "#ffffff", "#1c2430", "#5b6777", "#eef1f5"
LINES = {"address": 6, "program": 4, "handles": 6, "token": 6, "id": 3, "threads": 4}
"""Lines of facts that a part has room for."""


def _text(x: int, y: int, fact: str, size: int = 13, more: str = "") -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{INK}" data-fact="{fact}"{more}></text>'


def _part(name: str, note: str, title: str, box: tuple[int, int, int, int], inside: str, lines: int, x: int) -> str:
    """A component: a box that leads to its section, its title, its drawing and its lines of facts."""
    left, top, width, height = box
    told = "".join(_text(left + x, top + 50 + LINE * n, f"{name}{n}") for n in range(lines))
    return (
        f'<a data-part="{name}" class="part"><title data-note="component/{note}"></title>'
        f'<rect class="box" x="{left}" y="{top}" width="{width}" height="{height}" rx="8" fill="{PAPER}" '
        f'stroke="{EDGE}" stroke-width="1.5"/>'
        f'<text class="heading" x="{left + 12}" y="{top + 24}" font-size="15" font-weight="bold" fill="{INK}">{title}'
        f"</text>{inside}{told}</a>"
    )


def _wire(x1: int, y1: int, x2: int, y2: int) -> str:
    return f'<path class="wire" d="M{x1} {y1}L{x2} {y2}" stroke="{EDGE}" stroke-width="1.5" fill="none"/>'


def _tree(x: int, y: int) -> str:
    """Nodes of a small binary tree, as VADs are kept."""
    nodes = [(0, 0), (-26, 26), (26, 26), (-40, 52), (-13, 52), (40, 52)]
    links = [(0, 1), (0, 2), (1, 3), (1, 4), (2, 5)]
    lines = "".join(_wire(x + nodes[a][0], y + nodes[a][1], x + nodes[b][0], y + nodes[b][1]) for a, b in links)
    dots = "".join(
        f'<circle class="node" cx="{x + dx}" cy="{y + dy}" r="7" fill="{SOFT}" stroke="{EDGE}"/>' for dx, dy in nodes
    )
    return lines + dots


def _table(x: int, y: int) -> str:
    """Rows of a table, each with an arrow to an object."""
    return "".join(
        f'<rect class="cell" x="{x}" y="{y + 22 * n}" width="34" height="22" fill="{SOFT}" stroke="{EDGE}"/>'
        + _wire(x + 34, y + 11 + 22 * n, x + 58, y + 11 + 22 * n)
        + f'<circle class="node" cx="{x + 66}" cy="{y + 11 + 22 * n}" r="8" fill="{SOFT}" stroke="{EDGE}"/>'
        for n in range(4)
    )


def _wave(x: int, y: int, fact: str) -> str:
    """A thread, drawn as what runs: a wave."""
    return (
        f'<path class="thread" data-if="{fact}" d="M{x} {y}q8 -12 16 0t16 0t16 0t16 0" stroke="{EDGE}" '
        'stroke-width="2" fill="none"/>'
    )


def _page(x: int, y: int) -> str:
    """A sheet with a folded corner: a file."""
    return f'<path class="sheet" d="M{x} {y}h34l14 14v46h-48zm34 0v14h14" fill="{SOFT}" stroke="{EDGE}"/>' + "".join(
        _wire(x + 8, y + 24 + 10 * n, x + 40, y + 24 + 10 * n) for n in range(3)
    )


def _seal(x: int, y: int) -> str:
    """A card with a mark: what says who somebody is."""
    return (
        f'<rect class="sheet" x="{x}" y="{y}" width="56" height="38" rx="4" fill="{SOFT}" stroke="{EDGE}"/>'
        f'<circle class="node" cx="{x + 16}" cy="{y + 15}" r="7" fill="{PAPER}" stroke="{EDGE}"/>'
        + "".join(_wire(x + 30, y + 12 + 9 * n, x + 48, y + 12 + 9 * n) for n in range(3))
    )


def _centre() -> str:
    """The process itself."""
    return (
        '<a data-part="process" class="part">'
        f'<rect class="process" x="375" y="262" width="230" height="116" rx="14" fill="{SOFT}" stroke="{INK}" '
        'stroke-width="2.5"/>'
        f'<rect class="process hidden" data-if="hidden" x="367" y="254" width="246" height="132" rx="18" fill="none" '
        f'stroke="{INK}" stroke-width="2" stroke-dasharray="7 5"/>'
        + _text(490, 292, "name", 18, ' text-anchor="middle" font-weight="bold"')
        + _text(490, 315, "state", 13, ' text-anchor="middle"')
        + _text(490, 337, "command", 12, ' text-anchor="middle"')
        + _text(490, 360, "findings", 13, ' text-anchor="middle" font-weight="bold"')
        + _text(490, 402, "hidden", 12, ' text-anchor="middle"')
        + "</a>"
    )


def _skeleton() -> str:
    wires = [(420, 262, 330, 190), (560, 262, 650, 190), (375, 320, 330, 320), (605, 320, 650, 320),
             (420, 378, 330, 450), (560, 378, 650, 450)]  # fmt: skip
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'class="diagram" role="group" font-family="system-ui, sans-serif"><title data-fact="title"></title>'
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>'
        + "".join(_wire(*wire) for wire in wires)
        + _part("token", "security-context", "Security context: access token", (20, 20, 310, 190),
                _seal(258, 150), LINES["token"], 12)
        + _part("address", "private-address-space", "Private virtual address space", (650, 20, 310, 190),
                _tree(900, 60), LINES["address"], 12)
        + _part("program", "executable-program", "Executable program", (20, 240, 310, 160),
                _page(268, 318), LINES["program"], 12)
        + _part("handles", "open-handles", "Open handles: handle table", (650, 240, 310, 170),
                _table(866, 284), LINES["handles"], 12)
        + _part("id", "process-id", "Process ID", (20, 430, 310, 120), "", LINES["id"], 12)
        + _part("threads", "threads", "Threads of execution", (650, 440, 310, 150),
                "".join(_wave(880, 494 + 22 * n, f"thread{n}") for n in range(4)), LINES["threads"], 12)
        + _centre()
        + _text(20, 620, "note", 12)
        + "</svg>"
    )  # fmt: skip


SKELETON = _skeleton()
