"""Which note belongs to the pages of a range, and the facts that fill it in."""

from __future__ import annotations

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.notes.library import Library
from process_anatomy.notes.process_rows import count, file_words, who, word
from process_anatomy.walk.across.regions import REGIONS
from process_anatomy.walk.address_space.page_row import PageRow


def page_note(row: PageRow, library: Library) -> tuple[str, dict[str, object]]:
    """The note of the pages of a range."""
    file = file_words(row.vad.file) if row.vad and row.vad.file != NOT_APPLICABLE else ""
    pages = None if isinstance(row.start, Absent) or isinstance(row.end, Absent) else (row.end + 1 - row.start) >> 12
    name = file.rsplit("\\", 1)[-1]
    facts = who(row.process) | {
        "start": "an unknown address" if isinstance(row.start, Absent) else f"{row.start:#x}",
        "end": "an unknown address" if isinstance(row.end, Absent) else f"{row.end:#x}",
        "page_count": count(pages, "page"),
        "resident": row.resident,
        "compressed": row.compressed,
        "hardware": row.hardware or "none",
        "protection": word(row.vad.protection) if row.vad else "no protection",
        "private": count(row.private, "page"),
        "guard": count(row.guard, "page"),
        "disagreement": row.disagreement,
        "behind": count(row.extension, "page"),
        "name": name or "a section without a file",
        "meaning": (f"{name}, " if name else "") + library[f"region/{region_key(row.region[0])}"].brief,
    }
    return f"page-row/{_kind(row)}", facts


def region_key(name: str) -> str:
    """The name of a region as its note's id has it."""
    return name.replace(" ", "-")


def _kind(row: PageRow) -> str:
    if row.vad is None:
        return "shared-data" if row.region[0] == REGIONS[0] else "uncovered"
    if isinstance(row.start, Absent) or isinstance(row.end, Absent) or isinstance(row.vad.protection, Absent):
        return "unreadable"
    if row.beyond:
        return "beyond"
    if row.strange:
        return "strange"
    if row.unknown:
        return "unreadable"
    if isinstance(row.private, int) and row.private:
        return "private-copy"
    if row.guard:
        return "guarded"
    if row.resident and isinstance(row.extension, int):
        return "extended"
    if not row.resident and row.compressed:
        return "compressed"
    return "agreeing" if row.resident else "empty"
