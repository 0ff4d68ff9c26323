"""Which note belongs to a handle or to an access, and the facts that fill it in.

As :mod:`process_anatomy.notes.process_rows`: pure functions; the words are in the notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from process_anatomy.absent import Absent
from process_anatomy.notes.process_rows import account_of, count, listing, who, word
from process_anatomy.walk.processes.listed import NOT_READ

if TYPE_CHECKING:
    from process_anatomy.walk.across.access import Side, Step, Way
    from process_anatomy.walk.handles.opened import Handle
    from process_anatomy.walk.processes.listed import Process

Fact = tuple[str, dict[str, object]]
MOST_OWNERS = 3
"""Processes with one token that a sentence names."""
KINDS = {
    "Process": "process",
    "Thread": "thread",
    "Token": "token",
    "File": "file",
    "Key": "key",
    "Section": "section",
    "SymbolicLink": "link",
}
"""Type of object to the kind of row that tells of it."""


def handle_note(row: Handle, owners: Sequence[Process] = ()) -> Fact:
    """The note of a handle.

    Args:
        row: the handle.
        owners: of the processes those whose primary token it leads to.
    """
    kept = [
        words
        for holds, words in (
            (row.inherit, "Children get it too."),
            (row.protect, "Closing it is refused."),
            (row.audit, "Closing it is audited."),
        )
        if holds
    ]
    facts = who(row.process) | {
        "value": f"{row.value:#x}",
        "type": word(row.type),
        "address": f"{row.object:#x}",
        "target": row.target.full if isinstance(row.target.full, str) else "(without a name)",
        "whose": _whose(row, owners),
        "rights": row.rights or "nothing",
        "kept": " ".join(kept) or "It is neither inherited nor protected from closing.",
    }
    return f"handle-row/{_handle_kind(row)}", facts


def _whose(row: Handle, owners: Sequence[Process]) -> str:
    """Whose primary token a handle leads to, to be read behind the token; empty where that is nobody's."""
    others = [each for each in owners if each.address != row.process.address]
    names = [f"{facts['process']} ({facts['pid']})" for facts in map(who, others[:MOST_OWNERS])]
    if len(others) > MOST_OWNERS:
        names.append(f"{len(others) - MOST_OWNERS} more")
    told = [*(["its own"] if len(others) < len(owners) else []), *([f"that of {listing(names)}"] if names else [])]
    return f", {listing(told)}," if told else ""


def _handle_kind(row: Handle) -> str:
    if isinstance(row.type, Absent):
        return "unreadable"
    if row.object == row.process.address:
        return "self"
    if row.type in ("Key", "Section", "File") and isinstance(row.target.full, Absent):
        return "unnamed"
    if row.type in KINDS:
        return KINDS[row.type]
    return "named" if isinstance(row.target.full, str) else "unnamed"


def _rank(integrity: Any) -> object:
    """An integrity level before its noun."""
    return "no" if isinstance(integrity, Absent) and integrity.kind not in NOT_READ else word(integrity)


def _sides(holder: Side, target: Side) -> dict[str, object]:
    return {
        "holder": holder.label,
        "user": account_of(holder.user_name, holder.user),
        "integrity": _rank(holder.integrity),
        "target": target.label,
        "target_user": account_of(target.user_name, target.user),
        "target_integrity": _rank(target.integrity),
    }


def step_note(row: Step) -> Fact:
    """The note of a handle that gives power over another process."""
    facts = _sides(row.holder, row.target) | {"value": f"{row.handle.value:#x}", "powers": ", ".join(row.powers)}
    if not row.steers:
        return "access-row/secrets", facts
    return f"access-row/{'upwards' if row.upwards else row.kind.lower()}", facts


def way_note(row: Way) -> Fact:
    """The note of a way up."""
    facts = _sides(row.start, row.end) | {"way": row.text, "steps": count(len(row.steps), "handle")}
    return f"access-row/{'way-direct' if len(row.steps) == 1 else 'way-steps'}", facts
