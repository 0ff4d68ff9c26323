"""Processes and threads: the kernel's objects, filled in and linked to one another."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from process_anatomy.forge.address_space.vads import close_tree
from process_anatomy.forge.ground.actors import SYSTEM, Actor
from process_anatomy.forge.ground.clock import filetime
from process_anatomy.forge.ground.generations import hot_patches, version_of
from process_anatomy.forge.ground.holdings import DEBUG_OBJECT_SIZE
from process_anatomy.forge.ground.records import pointers, record, ring, signed, text, utf16, waiting
from process_anatomy.forge.memory.pool import Pool
from process_anatomy.forge.objects.devices import DISK
from process_anatomy.forge.objects.object_manager import ObjectManager
from process_anatomy.forge.parts.process import Process
from process_anatomy.forge.processes.lists import NO_LINKS, active_links, job_links, session_links, windows_data, wipe
from process_anatomy.forge.processes.threads import write_threads
from structs.eprocess import EPROCESS
from structs.ethread import ETHREAD
from structs.handle import HANDLE_TABLE
from structs.object import OBJECT_NAME_INFORMATION
from structs.peb import EWOW64PROCESS, WOW64_PROCESS
from structs.session import MM_SESSION_SPACE, PSP_SESSION_SPACE_SESSION_ID

STILL_ACTIVE = 259
SILO_SIZE = 0x600
"""Bytes of a job object that is a silo."""
PROCESS_OBJECT = 3
"""Type of dispatcher object."""
WITHOUT_STRUCTURE = (6, 1)
"""Windows 7 to 8.1 keep the address of the 32-bit PEB itself."""
HOT_PATCH_SIZE = 0x60
"""Bytes of the memory manager's record of hot-patched images."""
PSEUDO_SESSION_SIZE = 0x100


def audited_name(actor: Actor) -> str:
    """The object name that is audited at a process's creation."""
    if actor.role == SYSTEM:
        return ""
    return (actor.volume or DISK) + actor.path[2:] if ":" in actor.path else actor.name


