"""Which note belongs to how much of a process could be read, and the facts that fill it in.

As :mod:`process_anatomy.notes.process_rows`: pure functions; the words are in the notes.
"""

from __future__ import annotations

from process_anatomy.notes.process_rows import listing, who
from process_anatomy.walk.across.completeness import NONE, NOT, PART, PROCESS_ID, WHOLE, Completeness

WORDS = {
    "AddressSpace": "the address space",
    "Program": "the program",
    "Handles": "the handles",
    "SecurityContext": "the security context",
    "ProcessId": "the process id",
    "Threads": "the threads",
}
"""Component to the words of a sentence."""
TOLD = 3
"""Obstacles that a sentence names; the column has all."""


def completeness_note(row: Completeness) -> tuple[str, dict[str, object]]:
    """The note of how much of a process could be read."""
    told = "; ".join(row.obstacles[:TOLD]) or "nothing"
    facts = who(row.process) | {
        "whole": _listing(row, WHOLE),
        "partly": _listing(row, PART, NOT),
        "obstacles": told + (f"; and {len(row.obstacles) - TOLD} more" if len(row.obstacles) > TOLD else ""),
    }
    return f"completeness-row/{_kind(row)}", facts


def _kind(row: Completeness) -> str:
    states = {part.state for part in row.components.values()}
    if row.components[PROCESS_ID].state in (NOT, PART):
        return "lost"
    if states & {PART, NOT}:
        return "part"
    return "ended" if NONE in states and isinstance(row.process.exit_time, int) else "whole"


def _listing(row: Completeness, *states: str) -> str:
    """The components in some states, as a sentence lists them."""
    words = [WORDS[name] for name, part in row.components.items() if part.state in states]
    return listing(words) or "nothing"
