"""The entries of some processes' page tables against their VADs: one row for each range, and what does not fit.

Rights are those of the lowest entry.  Upper entries are left out of it: Windows gives them all rights, and where it
keeps a second set of tables against Meltdown, forbids execution in the upper entries of the set that dumps show.

Source: Intel's manual, volume 3, chapter 4; Windows Internals, memory management; _MMPTE_HARDWARE.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from process_anatomy.absent import NOT_APPLICABLE, Absent, absent_in
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.paging import PageState
from process_anatomy.memory.physical import PAGE
from process_anatomy.memory.space import Addresses, Mask, firsts
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.address_space.extensions import ends_of_images, extension, only_here
from process_anatomy.walk.address_space.fixed_ranges import fixed_name
from process_anatomy.walk.address_space.page_entries import (
    PAGE_SHIFT,
    Entries,
    prototype_addresses,
    prototypes,
    user_half,
)
from process_anatomy.walk.address_space.page_ranges import Ranges
from process_anatomy.walk.address_space.page_row import RIGHTS, PageRow, list_rights
from process_anatomy.walk.address_space.sections import NO_SECTION, Section
from process_anatomy.walk.address_space.vad_nodes import IMAGE_MAP
from process_anatomy.walk.address_space.vads import Vad
from process_anatomy.walk.processes.listed import Process

RUN_LIMIT = 1 << 10
"""Runs of pages without a VAD that are told of one process at the most."""
CODE_LIMIT = 1 << 8
"""Pages of one range whose addresses are kept as its own code at the most."""
DIRTY, COPY_ON_WRITE, SOFTWARE_WRITE = np.uint64(1 << 6), np.uint64(1 << 9), np.uint64(1 << 11)
WRITE, NO_EXECUTE = np.uint64(1 << 1), np.uint64(1 << 63)
COUNTED = 7
"""Kinds of entries that a row counts, in its order: from ``valid`` to ``compressed``."""
_COLUMN_OF = np.array([0, 1, 1, 1, 2, 3, 4, 5, 7, 7, 6])
"""Number of a page's state to that of its kind; what is neither counts for none."""
EXECUTED, COPIED, CLOSED = 1 << 2, 1 << 3, 1 << 4
"""Bits that stand beside the rights of a VAD's protection: it says that pages may be executed, that they are copied
when they are written to, that there is no access."""
UNCOVERED = 3
"""What is let through where there is no VAD."""
GUARD, NO_ACCESS = 2, 3
"""Modifiers of a protection index (its two upper bits); the second means no access where no protection is beside it."""


