"""Threads: the kernel's objects, in every state that a thread can be in, and where they start."""

from __future__ import annotations

from collections.abc import Mapping

from process_anatomy.forge.ground.actors import INJECTED, NOWHERE, ThreadPlan
from process_anatomy.forge.ground.clock import filetime, written_time
from process_anatomy.forge.ground.records import link, record, ring, signed, text, utf16, waiting
from process_anatomy.forge.memory.frames import PAGE
from process_anatomy.forge.objects.object_manager import ObjectManager
from process_anatomy.forge.parts.process import Process
from process_anatomy.forge.processes.impersonation import client_of
from structs.eprocess import EPROCESS
from structs.ethread import CROSS_THREAD_FLAGS, ETHREAD
from structs.object import OBJECT_NAME_INFORMATION

THREAD_OBJECT = 6
"""Type of dispatcher object."""
USUAL_FLAGS = {"ThreadInserted": 1, "ThreadIoPriority": 2, "ThreadPagePriority": 5}
"""What every thread that runs has set in CrossThreadFlags."""
EMPTY_ADDRESS = 0x13370000
"""A user address that no scenario maps anything at."""


def write_threads(
    objects: ObjectManager, process: Process, boot_time: int, drivers: Mapping[str, int]
) -> dict[str, dict[str, int]]:
    """Write the threads of a process; gives the list heads of the process."""
    heads: dict[str, dict[str, int]] = {}
    structure, inside = objects.build[EPROCESS], objects.build[ETHREAD]
    head = process.eprocess + structure.offset("ThreadListHead")
    chain = ring([head, *(thread + inside.offset("ThreadListEntry") for thread in process.threads)])
    heads["ThreadListHead"] = chain[head]
    if "ThreadListHeadPcb" in structure:
        own = process.eprocess + structure.offset("ThreadListHeadPcb")
        heads["ThreadListHeadPcb"] = link(own, own)
    for index, thread in enumerate(process.threads):
        links = chain[thread + inside.offset("ThreadListEntry")]
        _thread(objects, process, index, links, boot_time, drivers)
    return heads


def _thread(
    objects: ObjectManager,
    process: Process,
    index: int,
    links: dict[str, int],
    boot_time: int,
    drivers: Mapping[str, int],
) -> None:
    thread, user, build = process.threads[index], process.user, objects.build
    plan = next((plan for plan in process.actor.plans if plan.thread == index), ThreadPlan(index))
    priority = 8 + index % 3 if plan.priority is None else plan.priority
    start, win32 = _starts(objects, process, index, plan, drivers)
    created = boot_time + process.actor.started + index
    ended = None if plan.ended is None else boot_time + plan.ended
    teb = user.tebs[index] if user.tebs and ended is None else 0
    stack = _kernel_stack(objects)
    client = client_of(objects, process, index)
    known = build[ETHREAD]
    flags = {name: value for name, value in (USUAL_FLAGS | dict.fromkeys(plan.flags, 1)).items() if name in known}
    if client.active:
        flags["ActiveImpersonationInfo"] = 1
    data = record(
        build,
        ETHREAD,
        **waiting(build, ETHREAD, thread, THREAD_OBJECT),
        Teb=teb,
        State=plan.state,
        WaitReason=plan.reason,
        Priority=priority,
        BasePriority=8,
        InitialStack=stack,
        StackLimit=stack - 6 * PAGE,
        KernelStack=stack - 0x900,
        ApcStateProcess=process.eprocess,
        Process=process.eprocess,
        CreateTime=filetime(created),
        ExitTime=0 if ended is None else filetime(ended),
        ExitStatus=signed(plan.exit_status),
        StartAddress=start,
        Win32StartAddress=win32,
        UniqueProcess=process.actor.pid,
        UniqueThread=process.tids[index],
        ThreadListEntry=links,
        SuspendCount=plan.suspended,
        ThreadName=_name(objects, plan.name),
        ImpersonationData=client.data,
        ImpersonationInfo=client.data,
        **flags,
    )
    objects.kernel.write(thread, data)
    bits = build[ETHREAD].bits
    process.thread_facts.append(
        {
            "base_priority": 8,
            "create_time": written_time(created),
            "cross_thread_flags": sum(flags[name] << bits[name][1] for name in CROSS_THREAD_FLAGS if name in flags),
            "ethread": thread,
            "ethread_pa": objects.kernel.physical(thread),
            "exit_status": plan.exit_status,
            "exit_time": None if ended is None else written_time(ended),
            "impersonation_data": client.data,
            "name": plan.name or None if "ThreadName" in build[ETHREAD] else None,
            "priority": priority,
            "start": start,
            "state": plan.state,
            "suspend_count": plan.suspended,
            "teb": teb,
            "teb32": user.small.tebs[index] if user.small else 0,
            "tid": process.tids[index],
            "wait_reason": plan.reason,
            "win32_start": win32,
            **client.facts,
        }
    )


def _starts(
    objects: ObjectManager, process: Process, index: int, plan: ThreadPlan, drivers: Mapping[str, int]
) -> tuple[int, int]:
    """StartAddress and Win32StartAddress of a thread."""
    user = process.user
    if not process.alive:
        return EMPTY_ADDRESS, EMPTY_ADDRESS
    if not user.modules:
        if plan.starts_in == NOWHERE:
            start = objects.nonpaged.allocate(0x40, b"None")
            return start, start
        image = objects.image.base + next(s.start for s in objects.image.sections if s.name == "PAGE") + 0x20000
        start = (drivers[plan.starts_in] if plan.starts_in else image) + 0x40 * objects.dice.below(99)
        return start, start
    first = user.modules[1].base + 0x2A4D0
    if plan.starts_in == INJECTED:
        return first, next(region.start for region in user.regions if region.note == "injected")
    if plan.starts_in == NOWHERE:
        return first, EMPTY_ADDRESS
    return first, user.modules[0].facts()["entry"] if index == 0 else user.modules[1].base + 0x31F80


def _name(objects: ObjectManager, name: str) -> int:
    """The name that a program gave a thread: a counted string with its characters behind it."""
    if not name or "ThreadName" not in objects.build[ETHREAD]:
        return 0
    size = objects.build[OBJECT_NAME_INFORMATION].sizeof
    address = objects.nonpaged.allocate(size + len(utf16(name)), b"ThNm")
    header = record(objects.build, OBJECT_NAME_INFORMATION, Name=text(name, address + size))
    objects.kernel.write(address, header + utf16(name))
    return address


def _kernel_stack(objects: ObjectManager) -> int:
    """Where a kernel stack ends."""
    if objects.build.pointer_size == 4:
        return 0xF8900000 + (objects.dice.bits(12) << 12)
    return 0xFFFFF00000000000 | objects.dice.bits(32) << 12
