"""Which note belongs to a VAD, and the facts that fill it in.

As :mod:`process_anatomy.notes.process_rows`: pure functions; the words are in the notes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from process_anatomy.absent import Absent
from process_anatomy.notes.library import Library
from process_anatomy.notes.page_rows import region_key
from process_anatomy.notes.process_rows import count, file_words, listing, who, word
from process_anatomy.walk.across.regions import NOBODY, PRIVATE, UNKNOWN
from process_anatomy.walk.address_space.extensions import extension
from process_anatomy.walk.address_space.fixed_ranges import HYPERVISOR_PAGE_NAME, SHARED_DATA_NAME
from process_anatomy.walk.address_space.sections import NO_SECTION, Section
from process_anatomy.walk.address_space.vads import Vad
from process_anatomy.walk.processes.listed import NOT_READ

FIXED = {SHARED_DATA_NAME, HYPERVISOR_PAGE_NAME}
"""Pages that every process has at the same address, with the same content, though their nodes say private."""
UNTOLD = {PRIVATE, UNKNOWN}
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


def vad_note(
    vad: Vad,
    library: Library,
    names: Sequence[str] = (),
    section: Section = NO_SECTION,
    threads: Mapping[str, Sequence[int | Absent]] = NOBODY,
) -> tuple[str, dict[str, object]]:
    """The note of a VAD row.

    Args:
        vad: the row.
        library: the notes.
        names: what the range is used for, by :data:`process_anatomy.walk.across.regions.REGIONS`.
        section: what stands behind it.
        threads: whose stacks and TEBs lie in the range, by these names.
    """
    file = file_words(vad.file)
    facts = who(vad.process) | {
        "start": _address(vad.start),
        "end": _address(vad.end),
        "page_count": count(vad.pages, "page"),
        "file": file,
        "name": file.rsplit("\\", 1)[-1],
        "protection": word(vad.protection),
        "meaning": _meaning(vad.protection, library),
        "committed": word(vad.commit),
        "use": _use(names, library),
        "purpose": _purpose(names, threads),
        "behind": count(extension(vad, section), "page"),
    }
    kind = _vad_kind(vad)
    if kind == "image" and vad.extended == 1:
        kind = "image-extended"
    return "vad-row/shared-data" if kind == "private" and names and names[0] in FIXED else f"vad-row/{kind}", facts


def _use(names: Sequence[str], library: Library) -> str:
    """What a range of private memory holds, as a sentence."""
    told = [library[f"region/{region_key(name)}"].brief for name in names if name not in UNTOLD]
    return f"It holds {'; and '.join(told)}." if told else "Neither the PEB nor a TEB that could be read points to it."


def _purpose(names: Sequence[str], threads: Mapping[str, Sequence[int | Absent]]) -> str:
    """What a range of private memory is for, in a few words, and whose it is."""
    told = [name + _whose(name, threads.get(name, ())) for name in names if name not in UNTOLD]
    return listing(told) or "use unknown"


def _whose(name: str, tids: Sequence[int | Absent]) -> str:
    """Of which thread a stack or a TEB is, or of how many."""
    own = sorted({tid for tid in tids if isinstance(tid, int)})
    if len(own) != 1:
        return f"{'s' if tids else ''} of {len(own)} threads" if own else ""
    return f" of thread {own[0]}"


def _vad_kind(vad: Vad) -> str:
    if isinstance(vad.start, Absent) or isinstance(vad.vad_type, Absent) or isinstance(vad.protection, Absent):
        return "unreadable"
    if vad.enclave:
        return "enclave"
    named = VAD_ROWS.get(vad.vad_type)
    unread = isinstance(vad.file, Absent) and vad.file.kind in NOT_READ
    if named == "image" and not isinstance(vad.file, str):
        return "image-unreadable" if unread else "image-without-file"
    if named:
        return named
    if isinstance(vad.private, Absent):
        return "unreadable"
    if vad.private:
        return "private-executable" if "EXECUTE" in vad.protection else "private"
    if unread:
        return "mapped-unreadable"
    return "file" if isinstance(vad.file, str) else "pagefile"


def _address(value: int | Absent) -> str:
    return "an unknown address" if isinstance(value, Absent) else f"{value:#x}"


def _meaning(protection: str | Absent, library: Library) -> str:
    if isinstance(protection, Absent):
        return "protection unknown"
    return "; ".join(library[f"protection/{name}"].brief for name in protection.split("|"))