class Comparison:
    """Compares the entries of some processes with their VADs.

    An entry that maps a large page may reach over several ranges, so facts have one element for each pair of an entry
    and a range.

    Attributes:
        pick: which entry.
        where: which range.
        owner: whose range: the VAD's number, -1 for none.
        count: how many pages of it.
        state: the entry's state.
        entry: the entry.
        rights: what it lets through, a number in :data:`RIGHTS`.
        forbids: whether entries forbid execution at all.
        problems: what has no row to say it, one line each.
    """

    def __init__(
        self,
        space: AddressSpace,
        processes: Sequence[Process],
        vads: Sequence[Vad],
        names: Sequence[tuple[str, ...]],
        backing: Sequence[Section],
        entries: Entries,
    ) -> None:
        self.space, self.processes, self.entries = space, processes, entries
        self.vads, self.names, self.backing = vads, names, backing
        self.half = user_half(space)
        numbers = {process.address: number for number, process in enumerate(processes)}
        self.numbers = np.array([numbers[vad.process.address] for vad in vads], dtype=np.int64)
        self.starts, self.ends = [vad.start for vad in vads], [vad.end for vad in vads]
        self.unbounded = sorted({*absent_in(self.starts), *absent_in(self.ends)})
        self.first, self.last = _column(self.starts), _column(self.ends)
        first, last = self.first[:-1].copy(), self.last[:-1].copy()
        first[self.unbounded], last[self.unbounded] = 1, 0
        self.size = np.where(first <= last, (last - first >> PAGE_SHIFT) + np.uint64(1), 0).astype(np.int64)
        self.ranges = Ranges(first, last, self.numbers, len(processes), self.half)
        self.protections = [vad.protection for vad in vads]
        lets = {each: _lets(each) for each in set(self.protections)}
        self.lets = np.array([*(lets[each] for each in self.protections), UNCOVERED])
        self.problems: list[str] = []
        self.pick, self.where, self.count = self.ranges.join(entries.place, entries.pages)
        self.owner = self.ranges.owner[self.where]
        self.state, self.entry = entries.state[self.pick], entries.entry[self.pick]
        writable, executable = self.entry & (WRITE | SOFTWARE_WRITE) != 0, self.entry & NO_EXECUTE == 0
        self.rights = writable.astype(np.int64) << 1 | executable
        # 32-bit entries have no bit to forbid execution, and older processors with PAE do not use it
        self.forbids = space.pointer_size == 8 or bool(
            (entries.entry[entries.state <= PageState.LARGE_1GB] & NO_EXECUTE != 0).any()
        )

    def rows(self) -> list[PageRow]:
        """One row for each VAD, and one for each run of present pages between them."""
        valid = (self.state <= PageState.LARGE_1GB) & (self.owner >= 0)
        resident, private, strange, copied = self._sections()
        code, headers = self._own_code(valid, copied)
        beyond = valid & self._exceeds(private)
        protection = self.entries.protection[self.pick]
        waiting = (self.state >= PageState.TRANSITION) & (self.state != PageState.PROTOTYPE)
        guard = waiting & (protection >> np.uint64(3) == GUARD) & (protection & np.uint64(7) != 0)
        closed = waiting & (protection == NO_ACCESS << 3)
        states = self._table(_COLUMN_OF[self.state], _COLUMN_OF.max() + 1)[:, :COUNTED]
        unknown = self.ranges.covered(self.entries.gaps)
        rights = list(map(tuple, self._table(self.rights, len(RIGHTS), valid).tolist()))
        listed = {numbers: list_rights(numbers) for numbers in set(rights)}
        size = len(self.vads)
        own_code: list[tuple[int, ...]] = [()] * size
        for number, places in code.items():
            own_code[number] = tuple(places)
        own_header = np.zeros(size, dtype=np.bool_)
        own_header[list(headers)] = True
        columns = (
            [vad.process for vad in self.vads],
            repeat("vad", size),
            self.vads,
            self.names,
            self.starts,
            self.ends,
            *states.T.tolist(),
            unknown.tolist(),
            np.maximum(self.size - states.sum(axis=1) - unknown, 0).tolist(),
            self._sum(resident),
            self._sum(guard),
            self._sum(closed),
            [listed[numbers] for numbers in rights],
            [
                NOT_APPLICABLE if section is NO_SECTION else copies
                for section, copies in zip(self.backing, self._sum(private), strict=True)
            ],
            self._sum(beyond),
            self._sum(strange),
            self._disagreements(beyond, strange),
            own_code,
            own_header.tolist(),
            [extension(vad, section) for vad, section in zip(self.vads, self.backing, strict=True)],
            self._problems(unknown),
        )
        rows = list(map(PageRow._make, zip(*columns, strict=True)))
        between = self._uncovered()
        order = np.lexsort(
            (
                np.concatenate([self.first[:-1], addresses_of([first for _, first, _ in between])]),
                np.concatenate([self.numbers, np.array([process for process, _, _ in between], dtype=np.int64)]),
            )
        )
        rows += [row for _, _, row in between]
        return [rows[number] for number in order.tolist()]

    def _table(self, kind: npt.NDArray[Any], kinds: int, chosen: Mask | bool = True) -> npt.NDArray[np.int64]:
        """Pages of the chosen elements for each VAD and kind."""
        kept = chosen & (self.owner >= 0)
        cell = self.owner[kept] * kinds + kind[kept]
        size = len(self.vads)
        return np.bincount(cell, self.count[kept], size * kinds).astype(np.int64).reshape(size, kinds)

    def _sum(self, chosen: Mask) -> list[int]:
        """Pages of the chosen elements for each VAD."""
        kept = np.flatnonzero(chosen & (self.owner >= 0))
        sums: list[int] = np.bincount(self.owner[kept], self.count[kept], len(self.vads)).astype(np.int64).tolist()
        return sums

    def _first(self, chosen: Mask) -> dict[int, int]:
        """The lowest address of the chosen elements, for each VAD that has any."""
        rows = np.flatnonzero(chosen & (self.owner >= 0))
        owner, first = firsts(self.owner[rows])
        places = self.entries.place[self.pick[rows[first]]] % np.uint64(self.half)
        return dict(zip(owner.tolist(), places.tolist(), strict=True))

    def _problems(self, unknown: npt.NDArray[np.int64]) -> list[tuple[str, ...]]:
        """What could not be had of each VAD's pages; of most there is nothing."""
        found: list[tuple[str, ...]] = [()] * len(self.vads)
        lost = np.flatnonzero(unknown).tolist()
        for number in {*self.unbounded, *absent_in(self.protections), *lost, *self.ranges.clipped}:
            vad = self.vads[number]
            problems = [str(v) for v in (vad.start, vad.end, vad.protection) if isinstance(v, Absent)]
            if unknown[number]:
                problems.append(f"page tables are not in memory, pages unknown: {unknown[number]}")
            if number in self.ranges.clipped:
                problems.append("another range overlaps it; pages are counted once")
            found[number] = tuple(dict.fromkeys(problems))
        return found

    def _own_code(self, valid: Mask, copied: Mask) -> tuple[dict[int, list[int]], set[int]]:
        """For each VAD the first pages of code that no file gave, and the VADs whose first page is a proved copy.

        In ranges that may be executed and map no image, pages that wait in memory (transition) count as well.  Where
        no entry can forbid execution, it is the VAD that says what may be executed, and code and data of an image
        cannot be told apart.
        """
        vads, owner, executable = self.vads, self.owner, (self.rights & 1 != 0) & self.forbids
        image = np.array([v.vad_type == IMAGE_MAP for v in vads] + [False])[owner]
        may = self.lets[owner] & EXECUTED != 0
        waiting = (self.state == PageState.TRANSITION) & (owner >= 0)
        present = waiting if self.forbids else waiting | valid
        wanted = np.where(image, copied & executable, (valid & executable) | (present & may))
        places = self.entries.place[self.pick] % np.uint64(self.half)
        found: dict[int, list[int]] = {}
        for number, place in zip(owner[wanted].tolist(), places[wanted].tolist(), strict=True):
            kept = found.setdefault(number, [])
            if len(kept) < CODE_LIMIT:
                kept.append(place)
        return found, set(owner[copied & image & (places == self.first[owner])].tolist())

    def _sections(self) -> tuple[Mask, Mask, Mask, Mask]:
        """Which pages are in memory, which are private copies, which are neither, which are copies without a doubt.

        A valid page of a section's view is the section's where the prototype entry names the same frame.  Where the
        prototype entry cannot be read, the copy-on-write bit tells: it is set until the copy is made.  A page is
        neither only where the prototype entry names another frame that is in memory.
        """
        entries, pick, owner, state = self.entries, self.pick, self.owner, self.state
        inside = owner >= 0
        firsts = _column([section.first_prototype for section in self.backing])
        lasts = _column([section.last_prototype for section in self.backing])
        starts = self.first + np.append(self.numbers, 0).astype(np.uint64) * np.uint64(self.half)
        copying = self.lets & COPIED != 0
        picked = Entries(
            entries.place[pick], self.count, state, self.entry, entries.physical[pick], entries.gaps, entries.cut
        )
        place = prototype_addresses(self.space, picked, firsts[owner], starts[owner])
        compare = (state == PageState.VALID) & inside & (firsts[owner] >= np.uint64(self.space.system_start))
        behind = (picked.place - starts[owner]) >> PAGE_SHIFT >= ends_of_images(self.vads, self.backing)[owner]
        # behind the last entry that follows on, the next subsection's begin elsewhere; behind an image's end, none are
        reach = ((lasts[owner] == 0) | (place <= lasts[owner])) & ~behind
        ask = (place != 0) & ((compare & reach) | ((state == PageState.PROTOTYPE) & inside))
        frame = np.zeros(len(pick), dtype=np.uint64)
        there, known = np.zeros(len(pick), dtype=np.bool_), np.zeros(len(pick), dtype=np.bool_)
        rows = np.flatnonzero(ask)
        roots = addresses_of([p.dtb if isinstance(p.dtb, int) else 0 for p in self.processes])
        root = roots[(picked.place[rows] // np.uint64(self.half)).astype(np.int64)]
        frame[rows], there[rows], known[rows] = prototypes(self.space, place[rows], root)
        shared = there & (frame == picked.physical)
        by_bits = (self.entry & COPY_ON_WRITE == 0) & ((self.rights & 2 != 0) | (self.entry & DIRTY != 0))
        extended = compare & behind
        by_bits &= ~extended | only_here(picked.physical, extended)
        other = compare & np.where(known, ~shared, by_bits)
        resident = picked.readable | ((state == PageState.PROTOTYPE) & there)
        private = other & copying[owner]
        return resident, private, other & there & ~copying[owner], private & (known | extended)

    def _exceeds(self, private: Mask) -> Mask:
        """Whether an entry lets through what the VAD's protection does not."""
        lets = self.lets[self.owner]
        may = lets & 3 | np.where((lets & COPIED != 0) & private, 2, 0)
        exceeds: Mask = (lets & CLOSED != 0) | (self.rights & (3 if self.forbids else 2) & ~may != 0)
        return exceeds

    def _disagreements(self, beyond: Mask, strange: Mask) -> list[str]:
        """What the tables give beyond each VAD, with the first address of each kind; empty for most."""
        told: dict[int, str] = {}
        if beyond.any():
            numbers = self._table(self.rights, len(RIGHTS), beyond).tolist()
            for vad, first in self._first(beyond).items():
                told[vad] = f"{list_rights(numbers[vad])} beyond {self.protections[vad]}, first at {first:#x}"
        if strange.any():
            elements = np.bincount(self.owner[strange], minlength=len(self.vads)).tolist()
            for vad, first in self._first(strange).items():
                odd = f"{elements[vad]} not the section's, first at {first:#x}"
                told[vad] = f"{told[vad]}; {odd}" if vad in told else odd
        return [told.get(number, "") for number in range(len(self.vads))]

    def _uncovered(self) -> list[tuple[int, int, PageRow]]:
        """Runs of present pages that no VAD covers: neighbours with the same state and rights make one run."""
        loose = np.flatnonzero((self.owner < 0) & self.entries.readable[self.pick])
        if not len(loose):
            return []
        state, rights, count = self.state[loose], self.rights[loose], self.count[loose]
        start = np.maximum(self.entries.place[self.pick[loose]], self.ranges.start[self.where[loose]])
        end = start + (count.astype(np.uint64) << PAGE_SHIFT)
        process = (start // np.uint64(self.half)).astype(np.int64)
        new = np.ones(len(loose), dtype=np.bool_)
        new[1:] = (start[1:] != end[:-1]) | (process[1:] != process[:-1])
        new[1:] |= (state[1:] != state[:-1]) | (rights[1:] != rights[:-1])
        heads = np.flatnonzero(new)
        tails = np.append(heads[1:], len(loose)) - 1
        runs = np.bincount(process[heads], minlength=len(self.processes)).tolist()
        told = [0] * len(runs)
        for number, whole in enumerate(runs):
            if whole > RUN_LIMIT:
                pid = self.processes[number].pid
                self.problems.append(f"process {pid}: {whole} runs of pages without a VAD, not all told")
        rows: list[tuple[int, int, PageRow]] = []
        for head, tail, owner in zip(heads.tolist(), tails.tolist(), process[heads].tolist(), strict=True):
            told[owner] += 1
            if told[owner] > RUN_LIMIT:
                continue
            first, last = int(start[head]) - owner * self.half, int(end[tail]) - 1 - owner * self.half
            number = int(count[head : tail + 1].sum())
            small, moving = state[head] == PageState.VALID, state[head] == PageState.TRANSITION
            row = PageRow(
                self.processes[owner],
                "no-vad",
                None,
                (fixed_name(first, last) or "unknown",),
                first,
                last,
                valid=number if small else 0,
                transition=number if moving else 0,
                large=0 if small or moving else number,
                resident=number,
                hardware="" if moving else f"{RIGHTS[rights[head]]} {number}",
                own_code=tuple(range(first, last, PAGE)[:CODE_LIMIT]) if rights[head] & 1 and not moving else (),
            )
            rows.append((owner, first, row))
        return rows


def _lets(protection: str | Absent) -> int:
    """What a VAD's protection lets through: a number in :data:`RIGHTS`, and the bits that follow it.

    One that is not known lets through everything, but says of nothing that it may be executed.
    """
    if isinstance(protection, Absent):
        return 3
    name = protection.split("|")[0]
    return (
        ("EXECUTE" in name and 1 | EXECUTED)
        | ("READWRITE" in name and 2)
        | ("WRITECOPY" in name and COPIED)
        | (name == "PAGE_NOACCESS" and CLOSED)
    )


def _column(values: Sequence[int | Absent]) -> Addresses:
    """Addresses as an array, 0 for those that are not known, with one more 0 at the end for no VAD (-1)."""
    return addresses_of([value if isinstance(value, int) else 0 for value in values] + [0])
