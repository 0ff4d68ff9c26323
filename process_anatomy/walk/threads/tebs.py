"""TEBs: what threads keep of themselves in their process's own (user) address space.

A thread of a WOW64 process has two: that of the 64-bit layer leads to the 32-bit one, which knows the program's stack.

As with PEBs, user code can change all of it; what it repeats of the kernel's record is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.space import Addresses
from process_anatomy.memory.view import Records, View, addresses_of
from process_anatomy.walk.processes.listed import NOT_READ
from process_anatomy.walk.threads.listed import Thread
from structs import builds
from structs.ethread import ETHREAD
from structs.layout import Build
from structs.teb import TEB

LOWEST_START = 0x10000
"""No code lies below: the first 64 KB of user space are kept free."""
TERMINATED = 4
"""_KTHREAD_STATE of a thread that has ended."""
FACTS = {
    "stack_base": "StackBase",
    "stack_limit": "StackLimit",
    "deallocation_stack": "DeallocationStack",
    "own_address": "Self",
    "peb": "ProcessEnvironmentBlock",
    "process_id": "UniqueProcess",
    "thread_id": "UniqueThread",
    "last_error": "LastErrorValue",
    "last_status": "LastStatusValue",
}
"""Facts of a row, and the fields that hold them."""


@dataclass(frozen=True, slots=True)
class Teb:
    """One TEB.  Every fact may be :class:`~process_anatomy.absent.Absent`.

    Attributes:
        thread: whose it is.
        bits: those of the kernel's pointers, or 32 for the second TEB of a WOW64 process's thread.
        address: user address, not applicable for a thread without one.
        stack_base: upper end of the user stack.
        stack_limit: lowest address of it that is committed.
        deallocation_stack: where the stack's range begins.
        own_address: where it says that it lies.
        peb: where it says that the process's PEB lies.
        process_id: process id, as user code is told.
        thread_id: thread id, as user code is told.
        last_error: error of the last Windows call that failed.
        last_status: NTSTATUS of the last native call that failed.
        problems: what is odd or could not be read, one line each.
        user_start: whether the thread was made to run in user mode: a start address lies there.
    """

    thread: Thread
    bits: int
    address: int | Absent
    stack_base: int | Absent
    stack_limit: int | Absent
    deallocation_stack: int | Absent
    own_address: int | Absent
    peb: int | Absent
    process_id: int | Absent
    thread_id: int | Absent
    last_error: int | Absent
    last_status: int | Absent
    problems: tuple[str, ...]
    user_start: bool = False


def tebs(kernel: Kernel, threads: Sequence[Thread]) -> list[Teb]:
    """The TEBs of each thread, the 32-bit one behind the other, in two batches through the processes' own tables."""
    records = kernel.view.records(ETHREAD, addresses_of([thread.address for thread in threads]))
    pointers = records.values("Teb")
    rows = _read(kernel, kernel.build, threads, [_address(kernel, pointer) for pointer in pointers])
    begun = zip(rows, _user_starts(kernel, records), strict=True)
    rows = [replace(row, user_start=True) if user and isinstance(row.address, Absent) else row for row, user in begun]
    over = (records.array("Terminated") != 0) | (records.array("State") == TERMINATED)
    rows = [row if ended else _robbed(row) for row, ended in zip(rows, over.tolist(), strict=True)]
    both = [row for row in rows if row.thread.process.wow64 is True and isinstance(row.address, int)]
    tables = addresses_of([_number(row.thread.process.dtb) for row in both])
    small = small_tebs(kernel, addresses_of([_number(row.address) for row in both]), tables).tolist()
    found = [(row.thread, at) for row, at in zip(both, small, strict=True) if at]
    if not found:
        return rows
    second = _read(kernel, builds.wow64(kernel.number), [thread for thread, _ in found], [at for _, at in found])
    behind = {row.thread.address: row for row in second}
    return [each for row in rows for each in (row, behind.get(row.thread.address)) if each is not None]


def _robbed(row: Teb) -> Teb:
    """The row of a thread that has not ended; one that was made to run in user mode has a TEB until then."""
    if row.user_start and row.address == NOT_APPLICABLE and row.thread.process.runs_program:
        return replace(row, problems=(*row.problems, "it runs in user mode, but has no TEB: that field is zero"))
    return row


def _user_starts(kernel: Kernel, records: Records) -> list[bool]:
    """Which threads have a start address in user space; a reused place holds no start (see ThreadFacts)."""
    low, high = np.uint64(LOWEST_START), np.uint64(kernel.system_start)
    start, win32 = (records.array(name).astype(np.uint64) for name in ("StartAddress", "Win32StartAddress"))
    reused = records.array("StartAddressInvalid") | records.array("ForwardLinkShadow") != 0
    there = (start >= low) & (start < high) & ~reused
    there |= (win32 >= low) & (win32 < high) & (records.array("LpcReceivedMsgIdValid") == 0)
    found: list[bool] = there.tolist()
    return found


