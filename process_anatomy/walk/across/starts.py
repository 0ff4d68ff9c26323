"""Where threads start: each start address with the range of its process, or the driver, that it lies in.

Code of an ordinary thread comes from a file: an image in its process's address space, or a driver.  A start in private
memory, or in nothing at all, is what injected code looks like, and also what compilers at run time leave behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.paging import READABLE
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.address_space.sections import has_section
from process_anatomy.walk.address_space.vads import Vad, VadTable
from process_anatomy.walk.processes.listed import NOT_READ, Process
from process_anatomy.walk.program.drivers import Driver, DriverTable
from process_anatomy.walk.threads.facts import ThreadFacts

IMAGE, DRIVER, MAPPED, SHARED = "image", "driver", "mapped file", "shared memory"
PRIVATE, PRIVATE_EXECUTABLE, NOTHING, NO_DRIVER = "private", "private executable", "nothing", "no driver"
NONE, REUSED, UNKNOWN = "none", "reused", "unknown"
KINDS = (IMAGE, DRIVER, MAPPED, SHARED, PRIVATE, PRIVATE_EXECUTABLE, NOTHING, NO_DRIVER, NONE, REUSED, UNKNOWN)
"""What a start address can lie in."""
NOTIFICATIONS = "its place holds a list of registry notifications that the thread asked for"
MESSAGE = "its place holds the number of a message that the thread got from another"
"""Why a start address is lost."""
ALARMS = {
    PRIVATE_EXECUTABLE: "PRIVATE EXECUTABLE MEMORY",
    NOTHING: "NO MEMORY RANGE",
    NO_DRIVER: "NO DRIVER",
    PRIVATE: "PRIVATE MEMORY",
    SHARED: "NO IMAGE",
    MAPPED: "NO IMAGE",
}
"""What is worth a second look, the most telling first."""
NO_EXECUTE = np.uint64(1 << 63)
PAGE_SHIFT, OWNER_SHIFT = np.uint64(12), np.uint64(36)
"""A page number of the user half has fewer than 36 bits, so that the number of a process fits above it."""


@dataclass(frozen=True, slots=True)
class Start:
    """What one start address lies in.

    Attributes:
        address: the start address.
        kind: one of :data:`KINDS`.
        path: the file of the range, or the driver's path; not applicable where there is none.
        protection: of the range, as it was asked for; not applicable without a range.
        executable: whether the page itself may be executed now; not applicable where it is not in memory.
        vad: the range, ``None`` outside any.
        driver: the driver, ``None`` outside any.
        reason: why it is not known, empty where it is.
    """

    address: int | Absent
    kind: str
    path: str | Absent = NOT_APPLICABLE
    protection: str | Absent = NOT_APPLICABLE
    executable: bool | Absent = NOT_APPLICABLE
    vad: Vad | None = None
    driver: Driver | None = None
    reason: str = ""

    @property
    def name(self) -> str | Absent:
        """File name of the image, file or driver."""
        if self.driver is not None:
            return self.driver.name
        return self.path if isinstance(self.path, Absent) else self.path.rsplit("\\", 1)[-1]


@dataclass(frozen=True, slots=True)
class Starts:
    """Where one thread starts.

    Attributes:
        facts: the thread.
        start: of StartAddress.
        win32: of Win32StartAddress.
    """

    facts: ThreadFacts
    start: Start
    win32: Start

    @property
    def problems(self) -> tuple[str, ...]:
        """What is odd about the thread or could not be read, one line each."""
        unknown = (start for start in (self.start, self.win32) if start.kind == UNKNOWN and not self.facts.ended)
        told = (
            f"what {start.address:#x} lies in: {start.reason}" for start in unknown if isinstance(start.address, int)
        )
        return (*self.facts.problems, *dict.fromkeys(told))

    @property
    def alarm(self) -> str | Absent:
        """What is worth a second look in capital letters, not applicable where nothing is."""
        kinds = {self.start.kind, self.win32.kind}
        if self.facts.ended:
            kinds.discard(NOTHING)  # ranges can go before the thread object does
        return next((words for kind, words in ALARMS.items() if kind in kinds), NOT_APPLICABLE)


def thread_starts(
    kernel: Kernel, facts: Sequence[ThreadFacts], trees: VadTable | Absent, listed: DriverTable
) -> list[Starts]:
    """Where these threads start.

    Args:
        kernel: the kernel.
        facts: the threads.
        trees: the VAD trees of all their processes; or why there are none.
        listed: the drivers.
    """
    wanted = [(row.thread.process, row.start) for row in facts] + [(r.thread.process, r.win32_start) for r in facts]
    found = starts(kernel, wanted, trees, listed)
    first = [
        Start(row.start, REUSED, reason=NOTIFICATIONS) if row.start_reused else start
        for row, start in zip(facts, found, strict=False)
    ]
    second = [
        Start(row.win32_start, REUSED, reason=MESSAGE) if row.win32_reused else start
        for row, start in zip(facts, found[len(facts) :], strict=True)
    ]
    return [Starts(*three) for three in zip(facts, first, second, strict=True)]


def starts(
    kernel: Kernel, wanted: Sequence[tuple[Process, int | Absent]], trees: VadTable | Absent, listed: DriverTable
) -> list[Start]:
    """What each of these addresses lies in: user addresses in ranges of their process, kernel ones in drivers."""
    ranges = _ranges(wanted, trees, kernel.system_start) if isinstance(trees, VadTable) else [None] * len(wanted)
    rights = _executable(kernel, wanted, ranges)
    unread = _incomplete(trees) if isinstance(trees, VadTable) else frozenset()
    known: dict[tuple[int, int | Absent], Start] = {}
    rows: list[Start] = []
    for (process, address), vad, executable in zip(wanted, ranges, rights, strict=True):
        key = process.address if isinstance(address, int) and address < kernel.system_start else 0, address
        if key not in known:
            known[key] = _start(kernel, process, address, vad, executable, trees, unread, listed)
        rows.append(known[key])
    return rows


def _ranges(wanted: Sequence[tuple[Process, int | Absent]], trees: VadTable, limit: int) -> list[Vad | None]:
    """The VAD that each address below ``limit`` lies in: one search over the ranges of all processes."""
    numbers = {process.address: number for number, process in enumerate({p.address: p for p, _ in wanted}.values())}
    vads = [
        row
        for row in trees.rows
        if row.process.address in numbers
        and isinstance(row.start, int)
        and isinstance(row.end, int)
        and row.start <= row.end < limit
    ]
    found: list[Vad | None] = [None] * len(wanted)
    if not vads:
        return found
    owners = np.array([numbers[row.process.address] for row in vads], dtype=np.uint64) << OWNER_SHIFT
    first = owners | addresses_of([row.start for row in vads]) >> PAGE_SHIFT  # type: ignore[misc]
    last = owners | addresses_of([row.end for row in vads]) >> PAGE_SHIFT  # type: ignore[misc]
    # where ranges overlap, which they never should, the image is what the loader put there
    order = np.lexsort((np.array([row.vad_type == "VadImageMap" for row in vads]), first))
    first, last = first[order], last[order]
    reach = np.maximum.accumulate(last)
    asked = [row for row, (_, address) in enumerate(wanted) if isinstance(address, int) and 0 < address < limit]
    pages = addresses_of([wanted[row][1] for row in asked]) >> PAGE_SHIFT  # type: ignore[misc]
    keys = np.array([numbers[wanted[row][0].address] for row in asked], dtype=np.uint64) << OWNER_SHIFT | pages
    places = np.searchsorted(first, keys, side="right") - 1
    covered = (places >= 0) & (keys <= reach[np.maximum(places, 0)])
    for row, place, key in zip(np.array(asked)[covered].tolist(), places[covered].tolist(), keys[covered], strict=True):
        # where the last range that begins before the address does not hold it, one further to the front does
        behind = place if last[place] >= key else int(np.flatnonzero(last[: place + 1] >= key)[-1])
        found[row] = vads[order[behind]]
    return found


def _executable(
    kernel: Kernel, wanted: Sequence[tuple[Process, int | Absent]], ranges: Sequence[Vad | None]
) -> list[bool | Absent]:
    """Whether the page of each address in memory that is no image's may be executed now."""
    found: list[bool | Absent] = [NOT_APPLICABLE] * len(wanted)
    space = kernel.space
    rows = [
        row
        for row, ((process, _), vad) in enumerate(zip(wanted, ranges, strict=True))
        if vad is not None and vad.vad_type != "VadImageMap" and isinstance(process.dtb, int)
    ]
    if not rows or not isinstance(space, AddressSpace):
        return found
    roots = addresses_of([wanted[row][0].dtb for row in rows])  # type: ignore[misc]
    translated = space.translate(addresses_of([wanted[row][1] for row in rows]), roots)  # type: ignore[misc]
    for row, state, entry in zip(rows, translated.state.tolist(), translated.entry.tolist(), strict=True):
        if state < READABLE:  # valid; what moves to a page file has no such bit
            found[row] = not entry & int(NO_EXECUTE)
    return found


