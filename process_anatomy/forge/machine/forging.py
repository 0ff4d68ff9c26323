"""Forging: a scenario, a build and a seed become physical memory and the truth about it."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

from process_anatomy.forge.address_space import compression
from process_anatomy.forge.address_space.page_files import PagingFiles
from process_anatomy.forge.address_space.sections import Sections
from process_anatomy.forge.address_space.vads import VadTrees
from process_anatomy.forge.address_space.working_sets import WorkingSets
from process_anatomy.forge.cast.lab import LAB
from process_anatomy.forge.cast.older import cast_for
from process_anatomy.forge.ground.actors import COMPRESSION, REGISTRY, SYSTEM, Actor, Scenario
from process_anatomy.forge.ground.clock import filetime, written_time
from process_anatomy.forge.ground.dice import Dice
from process_anatomy.forge.ground.generations import complete, has_integrity, processors, service_pack, version_of
from process_anatomy.forge.ground.paths import SYSTEM32
from process_anatomy.forge.handles.opened import OpenObjects, way_facts
from process_anatomy.forge.handles.usual import open_ended, open_programs, open_usual
from process_anatomy.forge.kernel.drivers import load_drivers
from process_anatomy.forge.kernel.image import KernelImage
from process_anatomy.forge.kernel.memory_manager import has_globals
from process_anatomy.forge.kernel.symbols import symbol_table
from process_anatomy.forge.machine.truth import process_facts
from process_anatomy.forge.memory.entries import FIRST_SWIZZLED_BUILD, Entries
from process_anatomy.forge.memory.frames import KERNEL_DATA, PAGE, USER_READ, WRITE, PhysicalMemory
from process_anatomy.forge.memory.modes import LA57, PAE, X86, mode_of
from process_anatomy.forge.memory.page_tables import Space
from process_anatomy.forge.memory.pool import Pool
from process_anatomy.forge.memory.protections import READ_WRITE
from process_anatomy.forge.memory.system_space import NON_PAGED, OBJECTS, PAGED, SESSION, system_space
from process_anatomy.forge.objects.devices import DISK, Devices
from process_anatomy.forge.objects.namespace import Namespace
from process_anatomy.forge.objects.object_manager import ObjectManager
from process_anatomy.forge.parts.image import Image
from process_anatomy.forge.parts.process import Process
from process_anatomy.forge.parts.region import Region
from process_anatomy.forge.processes.csr import Subsystem
from process_anatomy.forge.processes.impersonation import impersonate
from process_anatomy.forge.processes.table import ProcessTable, audited_name
from process_anatomy.forge.processes.views import in_cid_table, view_facts
from process_anatomy.forge.program.blocks import shared_data
from process_anatomy.forge.program.user_half import LIBRARIES, SHARED_PAGE, UserHalves
from process_anatomy.forge.registry.hives import LAB_HIVES, Hives, hives_of
from process_anatomy.forge.registry.mounted import Registry
from process_anatomy.forge.registry.people import hives_of_people, started_by_shells
from process_anatomy.forge.security.contexts import CONTEXTS
from process_anatomy.forge.security.people import contexts_of
from process_anatomy.forge.security.tokens import Tokens
from process_anatomy.forge.traces.findings import findings, unknowable
from process_anatomy.forge.traces.table import change_first, change_written
from process_anatomy.forge.traces.trace import Victim
from structs import builds
from structs.layout import Build
from structs.page_entry import MMPTE_PROTOTYPE, MMPTE_SOFTWARE
from structs.shared_data import KUSER_SHARED_DATA_ADDRESS

DEFAULT_BUILD = "x64-22621-382"
DEFAULT_SEED = 22621
SYSTEM_ROOT, LOW_STUB = 0x1AD, 0x13
SMALL_ROOTS = 0x1C0
"""First frame for the root tables of processes with physical address extension."""
PREPARED = 0x5000000
"""Bytes of the paged pool whose page tables are there from the beginning, with plain 32-bit paging."""
ROOT_BYTES = 0x20
"""Bytes of a root table with physical address extension."""
SERVER_2003 = (5, 2)
FIRST_SUBSYSTEM = (6, 0)
"""Version since which what csrss.exe keeps has the layout that is declared."""
LOW_STUB_SIGNATURE = 0x00000001000600E9
HIVES = ("SYSTEM", "SOFTWARE", "SAM", "SECURITY")


def forge(
    scenario: Scenario = LAB,
    seed: int = DEFAULT_SEED,
    build: str | Build = DEFAULT_BUILD,
    pae: bool | None = None,
    five_levels: bool = False,
) -> Image:
    """Forge a memory image.

    What a generation of Windows does not have is left out of its image and of the truth; see
    :mod:`process_anatomy.forge.cast.older`.

    Args:
        scenario: who runs.
        seed: decides all addresses and frames.
        build: a layout that ships, by name or loaded.
        pae: x86 only: with physical address extension or without; ``None`` for what the build is usually forged with.
        five_levels: x64 from build 26100 on: with page tables of five levels (LA57), and the kernel that needs them.

    Raises:
        OutOfFramesError: the scenario does not fit its memory.
        ValueError: this kernel does not run in that mode.
    """
    return _Machine(scenario, seed, builds.load(build) if isinstance(build, str) else build, pae, five_levels).image()


def with_compression(cast: tuple[Actor, ...]) -> tuple[Actor, ...]:
    """The cast with the process that compressed pages are kept in, if it has none."""
    if any(actor.role == COMPRESSION for actor in cast):
        return cast
    taken = {actor.pid for actor in cast}
    pid = next(pid for pid in range(1704, 1 << 20, 4) if not taken & {pid, pid + 4, pid + 8})
    return (*cast, Actor(pid, 4, "MemCompression", role=COMPRESSION, started=30, minimal=True))


class _Machine:
    """One forging, from the empty memory to the last link."""

    def __init__(self, scenario: Scenario, seed: int, build: Build, pae: bool | None, five_levels: bool) -> None:
        scenario = replace(scenario, cast=cast_for(build, scenario.cast))
        if scenario.compressed:
            compression.layouts_for(build, scenario.compressed)
            scenario = replace(scenario, cast=with_compression(scenario.cast))
        mode = mode_of(build, pae, five_levels)
        build = builds.with_entries(complete(build), mode.entry_size)
        build = builds.with_five_levels(build) if five_levels else build
        self.scenario, self.seed, self.build = scenario, seed, build
        self.dice = dice = Dice(seed)
        self.memory = PhysicalMemory(scenario.memory_size // PAGE, dice, mode.large_frames)
        self.places = places = system_space(build, mode, dice)
        self.kernel = Space(self.memory, mode, places.first_self_index(), SYSTEM_ROOT)
        self.small_roots: list[int] = []
        self.next_roots = SMALL_ROOTS
        outside = has_globals(build) and bool(scenario.compressed or scenario.paged)
        self.kernel_image = KernelImage(build, self.kernel, dice, places, outside)
        own = scenario.identity is not None
        nonpaged = Pool(build, self.kernel, dice, NON_PAGED, places, 2, True, own)
        paged = Pool(build, self.kernel, dice, PAGED, places, 2, False, own)
        bodies = Pool(build, self.kernel, dice, OBJECTS, places, 2, True, own) if mode is LA57 else nonpaged
        session = Pool(build, self.kernel, dice, SESSION, places, 1, False, own)
        mask = scenario.invalid_pte_mask if mode.is_long and build.number >= FIRST_SWIZZLED_BUILD else 0
        low = build.place(MMPTE_SOFTWARE.name, "PageFileLow")
        index_shift = 1 if low is None else low.bit or 0
        low_bits = build[MMPTE_PROTOTYPE].place("ProtoAddressLow").bits or 7 if mode is X86 else 7
        self.entries = Entries(mode, mask, index_shift, paged.start, nonpaged.start, low_bits)
        if not mode.is_long:
            self.kernel_image.point("MmPagedPoolStart", paged.start)
            self.kernel_image.point("MmNonPagedPoolStart", nonpaged.start)
            self.kernel_image.point("MmSubsectionBase", nonpaged.start)
        if mode is X86:  # readers know System's root by the tables that are always there
            self.kernel.prepare(0, 1)
            self.kernel.prepare(paged.start, paged.start + PREPARED)
        self.pools = nonpaged, paged
        self.every_pool = dict.fromkeys((nonpaged, paged, bodies, session))
        self.objects = ObjectManager(build, self.kernel, self.kernel_image, (nonpaged, paged, bodies), dice)
        self.namespace = Namespace(self.objects)
        devices = Devices(self.namespace)
        self.sections = Sections(self.objects, self.entries, devices.at(DISK))
        self.hives = hives = self._hives()
        self.open_objects = OpenObjects(self.objects, self.sections, self.namespace, devices, hives.mounted)
        contexts = CONTEXTS if scenario.identity is None else contexts_of(scenario.identity)
        self.users = UserHalves(self.objects, self.sections, self.entries, scenario, contexts)
        self.tokens = Tokens(self.objects, scenario.boot_time, contexts)
        self.trees = VadTrees(self.objects)
        self.table = ProcessTable(self.objects, session, scenario.boot_time)
        self.registry = Registry(self.objects, filetime(scenario.boot_time), hives)
        self.ids: dict[int, int] = {}
        self.subsystem: list[dict[str, Any]] = []
        self.compressed: list[dict[str, Any]] = []
        self.filed: list[dict[str, Any]] = []

    def _hives(self) -> Hives:
        """What the registry says of the machine; of people only where they have an identity."""
        scenario = self.scenario
        if scenario.identity is None:
            return LAB_HIVES
        started = started_by_shells(scenario, self.dice)
        people = hives_of_people(self.build, scenario.identity, started, scenario.autostart)
        return replace(hives_of(scenario.identity, scenario.services, scenario.autostart), more=people)

    def _space(self) -> Space:
        """Page tables for a process; with PAE the roots of many share a page, 32 bytes each."""
        mode = self.kernel.mode
        if mode is X86:  # System's root was made first and lies lowest; readers take the first that they find for it
            return Space(self.memory, mode, root=self.memory.choose(SYSTEM_ROOT))
        if mode is not PAE:
            return Space(self.memory, mode, self.places.self_index())
        if not self.small_roots:
            page = self.memory.place(self.next_roots) * PAGE
            self.memory.place(self.next_roots + 1)  # some readers take a whole page from a root's address on
            self.next_roots += 2
            self.small_roots = list(range(page + PAGE - ROOT_BYTES, page, -ROOT_BYTES))
        return Space(self.memory, mode, dtb=self.small_roots.pop())

    def image(self) -> Image:
        """Build everything, in the order in which addresses become known."""
        now = filetime(self.scenario.boot_time + self.scenario.uptime)
        server = version_of(self.build) == SERVER_2003
        self.memory.write(self.users.shared_frame * PAGE, shared_data(self.build, now, server))
        self.kernel.map(
            KUSER_SHARED_DATA_ADDRESS[self.build.pointer_size], self.users.shared_frame, KERNEL_DATA & ~WRITE
        )
        processes = [self._start(actor) for actor in self.scenario.cast]
        impersonate(processes, self.tokens)
        image, free = self.kernel_image, self.kernel_image.base - self.places.before_kernel
        victims = [
            Victim(self.build, process, processes[0], self.scenario.boot_time, image.functions, free)
            for process in processes
        ]
        for victim in victims:
            change_first(victim)
        for process in processes:
            self._fill(process)
        open_usual(self.objects, self.sections, processes)
        self.open_objects.open(processes, self.scenario.powers)
        open_ended(self.objects, processes)
        if version_of(self.build) >= FIRST_SUBSYSTEM:
            self.subsystem = Subsystem(self.objects, self.scenario.boot_time).write(processes)
        else:
            open_programs(self.objects, processes)
        self.namespace.write()
        modules = load_drivers(self.kernel_image, self.pools, self.dice, self.scenario.identity is not None)
        self.table.write(processes, {module["name"]: module["base"] for module in modules})
        for victim in victims:
            change_written(replace(victim, driver=modules[1]["base"] + PAGE))
        self.kernel_image.point("PspCidTable", self.objects.cid_table(self.ids))
        self.tokens.write_sessions()
        self.kernel_image.write_debugger_data()
        self.kernel_image.point("MmPfnDatabase", self.places.pfn_database)
        self.kernel_image.store("KeBootTime", struct.pack("<Q", filetime(self.scenario.boot_time)))
        if self.kernel.mode.is_long:
            self._low_stub()
        self.registry.write(next((p for p in processes if p.actor.role == REGISTRY and p.alive), None))
        files = PagingFiles(self.objects, self.sections, self.entries, bool(self.scenario.compressed))
        if self.scenario.paged:
            self.filed = files.fill(processes, self.scenario.paged)
        if self.scenario.compressed:
            owner = next(process for process in processes if process.actor.role == COMPRESSION)
            stores = compression.CompressedPages(self.objects, self.entries, owner, self.scenario.compressed)
            self.compressed = stores.write(processes)
        if self.scenario.paged or self.scenario.compressed:
            files.write()
        working_sets = WorkingSets(self.objects, self.places)
        for process in processes:
            process.working_set = working_sets.write(process)
        for process in processes:
            if process.space is not self.kernel:
                process.space.share_kernel_half(self.kernel, working_sets.own_addresses)
        for pool in self.every_pool:
            pool.close()
        used = self._user_frames(processes)
        self._leave_old_pages(sorted(used))
        return Image(
            physical={frame: bytes(content) for frame, content in sorted(self.memory.pages.items())},
            runs=list(self.memory.runs),
            memory_size=self.memory.size,
            truth=self._truth(processes, modules),
            symbols=symbol_table(self.build, self.kernel_image, self.scenario.identity is not None),
            system_time=now,
            uptime=self.scenario.uptime * 10_000_000,
            page_files=files.files if self.scenario.paged else [],
            user_frames=used,
        )

    def _user_frames(self, processes: list[Process]) -> frozenset[int]:
        """Frames that only the user half of processes maps."""
        return frozenset(
            frame
            for process in processes
            for page, frame in process.space.mapped.items()
            if process.space is not self.kernel and page * PAGE < self.kernel.mode.system_start
        ).difference(self.kernel.mapped.values())

    def _leave_old_pages(self, used: list[int]) -> None:
        """Leave in free frames what programs had there before: whole pages, and some whose rest was zeroed since."""
        for _ in range(int(self.scenario.old_pages * len(used))):
            content = bytes(self.memory.pages[self.dice.pick(used)])
            kept = PAGE if self.dice.below(3) else 16 * self.dice.below(PAGE // 16)
            self.memory.take(content[:kept])

    def _start(self, actor: Actor) -> Process:
        """Addresses for a process, its token and its threads."""
        eprocess = self.table.reserve("Process")
        space = self.kernel if actor.role == SYSTEM else self._space()
        token = self.tokens.make(actor.context, actor.session, actor.protection)
        count = len(actor.plans) if actor.ended is not None else actor.threads
        first = actor.pid + 4
        taken = {other.pid for other in self.scenario.cast} | self.ids.keys()
        while any(
            first + 4 * index in taken or self.objects.reserved(first + 4 * index) for index in range(count)
        ):  # fmt: skip
            first += 4
        process = Process(
            actor, space, eprocess, token,
            [self.table.reserve("Thread") for _ in range(count)], [first + 4 * index for index in range(count)],
            audited_name(actor),
        )  # fmt: skip
        if in_cid_table(process):
            self.ids[actor.pid] = eprocess
        if process.alive:
            self.ids |= dict(zip(process.tids, process.threads, strict=True))
        return process

    def _fill(self, process: Process) -> None:
        """The user half and its VAD tree."""
        actor = process.actor
        if not process.alive or not process.threads:  # gone already, or not made yet
            return
        if actor.minimal:
            process.regions = self._minimal_regions(actor)
            if actor.role == SYSTEM:
                process.space.map(SHARED_PAGE, self.users.shared_frame, USER_READ)
        else:
            process.user = self.users.make(actor, process.space, process.tids[0])
            process.regions = process.user.regions
            process.section_object = self.sections.object(process.user.modules[0].section)
        process.vad_root, process.vads, process.vad_depth = self.trees.make(process.eprocess, process.regions)

    def _minimal_regions(self, actor: Actor) -> list[Region]:
        if actor.role == SYSTEM:
            ntdll = self.users.images.at(SYSTEM32 + LIBRARIES[0], library=True)
            return [ntdll.region(4)]
        zone = self.dice.between(0x100, 0x1FF) << (20 if self.build.pointer_size == 4 else 32)
        if actor.role == COMPRESSION:
            return compression.regions(zone)
        files = {hive: f"\\Windows\\System32\\config\\{hive}" for hive in HIVES}
        files |= {hive.name: hive.file.removeprefix("\\??\\C:") for hive in self.hives.more if hive.name not in files}
        return [
            Region(zone + (index << 26), 0x200000, READ_WRITE, hive, self.sections.data(file, 0x200, []))
            for index, (hive, file) in enumerate(files.items())
        ]

    def _older_facts(self) -> dict[str, Any]:
        """What is true of the whole machine on some generations only."""
        facts: dict[str, Any] = {}
        if not self.kernel.mode.is_long:
            facts |= {"arch": self.build.arch, "pae": self.kernel.mode is PAE, "pdb": self.kernel_image.pdb}
        if self.kernel.mode is LA57:
            facts |= {"five_levels": True, "pdb": self.kernel_image.pdb}
        if service_pack(self.build):
            facts["csd_version"] = service_pack(self.build) << 8
        return facts

    def _low_stub(self) -> None:
        """The boot processor's start block, which names the page-table root and an address in the kernel."""
        page = bytearray(PAGE)
        struct.pack_into("<Q", page, 0, LOW_STUB_SIGNATURE | 0x4D00)
        struct.pack_into("<Q", page, 0x70, self.kernel_image.base + 0x10D8A0)
        struct.pack_into("<Q", page, 0xA0, self.kernel.dtb)
        self.memory.place(LOW_STUB, bytes(page))

    def _truth(self, processes: list[Process], modules: list[dict[str, Any]]) -> dict[str, Any]:
        image, (major, minor) = self.kernel_image, version_of(self.build)
        views = view_facts(processes, bool(self.subsystem))
        untold = unknowable(self.build, self.kernel.mode, self.objects.encoded)
        return {
            "arguments": {"build": self.build.name, "scenario": self.scenario.name, "seed": self.seed},
            "boot_time": written_time(self.scenario.boot_time),
            "build": self.build.number,
            "csr": self.subsystem,
            **({"compressed": self.compressed} if self.scenario.compressed else {}),
            **({"in_page_files": self.filed} if self.scenario.paged else {}),
            "cid_table": {str(key): self.ids[key] for key in sorted(self.ids)},
            "dtb": self.kernel.dtb,
            "invalid_pte_mask": self.entries.mask,
            "kdbg_encoded": False,
            "kernel_base": image.base,
            "kernel_modules": modules,
            "kernel_size": image.size,
            "logon_sessions": self.tokens.sessions,
            "low_stub_pa": LOW_STUB * PAGE if self.kernel.mode.is_long else None,
            "major": major,
            "memory_size": self.memory.size,
            "minor": minor,
            "nt_build_lab": image.lab,
            "number_of_processors": processors(self.build),
            "object_header_cookie": self.objects.cookie,
            "object_directories": self.namespace.facts(),
            "object_types": self.objects.types,
            "pdb_age": image.age,
            "pdb_guid": image.guid,
            "pfn_database": self.places.pfn_database,
            "ways": way_facts(self.scenario.ways, processes) if has_integrity(self.build) else [],
            **self._older_facts(),
            "processes": [
                process_facts(self.scenario, self.kernel, process, views)
                | {"findings": findings(process.actor, untold)}
                for process in processes
            ],
            "runs": [{"base_page": first, "page_count": count} for first, count in self.memory.runs],
            "self_map_index": self.kernel.self_index,
            "symbols": {name: image.address(name) for name in sorted(image.rvas)},
            "system_time": written_time(self.scenario.boot_time + self.scenario.uptime),
            "time_zone_bias_100ns": 0,
            **self.registry.truth(),
        }
