"""Which note belongs to a VAD, and the facts that fill it in.

As :mod:`process_anatomy.notes.process_rows`: pure functions; the words are in the notes.
"""

from __future__ import annotations

from process_anatomy.absent import Absent
from process_anatomy.notes.library import Library
from process_anatomy.notes.process_rows import count, who, word
from process_anatomy.walk.address_space.vads import Vad

VAD_ROWS = {
    "VadImageMap": "image",
    "VadAwe": "awe",
    "VadWriteWatch": "write-watch",
    "VadLargePages": "large-pages",
    "VadLargePageSection": "large-pages",
    "VadDevicePhysicalMemory": "physical",
    "VadRotatePhysical": "rotate",
}
"""MI_VAD_TYPE to the row that tells of it; the others are told by what backs them."""


def vad_note(vad: Vad, library: Library) -> tuple[str, dict[str, object]]:
    """The note of a VAD row."""
    file = vad.file if isinstance(vad.file, str) else ""
    facts = who(vad.process) | {
        "start": _address(vad.start),
        "end": _address(vad.end),
        "page_count": count(vad.pages, "page"),
        "file": file or "no file",
        "name": file.rsplit("\\", 1)[-1] or "no file",
        "protection": word(vad.protection),
        "meaning": _meaning(vad.protection, library),
        "committed": word(vad.commit),
    }
    return f"vad-row/{_vad_kind(vad)}", facts


def _vad_kind(vad: Vad) -> str:
    if isinstance(vad.start, Absent) or isinstance(vad.vad_type, Absent) or isinstance(vad.protection, Absent):
        return "unreadable"
    if vad.enclave:
        return "enclave"
    named = VAD_ROWS.get(vad.vad_type)
    if named == "image" and not isinstance(vad.file, str):
        return "pagefile"
    if named:
        return named
    if isinstance(vad.private, Absent):
        return "unreadable"
    if vad.private:
        return "private-executable" if "EXECUTE" in vad.protection else "private"
    return "file" if isinstance(vad.file, str) else "pagefile"


def _address(value: int | Absent) -> str:
    return "an unknown address" if isinstance(value, Absent) else f"{value:#x}"


def _meaning(protection: str | Absent, library: Library) -> str:
    if isinstance(protection, Absent):
        return "protection unknown"
    return "; ".join(library[f"protection/{name}"].brief for name in protection.split("|"))
