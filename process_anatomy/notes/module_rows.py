"""Which note belongs to a row of modules or images, and the facts that fill it in.

As :mod:`process_anatomy.notes.process_rows`: pure functions; the words are in the notes.
"""

from __future__ import annotations

from process_anatomy.absent import Absent
from process_anatomy.filetime import moment_text
from process_anatomy.notes.library import Library, NoteError, Words
from process_anatomy.notes.process_rows import count, file_words, who, word
from process_anatomy.walk.address_space.vad_nodes import IMAGE_MAP
from process_anatomy.walk.program.images import PEB_PROGRAM, PROGRAM, Image
from process_anatomy.walk.program.loader import APPLIED
from process_anatomy.walk.program.modules import LISTED, Module

Fact = tuple[str, dict[str, object]]


def _place(base: int | Absent) -> str:
    return "an unknown address" if isinstance(base, Absent) else f"{base:#x}"


def module_note(row: Module, library: Library) -> Fact:
    """The note of a module of a process."""
    reason = row.told("load_reason")
    try:
        why = library[f"load-reason/{reason}"].brief if isinstance(reason, str) else ""
    except NoteError:
        why = "for a reason that no Windows names"
    path = row.told("path")
    facts = who(row.process) | {
        "name": row.name if isinstance(row.name, str) and row.name else Words("a module without a readable name"),
        "base": _place(row.base),
        "path": path if isinstance(path, str) and path else "an unknown path",
        "mapped": file_words(row.mapped_path),
        "loading": _loading(moment_text(row.told("load_time")), why),
        "behind": count(row.extension, "page"),
    }
    kind = row.state
    if kind == LISTED and row.disputed:
        kind = "contradicted"
    elif kind == LISTED and row.bits == "32" and row.process.wow64 is True:
        kind = "listed-32"
    elif kind == LISTED and row.told("hot_patch") in APPLIED:
        kind = "listed-patched"
    elif kind == LISTED and row.vad is not None and row.vad.extended == 1:
        kind = "listed-extended"
    return f"module-row/{kind}", facts


def _loading(moment: str, why: str) -> str:
    """When a module was loaded and why, as a sentence, as far as its entry tells."""
    if not why:
        return f"It was loaded at {moment}." if moment else "Its entry does not tell when and why it was loaded."
    return f"It was loaded at {moment}, {why}." if moment else f"It was loaded {why}; when, its entry does not tell."


def image_note(row: Image) -> Fact:
    """The note of an image as it lies in memory."""
    facts = who(row.process) | {
        "name": _named(row.name),
        "file": row.path if isinstance(row.path, str) and row.path else _named(row.name),
        "base": _place(row.base),
        "path": file_words(row.path),
        "machine": "unknown" if isinstance(row.facts, Absent) else row.facts.machine,
        "page_count": count(row.pages, "page"),
        "missing": row.missing,
        "protection": word(row.vad.protection) if row.vad is not None else "unknown",
    }
    return f"image-row/{_image_kind(row)}", facts


def _named(name: str | Absent) -> str:
    """The name of an image as a sentence holds it."""
    return name if isinstance(name, str) and name else Words("an image without a readable name")


def _image_kind(row: Image) -> str:
    if row.vad is not None and isinstance(row.vad.vad_type, str) and row.vad.vad_type != IMAGE_MAP:
        return "not-mapped"
    if row.role == PEB_PROGRAM:
        return "peb-program"
    if isinstance(row.facts, Absent):
        return "unreadable"
    return "program" if row.role == PROGRAM else "module"
