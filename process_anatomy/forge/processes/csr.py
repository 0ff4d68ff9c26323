"""What each csrss.exe keeps of its session's processes, in its own memory: the ring of CSR_PROCESSes.

The head is the variable CsrRootProcess in csrsrv.dll's writable data; the entries lie in a heap.  Their layouts:
:mod:`structs.csr`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

from process_anatomy.forge.ground.actors import SUBSYSTEM
from process_anatomy.forge.ground.clock import filetime
from process_anatomy.forge.ground.records import link, pointers, record, ring
from process_anatomy.forge.memory.frames import PAGE
from process_anatomy.forge.objects.object_manager import ObjectManager
from process_anatomy.forge.parts.handle import Handle
from process_anatomy.forge.parts.module import Module
from process_anatomy.forge.parts.process import Process
from process_anatomy.forge.processes.views import known_to_subsystem
from structs.csr import CSR_PROCESS, CSR_THREAD

SERVER_LIBRARY = "csrsrv.dll"
"""What makes a csrss.exe the server of its session: its data lead to the ring."""
ROOT_IN_DATA, TABLE_IN_DATA = 0x1018, 0x2000
"""Where CsrRootProcess and CsrThreadHashTable lie in the library's data."""
BUCKETS = 256
BLOCK = 0x10
"""Bytes of a heap block's header; blocks are multiples of it."""
LIBRARIES_DATA = 7
"""Pointers of the server libraries behind each entry: their data of the process."""
CONSOLE_LEADER = 0x900
"""Flags of a console program that leads its group: IsConsoleApp and CreateNewGroup."""
SHUTDOWN_LEVEL = 0x280
ALL_ACCESS = 0x1FFFFF


@dataclass
class _Entry:
    """One CSR_PROCESS in the making."""

    client: Process
    address: int
    handle: int
    threads: list[int] = field(default_factory=list)
    thread_handles: list[int] = field(default_factory=list)


