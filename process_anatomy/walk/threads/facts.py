"""What the kernel keeps of each thread: state, times, priorities, stacks, flags; every thread in one batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from process_anatomy.absent import NOT_APPLICABLE, Absent, Kind
from process_anatomy.filetime import written
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.view import Records, addresses_of
from process_anatomy.walk.processes.listed import NOT_READ
from process_anatomy.walk.processes.objects_in_memory import LOCK_MASK, PROCESS
from process_anatomy.walk.threads.listed import Thread, ThreadTable
from process_anatomy.walk.threads.tebs import LOWEST_START
from structs.eprocess import EPROCESS
from structs.ethread import CROSS_THREAD_FLAGS, ETHREAD
from structs.object import OBJECT_NAME_INFORMATION

STATES = (
    "Initialized",
    "Ready",
    "Running",
    "Standby",
    "Terminated",
    "Waiting",
    "Transition",
    "DeferredReady",
    "GateWait",
    "WaitingForProcessInSwap",
)
"""_KTHREAD_STATE by value."""
TERMINATED = STATES[4]
WAITING_STATES = frozenset({"Waiting", "GateWait"})
WAIT_REASONS = (
    "Executive", "FreePage", "PageIn", "PoolAllocation", "DelayExecution", "Suspended", "UserRequest",
    "WrExecutive", "WrFreePage", "WrPageIn", "WrPoolAllocation", "WrDelayExecution", "WrSuspended", "WrUserRequest",
    "WrEventPair", "WrQueue", "WrLpcReceive", "WrLpcReply", "WrVirtualMemory", "WrPageOut", "WrRendezvous",
    "WrKeyedEvent", "WrTerminated", "WrProcessInSwap", "WrCpuRateControl", "WrCalloutStack", "WrKernel", "WrResource",
    "WrPushLock", "WrMutex", "WrQuantumEnd", "WrDispatchInt", "WrPreempted", "WrYieldExecution", "WrFastMutex",
    "WrGuardedMutex", "WrRundown", "WrAlertByThreadId", "WrDeferredPreempt", "WrPhysicalFault", "WrIoRing",
    "WrMdlCache", "WrRcu",
)  # fmt: skip
"""_KWAIT_REASON by value; later builds only add to its end."""
HIGHEST_PRIORITY = 31
FACTS = {
    "start": "StartAddress",
    "win32_start": "Win32StartAddress",
    "create_time": "CreateTime",
    "exit_time": "ExitTime",
    "state_number": "State",
    "reason_number": "WaitReason",
    "priority": "Priority",
    "base_priority": "BasePriority",
    "suspend_count": "SuspendCount",
    "exit_status": "ExitStatus",
    "teb": "Teb",
    "initial_stack": "InitialStack",
    "stack_limit": "StackLimit",
    "kernel_stack": "KernelStack",
    "owner": "Process",
    "attached": "ApcStateProcess",
}
"""Facts of a row, and the fields that hold them."""


@dataclass(frozen=True, slots=True)
class ThreadFacts:
    """One thread, as its _ETHREAD tells it.  Every fact may be :class:`~process_anatomy.absent.Absent`.

    Attributes:
        thread: which one.
        start: first instruction as the kernel was told; what its place holds, where that is reused.
        start_reused: the place of StartAddress holds a link of the list of registry notifications that the thread
            asked for (PostBlockList), and its start is lost.
        win32_start: first instruction as the creator asked for it; the program itself can change it.
        win32_reused: the place of Win32StartAddress holds the number of a message that the thread got from another
            (LpcReceivedMessageId, before Windows Vista), and its start is lost.
        create_time: FILETIME.
        exit_time: FILETIME, not applicable while the thread has not ended.
        state_number: _KTHREAD_STATE.
        reason_number: _KWAIT_REASON of the last wait.
        priority: that it runs with now.
        base_priority: that it starts from.
        suspend_count: how often it was suspended and not resumed since.
        exit_status: NTSTATUS that it ended with.
        teb: address of its TEB, 0 without one.
        initial_stack: upper end of the kernel stack.
        stack_limit: lower end of the kernel stack.
        kernel_stack: kernel stack pointer when it last left the processor.
        owner: address of the process that owns it, as the scheduler's part says.
        attached: address of the process whose address space it uses now.
        flags: CrossThreadFlags.
        flag_names: names of the set flags, a flag of several bits with its number.
        name: that the program gave it, not applicable without one.
        problems: what is odd or could not be read, one line each; those of the list first.
    """

    thread: Thread
    start: int | Absent
    start_reused: bool
    win32_start: int | Absent
    win32_reused: bool
    create_time: int | Absent
    exit_time: int | Absent
    state_number: int | Absent
    reason_number: int | Absent
    priority: int | Absent
    base_priority: int | Absent
    suspend_count: int | Absent
    exit_status: int | Absent
    teb: int | Absent
    initial_stack: int | Absent
    stack_limit: int | Absent
    kernel_stack: int | Absent
    owner: int | Absent
    attached: int | Absent
    flags: int | Absent
    flag_names: tuple[str, ...] | Absent
    name: str | Absent
    problems: tuple[str, ...]

    @property
    def state(self) -> str | Absent:
        """Name of its state; the number where no Windows has it."""
        return _named(self.state_number, STATES)

    @property
    def wait_reason(self) -> str | Absent:
        """Why it waits, not applicable while it does not."""
        if self.state in WAITING_STATES:
            return _named(self.reason_number, WAIT_REASONS)
        return self.state if isinstance(self.state, Absent) else NOT_APPLICABLE

    @property
    def ended(self) -> bool:
        """It ran to its end, or is on the way there: its state tells which."""
        flagged = isinstance(self.flag_names, tuple) and "Terminated" in self.flag_names
        return flagged or self.state == TERMINATED


def _named(number: int | Absent, names: tuple[str, ...]) -> str | Absent:
    if isinstance(number, Absent):
        return number
    return names[number] if number < len(names) else str(number)


def thread_facts(kernel: Kernel, table: ThreadTable) -> list[ThreadFacts]:
    """What the kernel keeps of each of these threads."""
    threads, records = table.rows, table.records
    columns: dict[str, list[Any]] = {fact: records.values(field) for fact, field in FACTS.items()}
    columns["flags"] = records.units("ActiveImpersonationInfo")
    columns["flag_names"] = _flag_names(records, columns["flags"])
    columns["name"] = _thread_names(kernel, records)
    columns["start_reused"] = (records.array("StartAddressInvalid") | records.array("ForwardLinkShadow") != 0).tolist()
    columns["win32_reused"] = (records.array("LpcReceivedMsgIdValid") != 0).tolist()
    gone = columns["flags"], columns["state_number"], columns["exit_time"]
    columns["exit_time"] = [_exit_time(kernel, *one) for one in zip(*gone, strict=True)]
    columns["create_time"] = [written(v) for v in columns["create_time"]]
    odd = _suspects(threads, records, columns)
    strays = _strays(kernel, threads, columns["attached"])
    odd[list(strays)] = True
    names = [field.name for field in fields(ThreadFacts)[1:-1]]
    rows: list[ThreadFacts] = []
    for thread, suspect, facts in zip(
        threads, odd.tolist(), zip(*(columns[name] for name in names), strict=True), strict=True
    ):
        problems = thread.problems
        if suspect:
            told = dict(zip(names, facts, strict=True))
            problems = tuple(
                dict.fromkeys(
                    (
                        *problems,
                        *_unread(told),
                        *_contradictions(thread, told, records.space.system_start),
                        *strays.get(len(rows), ()),
                    )
                )
            )
        rows.append(ThreadFacts(*(thread, *facts, problems)))
    return rows


def _suspects(threads: Sequence[Thread], records: Records, columns: dict[str, list[Any]]) -> npt.NDArray[np.bool_]:
    """The threads that may have problems to tell; nearly all have none, so that only these are looked at one by one."""
    get = records.array
    found: npt.NDArray[np.bool_] = ~records.whole | (
        get("Process") != addresses_of([t.process.address for t in threads])
    )
    found |= (get("UniqueThread") & 3 != 0) | (get("UniqueThread") >= 1 << 31)
    system_start = np.uint64(records.space.system_start)
    found |= (get("Teb") >= system_start) | (get("Teb") == 0) | (get("UniqueThread") == 0)
    found |= (get("StartAddress") == 0) | (get("Win32StartAddress") == 0)
    found |= (get("State") >= len(STATES)) | (get("WaitReason") >= len(WAIT_REASONS))
    found |= (get("State") == STATES.index(TERMINATED)) | (get("Terminated") != 0)
    for field in ("Priority", "BasePriority"):
        found |= (get(field) < -1) | (get(field) > HIGHEST_PRIORITY)
    top, low, pointer = get("InitialStack"), get("StackLimit"), get("KernelStack")
    found |= (low >= top) | (pointer < low) | (pointer > top)
    for fact in ("name", "create_time", "exit_time"):
        odd = [isinstance(value, Absent) and value.kind in NOT_READ for value in columns[fact]]
        found |= np.array(odd, dtype=np.bool_)
    return found


def _strays(kernel: Kernel, threads: Sequence[Thread], attached: Sequence[Any]) -> dict[int, tuple[str, ...]]:
    """By number, the threads that use the address space of something that is no process."""
    rows = [
        row
        for row, (thread, at) in enumerate(zip(threads, attached, strict=True))
        if isinstance(at, int) and at != thread.process.address
    ]
    types = kernel.view.records(EPROCESS, addresses_of([attached[row] for row in rows])).array("HeaderType")
    return {
        row: (f"it uses the address space of a process at {attached[row]:#x}, where none lies",)
        for row, kind in zip(rows, types.tolist(), strict=True)
        if kind & LOCK_MASK != PROCESS.number
    }


def _flag_names(records: Records, flags: list[Any]) -> list[Any]:
    """Names of the set flags of each thread; most threads have the same ones."""
    known: dict[int, tuple[str, ...]] = {}
    bits = {name: records.structure.bits[name] for name in CROSS_THREAD_FLAGS if name in records.structure}
    for value in {flag for flag in flags if isinstance(flag, int)}:
        parts = ((name, value >> shift & mask, mask) for name, (_, shift, mask) in bits.items())
        known[value] = tuple(name if mask == 1 else f"{name}={part}" for name, part, mask in parts if part)
    return [flag if isinstance(flag, Absent) else known[flag] for flag in flags]


def _thread_names(kernel: Kernel, records: Records) -> list[Any]:
    """Names that programs gave their threads; few do."""
    pointers = records.values("ThreadName")
    found: list[Any] = [NOT_APPLICABLE if pointer == 0 else pointer for pointer in pointers]
    rows = [row for row, pointer in enumerate(pointers) if isinstance(pointer, int) and pointer]
    if not rows:
        return found
    headers = kernel.view.records(OBJECT_NAME_INFORMATION, addresses_of([pointers[row] for row in rows]))
    stated = headers.values("Name")
    there = [
        not isinstance(text, Absent) and pointers[row] >= kernel.system_start
        for row, text in zip(rows, stated, strict=True)
    ]
    texts = kernel.view.strings(
        [text.Buffer if known else 0 for text, known in zip(stated, there, strict=True)],
        [text.Length if known else 0 for text, known in zip(stated, there, strict=True)],
    )
    for row, text, known, name in zip(rows, stated, there, texts, strict=True):
        if pointers[row] < kernel.system_start:
            found[row] = Absent(Kind.IMPLAUSIBLE, f"its name at {pointers[row]:#x} is no kernel address")
        else:
            found[row] = name if known else text
    return found


def _exit_time(kernel: Kernel, flags: Any, state: Any, exit_time: Any) -> Any:
    """The time of a thread's end; while it runs, the place may hold the links of a wait."""
    _, shift, mask = kernel.build[ETHREAD].bits["Terminated"]
    flagged = isinstance(flags, int) and flags >> shift & mask
    if flagged or state == STATES.index(TERMINATED):
        return NOT_APPLICABLE if exit_time == 0 else written(exit_time)
    return flags if isinstance(flags, Absent) else NOT_APPLICABLE