def small_tebs(kernel: Kernel, tebs: Addresses, roots: Addresses) -> Addresses:
    """Where the 32-bit TEBs of WOW64 threads are; 0 where a 64-bit TEB names none or cannot be read.

    WowTebOffset tells from Windows 10 on; before, the first word of the 64-bit TEB does, which 64-bit code has no use
    for (Windows Internals, WOW64).

    Args:
        kernel: the kernel.
        tebs: the 64-bit ones, shape (n,).
        roots: page-table root of each one's process, shape (n,).
    """
    records = kernel.view.records(TEB, tebs, roots)
    offsets, words = records.array("WowTebOffset").astype(np.int64), records.array("ExceptionList")
    places = np.where(offsets != 0, (tebs.astype(np.int64) + offsets).astype(np.uint64), words.astype(np.uint64))
    fits = records.whole & (places < np.uint64(1 << 32)) & (places % np.uint64(4) == 0)
    return np.where(fits, places, np.uint64(0))


def _read(kernel: Kernel, build: Build, threads: Sequence[Thread], places: Sequence[int | Absent]) -> list[Teb]:
    """The TEBs at these addresses, in the layout of a build."""
    bits = 8 * build.pointer_size
    roots = [thread.process.dtb for thread in threads]
    tables = addresses_of([_number(root) for root in roots])
    records = View(kernel.space, build).records(TEB, addresses_of([_number(place) for place in places]), tables)
    columns = {fact: records.values(field) for fact, field in FACTS.items()}
    rows = []
    for row, (thread, place, root) in enumerate(zip(threads, places, roots, strict=True)):
        if isinstance(place, Absent) or isinstance(root, Absent):
            gone = place if isinstance(place, Absent) else root if isinstance(root, Absent) else NOT_APPLICABLE
            rows.append(_without(thread, bits, place, gone))
            continue
        facts = {fact: column[row] for fact, column in columns.items()}
        native = build.pointer_size == kernel.build.pointer_size
        problems = (*_unread(facts), *_contradictions(thread, native, place, facts))
        rows.append(Teb(thread, bits, place, problems=problems, **facts))
    return rows


def _number(value: int | Absent) -> int:
    return value if isinstance(value, int) else 0


def _address(kernel: Kernel, pointer: int | Absent) -> int | Absent:
    if isinstance(pointer, int) and pointer >= kernel.system_start:
        return Absent(Kind.IMPLAUSIBLE, f"a TEB at {pointer:#x}, which is no user address")
    return NOT_APPLICABLE if pointer == 0 else pointer


def _without(thread: Thread, bits: int, address: int | Absent, gone: Absent) -> Teb:
    """The row of a thread without a TEB that could be read."""
    gone = address if isinstance(address, Absent) else gone
    facts: dict[str, Any] = dict.fromkeys(FACTS, gone)
    return Teb(thread, bits, address, problems=(f"the TEB: {gone}",) if gone.kind in NOT_READ else (), **facts)


def _unread(facts: dict[str, Any]) -> Iterator[str]:
    """What could not be read, in one line where it is all of it."""
    gone = {name: v for name, v in facts.items() if isinstance(v, Absent) and v.kind in NOT_READ}
    if len(gone) == len(facts):
        yield f"the TEB: {gone['stack_base']}"
        return
    yield from (f"{name}: {value}" for name, value in gone.items())


def _contradictions(thread: Thread, native: bool, address: int, facts: dict[str, Any]) -> Iterator[str]:
    """What a TEB says otherwise than the kernel, or than itself."""
    if isinstance(facts["own_address"], int) and facts["own_address"] != address:
        yield f"it says that it lies at {facts['own_address']:#x}"
    for fact, known, words in (
        ("process_id", thread.process.pid, "belongs to process"),
        ("thread_id", thread.tid, "is of thread"),
    ):
        if isinstance(facts[fact], int) and isinstance(known, int) and facts[fact] != known:
            yield f"it says that it {words} {facts[fact]}, the kernel {known}"
    peb = thread.process.peb
    if native and isinstance(facts["peb"], int) and isinstance(peb, int) and facts["peb"] != peb:
        yield f"it names a PEB at {facts['peb']:#x}, the kernel one at {peb:#x}"
    base, limit, low = facts["stack_base"], facts["stack_limit"], facts["deallocation_stack"]
    if isinstance(base, int) and isinstance(limit, int) and limit > base:
        yield f"its stack ends at {base:#x}, below its limit {limit:#x}"
    elif isinstance(limit, int) and isinstance(low, int) and low > limit:
        yield f"its stack begins at {low:#x}, above its limit {limit:#x}"