def _start(
    kernel: Kernel,
    process: Process,
    address: int | Absent,
    vad: Vad | None,
    executable: bool | Absent,
    trees: VadTable | Absent,
    unread: frozenset[int],
    listed: DriverTable,
) -> Start:
    if isinstance(address, Absent):
        return Start(address, UNKNOWN, reason=str(address))
    if address == 0:
        return Start(address, NONE)
    if address >= kernel.system_start:
        driver = listed.find(address)
        if driver is not None:
            path = driver.path if isinstance(driver.path, str) else driver.name
            return Start(address, DRIVER, path, driver=driver)
        if not listed.whole:
            return Start(address, UNKNOWN, reason="the list of drivers could not be followed whole")
        return Start(address, NO_DRIVER)
    if isinstance(trees, Absent):
        return Start(address, UNKNOWN, reason=str(trees))
    if vad is None:
        gone = _why_no_range(process, unread)
        return Start(address, UNKNOWN, reason=gone) if gone else Start(address, NOTHING)
    kind = _kind(vad, executable)
    lost = next(
        (fact for fact in (vad.vad_type, vad.private, vad.protection, vad.file) if isinstance(fact, Absent)), ""
    )
    reason = str(lost) if kind == UNKNOWN else ""
    return Start(address, kind, vad.file, vad.protection, executable, vad, reason=reason)


def _incomplete(trees: VadTable) -> frozenset[int]:
    """Addresses of the processes that may have ranges that were not read."""
    return frozenset(trees.broken) | {row.process.address for row in trees.rows if isinstance(row.start, Absent)}


def _why_no_range(process: Process, unread: frozenset[int]) -> str:
    """Why an address without a range may still have one; empty where it has none."""
    if isinstance(process.exit_time, int):
        return "the process has ended, and its address space with it"
    if process.address in unread:
        return "the VAD tree of the process could not be read whole"
    return ""


def _kind(vad: Vad, executable: bool | Absent) -> str:
    if vad.vad_type == "VadImageMap":
        return IMAGE
    if isinstance(vad.vad_type, Absent) or isinstance(vad.private, Absent) or isinstance(vad.protection, Absent):
        return UNKNOWN
    if has_section(vad):
        if isinstance(vad.file, Absent) and vad.file.kind in NOT_READ:
            return UNKNOWN
        return MAPPED if isinstance(vad.file, str) else SHARED
    return PRIVATE_EXECUTABLE if "EXECUTE" in vad.protection or executable is True else PRIVATE