def _unread(facts: dict[str, Any]) -> Iterator[str]:
    """What could not be read, in one line where it is all of it; what a build lacks is no problem."""
    gone = {name: value for name, value in facts.items() if isinstance(value, Absent) and value.kind in NOT_READ}
    if len(gone) >= len(FACTS):
        yield f"the thread object: {gone['start']}"
        return
    yield from (f"{name}: {value}" for name, value in gone.items())


def _beyond(reason: int | Absent) -> bool:
    """Whether a wait has a reason that there is not."""
    return isinstance(reason, int) and reason >= len(WAIT_REASONS)


def _in_user_mode(thread: Thread, facts: dict[str, Any], system_start: int) -> bool:
    """Whether a thread was made to run in user mode, and neither has ended nor is about to."""
    flags, start = facts["flag_names"], facts["win32_start"]
    if not isinstance(flags, tuple) or {"Terminated", "SystemThread"} & set(flags) or not thread.process.lives:
        return False
    return isinstance(start, int) and not facts["win32_reused"] and LOWEST_START <= start < system_start


def _contradictions(thread: Thread, facts: dict[str, Any], system_start: int) -> Iterator[str]:
    """Facts of a thread that cannot be true together, or that no thread has."""
    owner, state, reason = facts["owner"], facts["state_number"], facts["reason_number"]
    if isinstance(owner, int) and owner != thread.process.address:
        yield f"it was found with the process at {thread.process.address:#x}, but says that {owner:#x} owns it"
    if isinstance(thread.tid, int) and (thread.tid % 4 or thread.tid >= 1 << 31):
        yield f"no thread has the id {thread.tid:#x}"
    if isinstance(state, int) and state >= len(STATES):
        yield f"no thread is in state {state}"
    elif isinstance(state, int) and STATES[state] in WAITING_STATES and _beyond(reason):
        yield f"no thread waits for reason {reason}"
    for name in ("priority", "base_priority"):
        if isinstance(facts[name], int) and not -1 <= facts[name] <= HIGHEST_PRIORITY:
            yield f"no thread has {name.replace('_', ' ')} {facts[name]}"
    flags = facts["flag_names"]
    if isinstance(flags, tuple) and state == STATES.index(TERMINATED) and "Terminated" not in flags:
        yield "it is in state Terminated, but not flagged so"
    created, ended = facts["create_time"], facts["exit_time"]
    if isinstance(created, int) and isinstance(ended, int) and ended < created:
        yield "it ended before it was created"
    if isinstance(facts["teb"], int) and facts["teb"] >= system_start:
        yield f"its TEB at {facts['teb']:#x} is no user address"
    if facts["teb"] == 0 and _in_user_mode(thread, facts, system_start):
        yield "it runs in user mode, but has no TEB: that field is zero"
    if facts["start"] == 0 and not facts["start_reused"]:
        yield "it starts nowhere: that field is zero"
    if facts["win32_start"] == 0 and not facts["win32_reused"] and thread.process.runs_program:
        yield "its creator asked for no start: that field is zero"
    if isinstance(thread.tid, int) and thread.tid == 0 and thread.process.pid != 0:
        yield "no thread but the idle ones has the id 0"
    top, low, pointer = facts["initial_stack"], facts["stack_limit"], facts["kernel_stack"]
    if isinstance(top, int) and isinstance(low, int) and isinstance(pointer, int) and pointer:
        if not low < top:
            yield f"its kernel stack ends at {top:#x}, not above its limit {low:#x}"
        elif STATES[5] == _named(state, STATES) and not low <= pointer <= top:  # one that runs may have left it since
            yield f"its kernel stack pointer {pointer:#x} lies outside its stack {low:#x} to {top:#x}"
