"""TEBs: what threads keep of themselves in their process's own (user) address space.

As with PEBs, user code can change all of it; what it repeats of the kernel's record is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.kernel.identify import KERNEL_HALF, Kernel
from process_anatomy.memory.address_space import AddressSpace
from process_anatomy.memory.view import addresses_of
from process_anatomy.walk.processes import NOT_READ
from process_anatomy.walk.threads import Thread
from structs.ethread import ETHREAD
from structs.teb import TEB

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
        address: user address, not applicable for a thread that never leaves the kernel.
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
    """

    thread: Thread
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


def tebs(kernel: Kernel, threads: Sequence[Thread]) -> list[Teb]:
    """The TEB of each thread, all in one batch, each through its process's page-table root."""
    pointers = kernel.view.records(ETHREAD, addresses_of([thread.address for thread in threads])).values("Teb")
    if not isinstance(kernel.space, AddressSpace):
        gone = Absent(Kind.NOT_IN_DUMP, "the process's own memory is not in a small dump")
        return [_without(t, _address(p), gone) for t, p in zip(threads, pointers, strict=True)]
    places = [_address(pointer) for pointer in pointers]
    where = addresses_of([place if isinstance(place, int) else 0 for place in places])
    roots = [thread.process.dtb for thread in threads]
    tables = addresses_of([root if isinstance(root, int) else 0 for root in roots])
    records = kernel.view.records(TEB, where, tables)
    columns = {fact: records.values(field) for fact, field in FACTS.items()}
    rows = []
    for row, (thread, place, root) in enumerate(zip(threads, places, roots, strict=True)):
        if isinstance(place, Absent) or isinstance(root, Absent):
            gone = place if isinstance(place, Absent) else root if isinstance(root, Absent) else NOT_APPLICABLE
            rows.append(_without(thread, place, gone))
            continue
        facts = {fact: column[row] for fact, column in columns.items()}
        problems = (*_unread(facts), *_contradictions(thread, place, facts))
        rows.append(Teb(thread, place, problems=problems, **facts))
    return rows


def _address(pointer: int | Absent) -> int | Absent:
    if isinstance(pointer, int) and pointer >= KERNEL_HALF:
        return Absent(Kind.IMPLAUSIBLE, f"a TEB at {pointer:#x}, which is no user address")
    return NOT_APPLICABLE if pointer == 0 else pointer


def _without(thread: Thread, address: int | Absent, gone: Absent) -> Teb:
    """The row of a thread without a TEB that could be read."""
    gone = address if isinstance(address, Absent) else gone
    facts: dict[str, Any] = dict.fromkeys(FACTS, gone)
    return Teb(thread, address, problems=(f"the TEB: {gone}",) if gone.kind in NOT_READ else (), **facts)


def _unread(facts: dict[str, Any]) -> Iterator[str]:
    """What could not be read, in one line where it is all of it."""
    gone = {name: v for name, v in facts.items() if isinstance(v, Absent) and v.kind in NOT_READ}
    if len(gone) == len(facts):
        yield f"the TEB: {gone['stack_base']}"
        return
    yield from (f"{name}: {value}" for name, value in gone.items())


def _contradictions(thread: Thread, address: int, facts: dict[str, Any]) -> Iterator[str]:
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
    if isinstance(facts["peb"], int) and isinstance(peb, int) and facts["peb"] != peb:
        yield f"it names a PEB at {facts['peb']:#x}, the kernel one at {peb:#x}"
    base, limit, low = facts["stack_base"], facts["stack_limit"], facts["deallocation_stack"]
    if isinstance(base, int) and isinstance(limit, int) and limit > base:
        yield f"its stack ends at {base:#x}, below its limit {limit:#x}"
    elif isinstance(limit, int) and isinstance(low, int) and low > limit:
        yield f"its stack begins at {low:#x}, above its limit {limit:#x}"