class ProcessTable:
    """Writes the processes and everything that links them."""

    def __init__(self, objects: ObjectManager, session_pool: Pool, boot_time: int) -> None:
        self.objects, self.build, self.kernel = objects, objects.build, objects.kernel
        self.session_pool, self.boot_time = session_pool, boot_time
        self.sessions: dict[int, int] = {}
        self.silos: dict[str, int] = {}
        self.drivers: Mapping[str, int] = {}

    def reserve(self, type_name: str) -> int:
        """Room for a process or thread object."""
        layout, tag = {"Process": (EPROCESS, b"Proc"), "Thread": (ETHREAD, b"Thre")}[type_name]
        return self.objects.reserve(type_name, self.build[layout].sizeof, tag)

    def session(self, number: int | None) -> int:
        """Address of a session's space; zero outside any."""
        if number is None:
            return 0
        if number not in self.sessions:
            if MM_SESSION_SPACE in self.build:
                data = record(self.build, MM_SESSION_SPACE, SessionId=number)
            else:
                data = bytes(PSP_SESSION_SPACE_SESSION_ID) + struct.pack("<I", number)
                data = data.ljust(PSEUDO_SESSION_SIZE, b"\0")
            self.sessions[number] = self.session_pool.put(data, b"MmSe")
        return self.sessions[number]

    def silo(self, name: str) -> int:
        """Address of a container's job object; zero outside any."""
        if name and name not in self.silos:
            self.silos[name] = self.objects.nonpaged.put(bytes(SILO_SIZE), b"Job ")
        return self.silos.get(name, 0)

    def _session_heads(self, processes: list[Process]) -> dict[int, int]:
        """Number of a session to the head of its list of processes, where the build has such lists."""
        if MM_SESSION_SPACE not in self.build or "SessionProcessLinks" not in self.build[EPROCESS]:
            return {}
        inside = self.build[MM_SESSION_SPACE].offset("ProcessList")
        numbers = {p.actor.session for p in processes if p.actor.session is not None}
        return {number: self.session(number) + inside for number in sorted(numbers)}

    def write(self, processes: list[Process], drivers: Mapping[str, int]) -> None:
        """Write every process with its threads, and the lists that run through them.

        Args:
            processes: all of them.
            drivers: bases of the drivers by file name, for threads that start there.
        """
        self.drivers = drivers
        structure = self.build[EPROCESS]
        head = self.objects.image.address("PsActiveProcessHead")
        links = structure.offset("ActiveProcessLinks")
        active = active_links(head, {process.eprocess + links: process for process in processes})
        self.objects.image.store("PsActiveProcessHead", pointers(self.build, *active[head].values()))
        together = session_links(self.build, self.kernel, self._session_heads(processes), processes)
        jobs = job_links(self.objects, processes)
        for process in processes:
            self._table(process)
            job, job_link = jobs.get(process.eprocess, (0, NO_LINKS))
            groups = {"SessionProcessLinks": together.get(process.eprocess, NO_LINKS), "Job": job, "JobLinks": job_link}
            self._process(process, active[process.eprocess + links], groups)
            wipe(self.objects, process)
        self.objects.image.point("PsInitialSystemProcess", processes[0].eprocess)
        self._handle_tables()

    def _table(self, process: Process) -> None:
        if process.alive:
            process.table = self.objects.handle_table(process.eprocess, process.actor.pid, process.handles)

    def _handle_tables(self) -> None:
        head = self.objects.image.address("HandleTableListHead")
        inside = self.build[HANDLE_TABLE].offset("HandleTableList")
        whole = ring([head, *(table + inside for table in self.objects.tables)])
        for place, entry in whole.items():
            data = pointers(self.build, *entry.values())
            if place == head:
                self.objects.image.store("HandleTableListHead", data)
            else:
                self.kernel.write(place, data)

    def _audit(self, process: Process) -> int:
        """The name that was audited at creation; its characters lie behind the structure."""
        size = self.build[OBJECT_NAME_INFORMATION].sizeof
        data = utf16(process.audit)
        address = self.objects.paged.allocate(size + len(data), b"SeOn")
        name = record(self.build, OBJECT_NAME_INFORMATION, Name=text(process.audit, address + size))
        self.kernel.write(address, name + data)
        return address

    def _wow64(self, process: Process) -> int:
        """What WoW64Process holds: a kernel structure that names the 32-bit PEB, or on older builds the PEB itself."""
        small = process.user.small
        if small is None:
            return 0
        if EWOW64PROCESS not in self.build and version_of(self.build) >= WITHOUT_STRUCTURE:
            return small.peb
        layout, field = (EWOW64PROCESS, "Peb") if EWOW64PROCESS in self.build else (WOW64_PROCESS, "Wow64")
        return self.objects.nonpaged.put(record(self.build, layout, **{field: small.peb}), b"Ps  ")

    def _process(self, process: Process, links: dict[str, int], groups: dict[str, Any]) -> None:
        actor, structure = process.actor, self.build[EPROCESS]
        dice = self.objects.dice
        process.windows = windows_data(self.session_pool, process)
        heads = write_threads(self.objects, process, self.boot_time, self.drivers)
        program = process.user.modules[0] if process.user.modules else None
        if actor.debugged and not process.debug_port:  # a debug object that nobody has a handle to
            process.debug_port = self.objects.nonpaged.put(bytes(DEBUG_OBJECT_SIZE), b"DbgO")
        virtual = sum(region.size for region in process.regions)
        commit = sum(region.commit for region in process.regions)
        quota = [16 * dice.between(100, 4000), 64 * dice.between(100, 9000)]  # pool that is not paged, paged pool
        patched = hot_patches(self.build) and process.alive and bool(actor.patches)
        values: dict[str, Any] = {
            "MmHotPatchContext": self.objects.paged.put(bytes(HOT_PATCH_SIZE), b"MmHp") if patched else 0,
            **waiting(self.build, EPROCESS, process.eprocess, PROCESS_OBJECT),
            "DirectoryTableBase": process.space.dtb,
            "BasePriority": 8,
            "KernelTime": dice.between(1, 900),
            "UserTime": dice.between(1, 900),
            "UniqueProcessId": actor.pid,
            "ActiveProcessLinks": links,
            "CreateTime": filetime(self.boot_time + actor.started),
            "ExitTime": 0 if actor.ended is None else filetime(self.boot_time + actor.ended),
            "ExitStatus": STILL_ACTIVE if process.alive else signed(actor.exit_status),
            "Token": process.token["fast_ref"],
            "InheritedFromUniqueProcessId": actor.parent,
            "OwnerProcessId": actor.creator if self.objects.encoded else 0,
            "Peb": process.user.peb,
            "WoW64Process": self._wow64(process),
            "SectionObject": process.section_object,
            "SectionBaseAddress": program.base if program else 0,
            "DebugPort": process.debug_port,
            "ObjectTable": process.table,
            "Session": self.session(actor.session),
            "Win32Process": process.windows,
            "ImageFileName": actor.name.encode()[:14],
            "ImageFilePointer": program.section.file_object if program else 0,
            "SeAuditProcessCreationInfo": self._audit(process),
            "PriorityClass": 2,
            "HeaderSize": structure.offset("UniqueProcessId") // 4 & 0xFF,
            "ActiveThreads": sum(thread["exit_time"] is None for thread in process.thread_facts),
            "HighestUserAddress": self.objects.image.places.user_end,
            "VirtualSize": virtual,
            "PeakVirtualSize": virtual + 0x10000 * dice.below(40),
            "NumberOfPrivatePages": sum(r.commit for r in process.regions if r.section is None),
            "CommitCharge": commit,
            "CommitChargePeak": commit + dice.below(200),
            "ProcessQuotaUsage": pointers(self.build, *quota),
            "ProcessQuotaPeak": pointers(self.build, *(used + 64 * dice.below(300) for used in quota)),
            "VadRoot": process.vad_root,
            "VadHint": process.vad_root,
            "VadCount": len(process.vads),
            "Cookie": dice.bits(32),
            "SequenceNumber": dice.between(1, 400),
            "ProcessExiting": int(not process.alive),
            "CreateReported": 1,
            "BreakOnTermination": int(actor.critical),
            "Minimal": int(actor.minimal),
            "ProtectionType": actor.protection & 7,
            "ProtectionSigner": actor.protection >> 4,
            "ServerSilo": self.silo(actor.silo),
            "SignatureLevel": 0x1E if actor.protection else 0,
            **groups,
            **heads,
        }
        self.kernel.write(process.eprocess, record(self.build, EPROCESS, **values))
        close_tree(self.build, self.kernel, process.eprocess, process.vad_root, len(process.vads), process.vad_depth)
