"""Pages: what the page tables of each process hold, compared with what its VADs allow.

A VAD keeps the protection that a range was made with; the page tables say what the processor lets through now.  Both
are read, and where the tables give more, or hold pages of no VAD, the rows say so.

Rights are those of the lowest entry.  Upper entries are left out of it: Windows gives them all rights, and where it
keeps a second set of tables against Meltdown, forbids execution in the upper entries of the set that dumps show.

Source: Intel's manual, volume 3, chapter 4; Windows Internals, memory management; _MMPTE_HARDWARE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from process_anatomy.absent import NOT_APPLICABLE, Absent
from process_anatomy.kernel.identify import KERNEL_HALF, Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.paging import PageState
from process_anatomy.memory.space import Addresses, Mask
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.page_entries import (
    ENTRY_LIMIT,
    PAGE_SHIFT,
    Entries,
    entries_of,
    invalid_mask,
    prototype_addresses,
    prototypes,
)
from process_anatomy.walk.page_ranges import Ranges
from process_anatomy.walk.processes import Process
from process_anatomy.walk.regions import fixed_name
from process_anatomy.walk.sections import NO_SECTION, Section
from process_anatomy.walk.vads import IMAGE_MAP, Vad

TOTAL_LIMIT = 1 << 26
"""Entries of all processes together."""
RUN_LIMIT = 1 << 10
"""Runs of pages without a VAD that are told of one process at the most."""
CODE_LIMIT = 1 << 8
"""Pages of one range whose addresses are kept as its own code at the most."""
PAGE = 0x1000
DIRTY, COPY_ON_WRITE, SOFTWARE_WRITE = np.uint64(1 << 6), np.uint64(1 << 9), np.uint64(1 << 11)
WRITE, NO_EXECUTE = np.uint64(1 << 1), np.uint64(1 << 63)
RIGHTS = ("R--", "R-X", "RW-", "RWX")
"""Rights by number: 1 for execution, 2 for writing."""
GUARD, NO_ACCESS = 2, 3
"""Modifiers of a protection index (its two upper bits); the second means no access where no protection is beside it."""


@dataclass(frozen=True, slots=True)
class PageRow:
    """The pages of one range of one process; numbers are pages of 4 KB.

    Attributes:
        process: the process.
        kind: ``vad`` for a VAD, ``no-vad`` for a run of present pages that no VAD covers.
        vad: the node, ``None`` where there is none.
        region: what the range is used for.
        start: first address.
        end: last address.
        valid: small pages that the processor finds by itself.
        large: the same as part of large pages.
        transition: in memory, but not valid.
        prototype: entries that refer to the section's prototype entry.
        pagefile: in a page file.
        demand_zero: committed, never touched.
        unknown: under page tables that could not be read.
        untouched: without any entry.
        resident: pages whose octets are in memory, by whatever way.
        guard: entries that raise the guard alarm when they are touched.
        no_access: entries that forbid every access.
        hardware: rights of the valid pages with their numbers, as ``R-X 3, RW- 1``.
        private: valid pages of a section's view that are copies of this process alone.
        beyond: valid pages with more rights than the VAD gives.
        strange: valid pages of a section's view that are not the section's and no copies either.
        disagreement: the last two in words, empty for none.
        own_code: addresses of its first pages in memory that can be executed and come from no file: private copies of
            an image's pages, as the prototype entries prove, and pages of ranges that map no image.
        own_header: whether the first page of a mapped image is proved to be a private copy.
        problems: what could not be had, one line each.
    """

    process: Process
    kind: str
    vad: Vad | None
    region: tuple[str, ...]
    start: int | Absent
    end: int | Absent
    valid: int = 0
    large: int = 0
    transition: int = 0
    prototype: int = 0
    pagefile: int = 0
    demand_zero: int = 0
    unknown: int = 0
    untouched: int = 0
    resident: int = 0
    guard: int = 0
    no_access: int = 0
    hardware: str = ""
    private: int | Absent = NOT_APPLICABLE
    beyond: int = 0
    strange: int = 0
    disagreement: str = ""
    own_code: tuple[int, ...] = ()
    own_header: bool = False
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PageTable:
    """The pages of some processes.

    Attributes:
        rows: in the order of the processes, each process's ranges by address.
        problems: what has no row to say it, one line each.
    """

    rows: tuple[PageRow, ...]
    problems: tuple[str, ...]


def pages(
    kernel: Kernel,
    processes: Sequence[Process],
    vads: Sequence[Vad],
    names: Sequence[tuple[str, ...]],
    backing: Sequence[Section],
) -> PageTable:
    """The pages of these processes, compared with their VADs.

    Args:
        kernel: the kernel.
        processes: the processes.
        vads: their VADs.
        names: what each VAD is used for.
        backing: the section behind each VAD.
    """
    space = kernel.space
    if not isinstance(space, AddressSpace):
        return PageTable((), ("the processes' own memory is not in a small dump",))
    mask = invalid_mask(space, processes)
    own: dict[int, list[int]] = {}
    for number, vad in enumerate(vads):
        own.setdefault(vad.process.address, []).append(number)
    rows: list[PageRow] = []
    problems: list[str] = []
    budget = TOTAL_LIMIT
    for process in processes:
        mine = own.get(process.address, [])
        if isinstance(process.exit_time, int) and not mine:
            continue  # its tables went with its last VAD, and their frame may be another's by now
        if not isinstance(process.dtb, int):
            problems.append(f"process {process.pid}: its page tables are not known ({process.dtb})")
            continue
        entries = entries_of(space, process.dtb, mask, min(ENTRY_LIMIT, max(budget, 1)))
        budget -= len(entries.virtual)
        if entries.cut:
            problems.append(f"process {process.pid}: its page tables hold more entries than are read")
        judge = _Judge(
            space, process, [vads[n] for n in mine], [names[n] for n in mine], [backing[n] for n in mine], mask
        )
        rows += judge.rows(entries)
        problems += judge.problems
    return PageTable(tuple(rows), tuple(problems))


class _Judge:
    """Compares the entries of one process with its VADs."""

    def __init__(
        self,
        space: AddressSpace,
        process: Process,
        vads: Sequence[Vad],
        names: Sequence[tuple[str, ...]],
        backing: Sequence[Section],
        mask: np.uint64,
    ) -> None:
        self.space, self.process, self.mask = space, process, mask
        self.vads, self.names, self.backing = vads, names, backing
        self.ranges = Ranges([(v.start, v.end) for v in vads], 1 << (space.mode.bits - 1))
        self.problems: list[str] = []

    def rows(self, entries: Entries) -> list[PageRow]:
        """One row for each VAD, and one for each run of present pages between them."""
        # an entry that maps a large page may reach over several ranges: from here on one element an entry and range
        pick, where, count = self.ranges.join(entries.virtual, entries.pages)
        owner = self.ranges.owner[where]
        state, entry = entries.state[pick], entries.entry[pick]
        facts = _Facts(entries, pick, where, owner, count, len(self.vads))
        valid = (state <= PageState.LARGE_1GB) & (owner >= 0)
        rights = (((entry & (WRITE | SOFTWARE_WRITE) != 0).astype(np.int64) << 1) | (entry & NO_EXECUTE == 0)).astype(
            np.int64
        )
        resident, private, strange, copied = self._sections(entries, facts, rights)
        code, headers = self._own_code(facts, valid, rights, copied)
        beyond = valid & self._exceeds(owner, rights, private)
        protection = entries.protection[pick]
        waiting = (state >= PageState.TRANSITION) & (state != PageState.PROTOTYPE)
        guard = waiting & (protection >> np.uint64(3) == GUARD) & (protection & np.uint64(7) != 0)
        closed = waiting & (protection == NO_ACCESS << 3)
        total = {
            "valid": facts.sum(state == PageState.VALID),
            "large": facts.sum((state == PageState.LARGE_2MB) | (state == PageState.LARGE_1GB)),
            "transition": facts.sum(state == PageState.TRANSITION),
            "prototype": facts.sum(state == PageState.PROTOTYPE),
            "pagefile": facts.sum(state == PageState.PAGEFILE),
            "demand_zero": facts.sum(state == PageState.DEMAND_ZERO),
            "resident": facts.sum(resident),
            "guard": facts.sum(guard),
            "no_access": facts.sum(closed),
            "beyond": facts.sum(beyond),
            "strange": facts.sum(strange),
        }
        copies = facts.sum(private)
        by_right = [facts.sum(valid & (rights == number)) for number in range(len(RIGHTS))]
        beyond_right = [facts.sum(beyond & (rights == number)) for number in range(len(RIGHTS))]
        unknown = self.ranges.covered(entries.gaps)
        found: list[tuple[int, PageRow]] = []
        for number, vad in enumerate(self.vads):
            numbers = {name: int(values[number]) for name, values in total.items()}
            touched = sum(numbers[name] for name in ("valid", "large", "transition", "prototype", "pagefile"))
            whole = vad.pages if isinstance(vad.pages, int) else 0
            lost = int(unknown[number])
            row = PageRow(
                self.process,
                "vad",
                vad,
                self.names[number],
                vad.start,
                vad.end,
                **numbers,
                unknown=lost,
                untouched=max(whole - touched - numbers["demand_zero"] - lost, 0),
                hardware=_list_rights([int(values[number]) for values in by_right]),
                private=int(copies[number]) if self.backing[number] != NO_SECTION else NOT_APPLICABLE,
                disagreement=self._disagreement(
                    number, [int(values[number]) for values in beyond_right], beyond, strange, facts
                ),
                own_code=tuple(code.get(number, ())),
                own_header=number in headers,
                problems=self._problems(number, lost),
            )
            found.append((vad.start if isinstance(vad.start, int) else 0, row))
        found += self._uncovered(entries, facts, rights)
        found.sort(key=lambda pair: pair[0])
        return [row for _, row in found]

    def _problems(self, number: int, lost: int) -> tuple[str, ...]:
        vad = self.vads[number]
        problems = [str(v) for v in (vad.start, vad.end, vad.protection) if isinstance(v, Absent)]
        if lost:
            problems.append(f"page tables are not in memory, pages unknown: {lost}")
        if number in self.ranges.clipped:
            problems.append("another range overlaps it; pages are counted once")
        return tuple(dict.fromkeys(problems))

    def _own_code(
        self, facts: _Facts, valid: Mask, rights: npt.NDArray[np.int64], copied: Mask
    ) -> tuple[dict[int, list[int]], set[int]]:
        """For each VAD the first pages of code that no file gave, and the VADs whose first page is a proved copy.

        In ranges that may be executed and map no image, pages that wait in memory (transition) count as well.
        """
        vads, owner = self.vads, facts.owner
        image = np.array([v.vad_type == IMAGE_MAP for v in vads] + [False])[owner]
        may = np.array([isinstance(v.protection, str) and "EXECUTE" in v.protection for v in vads] + [False])[owner]
        waiting = (facts.entries.state[facts.pick] == PageState.TRANSITION) & (owner >= 0)
        wanted = np.where(image, copied & (rights & 1 != 0), (valid & (rights & 1 != 0)) | (waiting & may))
        places = facts.entries.virtual[facts.pick]
        found: dict[int, list[int]] = {}
        for number, place in zip(owner[wanted].tolist(), places[wanted].tolist(), strict=True):
            kept = found.setdefault(number, [])
            if len(kept) < CODE_LIMIT:
                kept.append(place)
        starts = _column([vad.start for vad in vads])
        return found, set(owner[copied & image & (places == starts[owner])].tolist())

    def _sections(
        self, entries: Entries, facts: _Facts, rights: npt.NDArray[np.int64]
    ) -> tuple[Mask, Mask, Mask, Mask]:
        """Which pages are in memory, which are private copies, which are neither, which are copies without a doubt.

        A valid page of a section's view is the section's where the prototype entry names the same frame.  Where the
        prototype entry cannot be read, the copy-on-write bit tells: it is set until the copy is made.  A page is
        neither only where the prototype entry names another frame that is in memory.
        """
        pick, owner = facts.pick, facts.owner
        state, entry, inside = entries.state[pick], entries.entry[pick], owner >= 0
        firsts = _column([section.first_prototype for section in self.backing])
        lasts = _column([section.last_prototype for section in self.backing])
        starts = _column([vad.start for vad in self.vads])
        copying = np.array([isinstance(v.protection, str) and "WRITECOPY" in v.protection for v in self.vads] + [False])
        picked = Entries(
            entries.virtual[pick], facts.count, state, entry, entries.physical[pick], entries.gaps, entries.cut
        )
        place = prototype_addresses(picked, firsts[owner], starts[owner], self.mask)
        compare = (state == PageState.VALID) & inside & (firsts[owner] >= np.uint64(KERNEL_HALF))
        # behind the last entry that follows on, the next subsection's begin elsewhere
        reach = (lasts[owner] == 0) | (place <= lasts[owner])
        ask = (place != 0) & ((compare & reach) | ((state == PageState.PROTOTYPE) & inside))
        frame = np.zeros(len(pick), dtype=np.uint64)
        there, known = np.zeros(len(pick), dtype=np.bool_), np.zeros(len(pick), dtype=np.bool_)
        rows = np.flatnonzero(ask)
        frame[rows], there[rows], known[rows] = prototypes(self.space, place[rows], self.mask)
        shared = there & (frame == picked.physical)
        by_bits = (entry & COPY_ON_WRITE == 0) & ((rights & 2 != 0) | (entry & DIRTY != 0))
        other = compare & np.where(known, ~shared, by_bits)
        resident = picked.readable | ((state == PageState.PROTOTYPE) & there)
        private = other & copying[owner]
        return resident, private, other & there & ~copying[owner], private & known

    def _exceeds(self, owner: npt.NDArray[np.int64], rights: npt.NDArray[np.int64], private: Mask) -> Mask:
        """Whether an entry lets through what the VAD's protection does not."""
        allowed, copied = [], []
        for vad in self.vads:
            name = vad.protection.split("|")[0] if isinstance(vad.protection, str) else "PAGE_EXECUTE_READWRITE"
            executable, writable = "EXECUTE" in name, "READWRITE" in name
            allowed.append(-1 if name == "PAGE_NOACCESS" else executable | writable << 1)
            copied.append("WRITECOPY" in name)
        may = np.array([*allowed, 3], dtype=np.int64)[owner]
        may = may | np.where(np.array([*copied, False])[owner] & private, 2, 0)
        exceeds: Mask = (may < 0) | (rights & ~may != 0)
        return exceeds

    def _disagreement(self, number: int, numbers: list[int], beyond: Mask, strange: Mask, facts: _Facts) -> str:
        """What the tables give beyond the VAD, with the first address of each."""
        told: list[str] = []
        if any(numbers):
            first = facts.first(beyond, number)
            told.append(f"{_list_rights(numbers)} beyond {self.vads[number].protection}, first at {first:#x}")
        count = int(((facts.owner == number) & strange).sum()) if strange.any() else 0
        if count:
            told.append(f"{count} not the section's, first at {facts.first(strange, number):#x}")
        return "; ".join(told)

    def _uncovered(self, entries: Entries, facts: _Facts, rights: npt.NDArray[np.int64]) -> list[tuple[int, PageRow]]:
        """Runs of present pages that no VAD covers: neighbours with the same state and rights make one run."""
        loose = np.flatnonzero((facts.owner < 0) & entries.readable[facts.pick])
        if not len(loose):
            return []
        pick, count = facts.pick[loose], facts.count[loose]
        state, kind = entries.state[pick], rights[loose]
        start = np.maximum(entries.virtual[pick], self.ranges.start[facts.where[loose]])
        end = start + (count.astype(np.uint64) << PAGE_SHIFT)
        new = np.ones(len(loose), dtype=np.bool_)
        new[1:] = (start[1:] != end[:-1]) | (state[1:] != state[:-1]) | (kind[1:] != kind[:-1])
        heads = np.flatnonzero(new)
        if len(heads) > RUN_LIMIT:
            self.problems.append(f"process {self.process.pid}: {len(heads)} runs of pages without a VAD, not all told")
            heads = heads[:RUN_LIMIT]
        tails = np.append(np.flatnonzero(new)[1:], len(loose)) - 1
        rows: list[tuple[int, PageRow]] = []
        for head, tail in zip(heads.tolist(), tails.tolist(), strict=False):
            first, last = int(start[head]), int(end[tail]) - 1
            number = int(count[head : tail + 1].sum())
            small, moving = state[head] == PageState.VALID, state[head] == PageState.TRANSITION
            row = PageRow(
                self.process,
                "no-vad",
                None,
                (fixed_name(first, last) or "unknown",),
                first,
                last,
                valid=number if small else 0,
                transition=number if moving else 0,
                large=0 if small or moving else number,
                resident=number,
                hardware="" if moving else f"{RIGHTS[kind[head]]} {number}",
                own_code=tuple(range(first, last, PAGE))[:CODE_LIMIT] if kind[head] & 1 and not moving else (),
            )
            rows.append((first, row))
        return rows