class Subsystem:
    """Writes what each csrss.exe keeps."""

    def __init__(self, objects: ObjectManager, boot_time: int) -> None:
        self.objects, self.build, self.boot_time = objects, objects.build, boot_time

    def write(self, processes: list[Process]) -> list[dict[str, Any]]:
        """Write the rings of all csrss.exe, with the handles that they hold; gives what a tool should find."""
        return [self._ring(process, processes) for process in processes if process.actor.role == SUBSYSTEM]

    def _ring(self, server: Process, processes: list[Process]) -> dict[str, Any]:
        clients = [p for p in processes if known_to_subsystem(p, server)]
        clients.sort(key=lambda p: (p.actor.started, p.actor.pid))
        library = next(module for module in server.user.modules if module.name == SERVER_LIBRARY)
        data = library.base + next(part.start for part in library.program.sections if part.name == ".data")
        session, entries, end = self._places(server, clients)
        first = session // PAGE * PAGE
        for page in range(first, end, PAGE):
            server.space.put(page)
        self._write_data(server, library, data, entries)
        inside = self.build[CSR_PROCESS].offset("ListLink")
        links = ring([entry.address + inside for entry in entries])
        head = pointers(self.build, session, session)
        server.space.write(session, head + struct.pack("<II", server.actor.session or 0, len(entries)))
        facts = []
        for number, entry in enumerate(entries):
            facts.append(self._entry(server, entry, links[entry.address + inside], session, 1 + 2 * number))
        return {
            "CsrRootProcess_rva": data + ROOT_IN_DATA - library.base,
            "CsrRootProcess_va": data + ROOT_IN_DATA,
            "csrsrv_base": library.base,
            "csrss_pid": server.actor.pid,
            "ring": facts,
            "session": server.actor.session,
        }

    def _places(self, server: Process, clients: list[Process]) -> tuple[int, list[_Entry], int]:
        """Heap blocks for the session and for every entry with its threads, and where the last one ends."""
        here = server.user.heaps[1] + 0x20
        size = self.build[CSR_PROCESS].sizeof + self.build.pointer_size * (LIBRARIES_DATA - 1)

        def block(length: int) -> int:
            nonlocal here
            start = here
            here += (length + BLOCK - 1) // BLOCK * BLOCK + BLOCK
            return start

        session = block(0x18)
        own_handle = (1 << 8 * self.build.pointer_size) - 1
        entries = [_Entry(server, block(size), own_handle)]
        for client in clients:
            entry = _Entry(client, block(size), own_handle)
            known = client.tids[: 2 if len(client.tids) > 2 else 1]
            entry.threads = [block(self.build[CSR_THREAD].sizeof) for _ in known]
            entry.handle = self._open(server, Handle(client.eprocess, "Process", ALL_ACCESS, client.title))
            for number in range(len(known)):
                thread = Handle(client.threads[number], "Thread", ALL_ACCESS, client.thread_title(number))
                entry.thread_handles.append(self._open(server, thread))
            entries.append(entry)
        return session, entries, here

    def _open(self, server: Process, handle: Handle) -> int:
        """The next free handle of csrss.exe's table."""
        value = self.objects.following(max(server.handles, default=0))
        server.handles[value] = handle
        return value

    def _write_data(self, server: Process, library: Module, data: int, entries: list[_Entry]) -> None:
        """The library's data: CsrRootProcess among other pointers; the page of its table of threads is paged out."""
        root_page, table_page = data + ROOT_IN_DATA // PAGE * PAGE, data + TABLE_IN_DATA
        heap = server.user.heaps[1]
        content = bytearray(PAGE)
        words = (heap, library.base + 0x1000, 1, entries[0].address, len(entries), heap + 0x10)
        packed, root = pointers(self.build, *words), ROOT_IN_DATA % PAGE
        start = root - 3 * self.build.pointer_size
        content[start : start + len(packed)] = packed
        server.space.put(root_page, bytes(content))
        inside = self.build[CSR_THREAD].offset("HashLinks")
        self.table: dict[int, dict[str, int]] = {}
        for bucket in range(BUCKETS):
            head = table_page + 2 * self.build.pointer_size * bucket
            members = [
                thread + inside
                for entry in entries
                for thread, tid in zip(entry.threads, entry.client.tids, strict=False)
                if tid // 4 % BUCKETS == bucket
            ]
            self.table |= ring([head, *members])

    def _entry(
        self, server: Process, entry: _Entry, links: dict[str, int], session: int, sequence: int
    ) -> dict[str, Any]:
        client = entry.client
        inside, in_thread = self.build[CSR_PROCESS].offset("ThreadList"), self.build[CSR_THREAD]
        head, member = entry.address + inside, in_thread.offset("Link")
        chain = ring([head, *(thread + member for thread in entry.threads)])
        flags = CONSOLE_LEADER if client.actor.leads_console else 0
        luid = client.token["authentication_id"]
        server.space.write(
            entry.address,
            record(
                self.build,
                CSR_PROCESS,
                UniqueProcess=client.actor.pid,
                UniqueThread=client.tids[0],
                ListLink=links,
                ThreadList=chain[head],
                NtSession=session,
                ProcessHandle=entry.handle,
                SequenceNumber=sequence,
                Flags=flags,
                ReferenceCount=1 + len(entry.threads),
                ProcessGroupId=client.actor.pid if flags else 0,
                ShutdownLevel=SHUTDOWN_LEVEL,
                Luid=luid,
            ),
        )
        started = self.boot_time + client.actor.started
        for number, thread in enumerate(entry.threads):
            server.space.write(
                thread,
                record(
                    self.build,
                    CSR_THREAD,
                    CreateTime=filetime(started + number),
                    Link=chain[thread + member],
                    HashLinks=self.table.get(thread + in_thread.offset("HashLinks"), link(0, 0)),
                    UniqueProcess=client.actor.pid,
                    UniqueThread=client.tids[number],
                    Process=entry.address,
                    ThreadHandle=entry.thread_handles[number],
                    ReferenceCount=1,
                ),
            )
        return {
            "flags": flags,
            "handle": entry.handle,
            "luid": luid,
            "pid": client.actor.pid,
            "sequence": sequence,
            "threads": [
                {"handle": handle, "tid": client.tids[number], "va": thread}
                for number, (thread, handle) in enumerate(zip(entry.threads, entry.thread_handles, strict=True))
            ],
            "tid": client.tids[0],
            "va": entry.address,
        }
