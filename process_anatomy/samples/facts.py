"""Facts about the Windows in an image, read with our own engine and compared with what is published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from process_anatomy.absent import Absent
from process_anatomy.errors import Error
from process_anatomy.samples.catalogue import ProcessFact, PublicImage
from process_anatomy.samples.verdicts import Outcome, Verdict

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel
    from process_anatomy.walk.processes.listed import Process

SHORT_NAME = 14
"""Characters of ImageFileName that every build keeps; later ones may be cut off."""


def check_facts(image: PublicImage, path: Path) -> list[Verdict]:
    """A verdict on each fact that is published of an image.  Images that we cannot read are told, not raised."""
    from process_anatomy.memory.small_dump import SmallDumpError
    from process_anatomy.volatility.opening import open_path
    from structs.layout import LayoutError

    if not image.facts:
        return []
    try:
        kernel = open_path(path)
        rows = _rows(kernel, {fact.pid for fact in image.processes})
    except (Error, LayoutError, SmallDumpError, OSError) as error:
        return [Verdict(subject, Outcome.UNREADABLE, str(error), source) for subject, source in _subjects(image)]
    found = []
    if image.build is not None:
        reason = "" if kernel.number == image.build.value else f"the kernel says {kernel.number}"
        found.append(Verdict(f"build {image.build.value}", _outcome(reason), reason, image.build.source))
    found += [_process(fact, rows) for fact in image.processes]
    return found


def _subjects(image: PublicImage) -> list[tuple[str, str]]:
    """What the facts are about, and their sources."""
    build = [] if image.build is None else [(f"build {image.build.value}", image.build.source)]
    return build + [(_subject(fact), fact.source) for fact in image.processes]


def _subject(fact: ProcessFact) -> str:
    parent = "" if fact.parent is None else f" of {fact.parent}"
    return f"process {fact.name} ({fact.pid}){parent}"


def _outcome(difference: str) -> Outcome:
    return Outcome.DIFFERS if difference else Outcome.SAME


def _rows(kernel: Kernel, pids: set[int]) -> dict[int, list[Process]]:
    """Processes by id; where the active list lacks one that is asked for, those that other views see too."""
    from process_anatomy.memory.address_space import AddressSpace
    from process_anatomy.walk.crossview.crossings import crossview
    from process_anatomy.walk.processes.listed import processes

    table = processes(kernel)
    rows = table.rows
    if pids - {row.pid for row in rows} and isinstance(kernel.space, AddressSpace):
        rows = crossview(kernel, table).beside(table).rows
    found: dict[int, list[Process]] = {}
    for row in rows:
        if isinstance(row.pid, int):
            found.setdefault(row.pid, []).append(row)
    return found


def _process(fact: ProcessFact, rows: dict[int, list[Process]]) -> Verdict:
    """Whether a process is as published: of several of one id, one that is as published is enough."""
    subject = _subject(fact)
    verdicts = [_compared(fact, row) for row in rows.get(fact.pid, [])]
    if not verdicts:
        return Verdict(subject, Outcome.DIFFERS, "there is no process with this id", fact.source)
    outcome, reason = min(verdicts, key=lambda verdict: list(Outcome).index(verdict[0]))
    return Verdict(subject, outcome, reason, fact.source)


def _compared(fact: ProcessFact, row: Process) -> tuple[Outcome, str]:
    if isinstance(row.name, Absent):
        return Outcome.UNREADABLE, f"its name: {row.name}"
    if not same_name(fact.name, row.name):
        return Outcome.DIFFERS, f"this id is {row.name}'s"
    if fact.parent is None or row.ppid == fact.parent:
        return Outcome.SAME, ""
    if isinstance(row.ppid, Absent):
        return Outcome.UNREADABLE, f"its parent: {row.ppid}"
    return Outcome.DIFFERS, f"its parent is {row.ppid}"


def same_name(published: str, kept: str) -> bool:
    """Whether a name is the one that the kernel keeps the beginning of; tools cut it, too."""
    longer, shorter = (text.casefold() for text in sorted((published, kept), key=len, reverse=True))
    return longer == shorter or (len(shorter) >= SHORT_NAME and longer.startswith(shorter))