@dataclass(frozen=True, slots=True)
class _Facts:
    """Entries joined with ranges, one element for each pair.

    Attributes:
        entries: of the process.
        pick: which entry.
        where: which range.
        owner: whose range: the VAD's number, -1 for none.
        count: how many pages of it.
        size: number of VADs.
    """

    entries: Entries
    pick: npt.NDArray[np.int64]
    where: npt.NDArray[np.int64]
    owner: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]
    size: int

    def sum(self, chosen: Mask) -> npt.NDArray[np.int64]:
        """Pages of the chosen elements for each VAD."""
        kept = chosen & (self.owner >= 0)
        return np.bincount(self.owner[kept], weights=self.count[kept], minlength=self.size).astype(np.int64)

    def first(self, chosen: Mask, number: int) -> int:
        """The lowest address of the chosen elements of a VAD."""
        return int(self.entries.virtual[self.pick[np.flatnonzero(chosen & (self.owner == number))[0]]])


def _column(values: Sequence[int | Absent]) -> Addresses:
    """Addresses as an array, 0 for those that are not known, with one more 0 at the end for no VAD (-1)."""
    return addresses_of([value if isinstance(value, int) else 0 for value in values] + [0])


def _list_rights(numbers: list[int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in zip(RIGHTS, numbers, strict=True) if number)
